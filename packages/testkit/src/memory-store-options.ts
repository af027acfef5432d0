import type { ChainHash, Clock, Random } from "@quorate/protocol";

export interface MemoryStoreOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly chainHash: ChainHash;
  /** Virtual milliseconds of one transaction, asked anew for each. */
  readonly latencyMs: () => number;
  /** The same for one read or one slice of checkpoint rows. Default 0. */
  readonly readLatencyMs?: () => number;
  /** Bytes of checkpoint rows read at a time, at most. Default: as many as are asked for. */
  readonly rowBytesPerRead?: number;
  /**
   * How many of the waiting writes the next transaction takes, at least 1. A writer thread may
   * look while a turn is still asking: default all, which never splits a turn.
   */
  readonly takeWrites?: (waiting: number) => number;
  /** Bytes of log kept below a finished checkpoint. Default 1 MiB. */
  readonly retainedTailBytes?: number;
  /** How long `close` waits for what is open. Default 5000. */
  readonly diskTimeoutMs?: number;
}
