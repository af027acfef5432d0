import { QuorateError } from "@quorate/protocol";

/** What a node tells of itself; see docs/cli.md. */
export interface ServerStatus {
  readonly cluster: string;
  readonly id: number;
  readonly role: "leader" | "follower" | "watcher" | "electing";
  readonly leader: number | null;
  readonly epoch: number;
  readonly lastLogged: string;
  readonly lastCommitted: string;
  readonly lastApplied: string;
  readonly digest: string;
  readonly digestAt: string;
  readonly standing: string;
  readonly ready: boolean;
  /** Of the last ten to twenty seconds; null without a commit. Older servers do not tell. */
  readonly logCommitMs?: {
    readonly count: number;
    readonly p50: number;
    readonly p99: number;
    readonly max: number;
  } | null;
  readonly loopDelayMs?: { readonly p99: number; readonly max: number };
  /** Voters without which a new ensemble is not founded. Older servers do not tell. */
  readonly waitingFor?: readonly number[];
  readonly nodes: readonly { readonly id: number; readonly requestAddr: string }[];
}

/** Bytes of a status answer. */
const STATUS_BYTES_MAX = 256 * 1024;

/**
 * Asks one server for its status over HTTP.
 * @throws (rejects) ERR_CLIENT_UNREACHABLE, with what stood in the way; ERR_CLIENT_ABORTED.
 */
export async function fetchStatus(
  server: string,
  options: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {},
): Promise<ServerStatus> {
  const fail = (why: string, cause?: unknown): QuorateError =>
    new QuorateError("ERR_CLIENT_UNREACHABLE", `${server}: ${why}`, { cause, retryable: true });
  let status: unknown;
  const { signal, timeoutMs = 2000 } = options;
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(`http://${server}/status`, {
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    });
    if (!response.ok) throw fail(`HTTP ${response.status}`);
    const text = await response.text();
    if (text.length > STATUS_BYTES_MAX) throw fail("the answer is too long");
    status = JSON.parse(text);
  } catch (error) {
    if (signal?.aborted === true) {
      throw new QuorateError("ERR_CLIENT_ABORTED", "the call was aborted", { cause: error });
    }
    throw error instanceof QuorateError ? error : fail(reasonOf(error), error);
  }
  if (!isStatus(status)) throw fail("this is not a Quorate server");
  return status;
}

/** fetch says "fetch failed" and keeps the reason in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return "no answer in time";
  const { cause } = error;
  if (cause instanceof AggregateError && cause.errors[0] instanceof Error) {
    return cause.errors[0].message;
  }
  return cause instanceof Error ? cause.message : error.message;
}

function isStatus(value: unknown): value is ServerStatus {
  return (
    typeof value === "object" &&
    value !== null &&
    "id" in value &&
    typeof value.id === "number" &&
    "role" in value &&
    typeof value.role === "string" &&
    "nodes" in value &&
    Array.isArray(value.nodes)
  );
}
