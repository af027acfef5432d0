/**
 * Every operating error has one of these codes; callers match the code and nothing else.
 * docs/errors.md explains each, and a test compares the two lists.
 */
export const ERROR_CODES = [
  // A caller's argument.
  "ERR_ARG_EPOCH",
  "ERR_ARG_TXNID",
  "ERR_ARG_NODE_ID",
  "ERR_ARG_PATH",
  "ERR_ARG_TOO_LARGE",
  "ERR_ARG_VALUE",
  // Configuration.
  "ERR_CONFIG_FILE",
  "ERR_CONFIG_UNKNOWN_KEY",
  "ERR_CONFIG_VALUE",
  "ERR_CONFIG_RELATION",
  "ERR_CONFIG_INSECURE",
  "ERR_CONFIG_UNSUPPORTED",
  // What a peer sent or did.
  "ERR_PROTOCOL_DECODE",
  "ERR_PROTOCOL_VERSION",
  "ERR_PROTOCOL_ORDER",
  "ERR_PROTOCOL_TXNID_EXHAUSTED",
  "ERR_PROTOCOL_EPOCH_EXHAUSTED",
  "ERR_PROTOCOL_HANDSHAKE",
  "ERR_PROTOCOL_CLUSTER",
  "ERR_PROTOCOL_SECRET",
  "ERR_PROTOCOL_UNKNOWN_NODE",
  "ERR_PROTOCOL_TIMEOUT",
  "ERR_PROTOCOL_CLOSED",
  "ERR_PROTOCOL_RESET",
  "ERR_PROTOCOL_OVERFLOW",
  // Election.
  "ERR_ELECTION_IN_PROGRESS",
  "ERR_ELECTION_CLOSED",
  "ERR_ELECTION_LOST",
  "ERR_ELECTION_NO_LEADER",
  // Discovery and sync.
  "ERR_SYNC_EPOCH_STALE",
  "ERR_SYNC_DIVERGED",
  "ERR_SYNC_ABDICATED",
  "ERR_SYNC_TIMEOUT",
  // A serving node.
  "ERR_SERVER_NOT_READY",
  "ERR_SERVER_NOT_LEADING",
  "ERR_SERVER_BUSY",
  "ERR_SERVER_CLOSED",
  "ERR_SERVER_DUPLICATE_ID",
  "ERR_SERVER_PORT_IN_USE",
  "ERR_SERVER_NO_CUSTOM_HANDLER",
  "ERR_SERVER_CUSTOM_FAILED",
  "ERR_SERVER_CUSTOM_STATE",
  "ERR_SERVER_UNSUPPORTED",
  "ERR_SERVER_INTERNAL",
  "ERR_SERVER_OPERATOR_ONLY",
  // The store.
  "ERR_STORE_LOCKED",
  "ERR_STORE_FULL",
  "ERR_STORE_IO",
  "ERR_STORE_DAMAGED",
  "ERR_STORE_CLOSED",
  "ERR_STORE_COMPACTED",
  "ERR_STORE_SCHEMA",
  "ERR_STORE_TIMEOUT",
  // The tree (ZooKeeper's codes in brackets).
  "ERR_ZNODE_NO_NODE", // -101
  "ERR_ZNODE_NODE_EXISTS", // -110
  "ERR_ZNODE_BAD_VERSION", // -103
  "ERR_ZNODE_NOT_EMPTY", // -111
  "ERR_ZNODE_BAD_ARGUMENTS", // -8
  "ERR_ZNODE_UNIMPLEMENTED", // -6
  "ERR_ZNODE_INCONSISTENT", // -2
  "ERR_ZNODE_NO_AUTH", // -102
  "ERR_ZNODE_NO_CHILDREN_FOR_EPHEMERALS", // -108
  "ERR_ZNODE_INVALID_ACL", // -114
  "ERR_ZNODE_NO_WATCHER", // -121
  "ERR_ZNODE_RECONFIG_DISABLED", // -123
  "ERR_ZNODE_QUOTA_EXCEEDED", // -125
  "ERR_ZNODE_TOO_MANY_EPHEMERALS", // -8
  "ERR_ZNODE_IMPORT_CONFLICT",
  "ERR_ZNODE_IMPORT_EPOCH",
  // Sessions.
  "ERR_SESSION_EXPIRED", // -112
  "ERR_SESSION_MOVED", // -118
  "ERR_SESSION_EXISTS",
  "ERR_SESSION_AUTH_FAILED", // -115
  "ERR_SESSION_AUTH_REQUIRED", // -124
  "ERR_SESSION_READ_ONLY", // -119
  "ERR_SESSION_THROTTLED", // -127
  // An import from ZooKeeper, as its tool judges.
  "ERR_IMPORT_UNREADABLE",
  "ERR_IMPORT_CHANGING",
  // The client.
  "ERR_CLIENT_OUTCOME_UNKNOWN",
  "ERR_CLIENT_UNREACHABLE",
  "ERR_CLIENT_TIMEOUT",
  "ERR_CLIENT_CLOSED",
  "ERR_CLIENT_ABORTED",
  "ERR_CLIENT_BUSY",
  "ERR_CLIENT_COMPACTED",
  "ERR_CLIENT_TOO_SLOW",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

export interface QuorateErrorOptions {
  readonly cause?: unknown;
  /** The same call may succeed later without any change. */
  readonly retryable?: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** An operating error: something that may happen and that a caller can act on. */
export class QuorateError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: QuorateErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "QuorateError";
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.details = options.details ?? {};
  }
}

const knownCodes: ReadonlySet<string> = new Set(ERROR_CODES);

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === "string" && knownCodes.has(value);
}

/** The code of a thrown value, also across copies of this package; undefined if it has none. */
export function errorCodeOf(error: unknown): ErrorCode | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return isErrorCode(error.code) ? error.code : undefined;
}
