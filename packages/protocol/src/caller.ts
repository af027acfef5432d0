import { QuorateError } from "./errors.js";

/**
 * Who asks. The node that a client is connected to puts it at the start of the content of each
 * request to the tree, reads included; a client cannot forge it, since it never sends it.
 *
 *   u8 flags (1: a session) | u64 session, if any | u8 identities, each: u8 bytes, scheme |
 *   u16 bytes, id
 *
 * Big-endian. An identity is what an authentication proved, as ZooKeeper's: ("digest",
 * "user:hash"), ("ip", "10.0.0.1"), ("x509", "CN=..."), ("super", ""). Everybody is
 * ("world", "anyone") without saying so.
 */
export interface Caller {
  /** Null for a caller without a session, which can own no ephemeral. */
  readonly session: bigint | null;
  readonly identities: readonly AuthIdentity[];
}

export interface AuthIdentity {
  readonly scheme: string;
  readonly id: string;
}

/** Identities of one caller. More: ERR_ARG_TOO_LARGE. */
export const CALLER_IDENTITIES_MAX = 64;
const ID_BYTES_MAX = 4096;
const SCHEME_BYTES_MAX = 64;
const HAS_SESSION = 1;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Every write asks for its session: a view of each content would be most of the cost. */
const sessionView = new DataView(new ArrayBuffer(8));

/** Nobody in particular: no session, no identity. */
export const ANYONE: Caller = { session: null, identities: [] };

/** @throws ERR_ARG_TOO_LARGE. Encode once per connection and change of it, not per request. */
export function encodeCaller({ session, identities }: Caller): Uint8Array {
  if (identities.length > CALLER_IDENTITIES_MAX) throw tooLarge("too many identities");
  const parts = identities.map(({ scheme, id }) => ({
    scheme: encoder.encode(scheme),
    id: encoder.encode(id),
  }));
  let length = 2 + (session === null ? 0 : 8);
  for (const { scheme, id } of parts) {
    if (scheme.length > SCHEME_BYTES_MAX || id.length > ID_BYTES_MAX) {
      throw tooLarge("an identity is too long");
    }
    length += 3 + scheme.length + id.length;
  }
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  let at = 1;
  if (session !== null) {
    bytes[0] = HAS_SESSION;
    view.setBigUint64(at, session);
    at += 8;
  }
  bytes[at] = parts.length;
  at += 1;
  for (const { scheme, id } of parts) {
    bytes[at] = scheme.length;
    bytes.set(scheme, at + 1);
    at += 1 + scheme.length;
    view.setUint16(at, id.length);
    bytes.set(id, at + 2);
    at += 2 + id.length;
  }
  return bytes;
}

/** The bytes of a caller at the start of a content, or -1 when there is no readable one. */
export function callerBytes(content: Uint8Array): number {
  const flags = content[0];
  if (flags === undefined || flags > HAS_SESSION) return -1;
  let at = flags === HAS_SESSION ? 9 : 1;
  const count = content[at];
  if (count === undefined || count > CALLER_IDENTITIES_MAX) return -1;
  at += 1;
  for (let i = 0; i < count; i += 1) {
    const schemeBytes = content[at];
    if (schemeBytes === undefined || schemeBytes > SCHEME_BYTES_MAX) return -1;
    at += 1 + schemeBytes;
    const idBytes = ((content[at] ?? 0) << 8) | (content[at + 1] ?? 0);
    at += 2 + idBytes;
    if (idBytes > ID_BYTES_MAX || at > content.length) return -1;
  }
  return at;
}

/** The session of a content's caller; null without one or when there is no readable caller. */
export function callerSession(content: Uint8Array): bigint | null {
  if (content[0] !== HAS_SESSION || content.length < 9) return null;
  for (let i = 0; i < 8; i += 1) sessionView.setUint8(i, content[1 + i] ?? 0);
  return sessionView.getBigUint64(0);
}

/** @throws ERR_PROTOCOL_DECODE when the content does not start with a caller. */
export function decodeCaller(content: Uint8Array): Caller {
  const end = callerBytes(content);
  if (end === -1) throw malformed();
  const session = callerSession(content);
  const identities: AuthIdentity[] = [];
  let at = session === null ? 2 : 10;
  while (at < end) {
    const idAt = at + 1 + (content[at] ?? 0);
    const next = idAt + 2 + (((content[idAt] ?? 0) << 8) | (content[idAt + 1] ?? 0));
    identities.push({ scheme: text(content, at + 1, idAt), id: text(content, idAt + 2, next) });
    at = next;
  }
  return { session, identities };
}

function text(content: Uint8Array, from: number, to: number): string {
  try {
    return decoder.decode(content.subarray(from, to));
  } catch (cause) {
    throw malformed(cause);
  }
}

function malformed(cause?: unknown): QuorateError {
  return new QuorateError("ERR_PROTOCOL_DECODE", "malformed content: caller", { cause });
}

function tooLarge(message: string): QuorateError {
  return new QuorateError("ERR_ARG_TOO_LARGE", message);
}
