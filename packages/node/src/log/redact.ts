import { errorCodeOf, formatTxnid, isErrorCode, toTxnid } from "@quorate/protocol";

/** What a value under such a key says is nobody else's. */
export const SECRET_KEY = /secret|password|token|passphrase|superdigest|authorization|hmac/i;
/** What clients store is theirs; a log is read by others. */
const CONTENT_KEY = /^(?:content|data|payload|body)$/i;
const TXNID_KEY = /txn?id$|^last(?:Logged|Committed|Applied)$|^(?:first|last|after|upTo|mark)$/i;
const DEPTH_MAX = 6;
const ITEMS_MAX = 100;
const TEXT_CHARS_MAX = 2000;

/**
 * A printable copy of log data: without secrets and client content, txnids in their printed form,
 * every size bounded.
 */
export function redact(value: unknown, key = "", depth = 0): unknown {
  if (SECRET_KEY.test(key)) return value === null || value === undefined ? value : "[redacted]";
  if (CONTENT_KEY.test(key) && value !== null && value !== undefined) return sizeOf(value);
  switch (typeof value) {
    case "string":
      return value.length > TEXT_CHARS_MAX ? `${value.slice(0, TEXT_CHARS_MAX)}...` : value;
    case "bigint":
      return formatBigint(value, key);
    case "object":
      return value === null ? null : redactObject(value, depth);
    case "function":
    case "symbol":
      return `[${typeof value}]`;
    default:
      return value;
  }
}

function redactObject(value: object, depth: number): unknown {
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (depth >= DEPTH_MAX) return "[deep]";
  if (value instanceof Error) return redactError(value, depth);
  if (Array.isArray(value)) {
    return value.slice(0, ITEMS_MAX).map((item) => redact(item, "", depth + 1));
  }
  const entries: Iterable<[unknown, unknown]> =
    value instanceof Map ? value : Object.entries(value);
  const copy: Record<string, unknown> = {};
  let items = 0;
  for (const [name, item] of entries) {
    items += 1;
    if (items > ITEMS_MAX) break;
    copy[String(name)] = redact(item, String(name), depth + 1);
  }
  return copy;
}

/** Message, code, details and cause; the stack only of what nobody foresaw. */
function redactError(error: Error, depth: number): unknown {
  const code = errorCodeOf(error) ?? ("code" in error ? error.code : undefined);
  const details = "details" in error ? redact(error.details, "", depth + 1) : undefined;
  return {
    name: error.name,
    ...(code === undefined ? {} : { code }),
    message: error.message,
    ...(isEmpty(details) ? {} : { details }),
    ...(isErrorCode(code) ? {} : { stack: error.stack }),
    ...(error.cause === undefined ? {} : { cause: redact(error.cause, "", depth + 1) }),
  };
}

function isEmpty(value: unknown): boolean {
  return typeof value !== "object" || value === null || Object.keys(value).length === 0;
}

function sizeOf(value: unknown): string {
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  return typeof value === "string" ? `[${value.length} characters]` : "[content]";
}

function formatBigint(value: bigint, key: string): string {
  if (TXNID_KEY.test(key) && value >= 0n && value < 2n ** 64n) return formatTxnid(toTxnid(value));
  return /digest|chain|bootId/i.test(key) ? value.toString(16).padStart(16, "0") : value.toString();
}
