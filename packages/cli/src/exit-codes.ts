import { errorCodeOf, InvariantError, type ErrorCode } from "@quorate/protocol";

/** What the exit code tells a script; docs/cli.md has the same table. */
export const ExitCode = {
  done: 0,
  /** The command line, an argument or the configuration is wrong; nothing was tried. */
  usage: 2,
  /** It was understood and refused; nothing has changed. */
  refused: 3,
  /** The write may have happened or not. */
  outcomeUnknown: 4,
  /** No server answered; nothing has changed. */
  unreachable: 5,
  /** Two trees were compared, and are not the same. 1 is what Node ends with by itself. */
  differs: 6,
  /** An invariant did not hold: a bug. */
  internal: 70,
  /** The disk or the data on it failed. */
  store: 74,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

const SPECIAL: Partial<Record<ErrorCode, ExitCode>> = {
  ERR_CLIENT_OUTCOME_UNKNOWN: ExitCode.outcomeUnknown,
  ERR_CLIENT_UNREACHABLE: ExitCode.unreachable,
  ERR_CLIENT_TIMEOUT: ExitCode.unreachable,
  ERR_ELECTION_NO_LEADER: ExitCode.unreachable,
  // Refusals of the store that leave it whole.
  ERR_STORE_LOCKED: ExitCode.refused,
  ERR_STORE_SCHEMA: ExitCode.refused,
  ERR_SYNC_DIVERGED: ExitCode.internal,
  ERR_SERVER_INTERNAL: ExitCode.internal,
};

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof InvariantError) return ExitCode.internal;
  const code = errorCodeOf(error);
  if (code === undefined) return ExitCode.internal;
  const special = SPECIAL[code];
  if (special !== undefined) return special;
  if (code.startsWith("ERR_ARG_") || code.startsWith("ERR_CONFIG_")) return ExitCode.usage;
  if (code.startsWith("ERR_STORE_")) return ExitCode.store;
  return ExitCode.refused;
}

export const EXIT_CODES_HELP = `Exit codes:
  0   done
  2   usage: wrong command line, argument or configuration
  3   refused: understood and turned down, nothing has changed
  4   unknown outcome: the write may have happened or not
  5   unreachable: no server answered, nothing has changed
  6   differs: the trees that import --verify compared are not the same
  70  internal: an invariant did not hold
  74  store: the disk or the data on it failed`;
