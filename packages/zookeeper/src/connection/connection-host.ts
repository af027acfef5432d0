import type { Clock, Logger, Meter, Random, Service } from "@quorate/protocol";
import type { WatchTable } from "@quorate/znode";
import type { ZkOptions } from "../options.js";
import type { ServerStats } from "../stats.js";
import type { Established } from "./handshake.js";
import type { ZkConnection } from "./zk-connection.js";

/** What a connection needs of the front end that it belongs to. */
export interface ConnectionHost {
  readonly service: Service;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
  readonly options: ZkOptions;
  readonly watches: WatchTable;
  readonly stats: ServerStats;
  /** As the service told last. */
  readonly isServing: boolean;
  /** Since when the node does not serve; null while it does. */
  readonly unservedSince: number | null;
  /** The newest transaction that anybody here can have seen the effects of. */
  readonly newestTxnid: bigint;
  /** Requests of all connections that are not answered. */
  readonly outstanding: number;
  changeOutstanding(by: number): void;
  /** Calls the connection's `turn` once, after what runs now. */
  defer(connection: ZkConnection): void;
  /** The connection has this session now; an older one of it closes. */
  sessionOpened(established: Established, connection: ZkConnection): void;
  /** The number under which the connection's watches are kept, from its first one on. */
  watcherOf(connection: ZkConnection): number;
  connectionClosed(connection: ZkConnection): void;
  /** The answer to a four-letter word. */
  answerWord(word: string): Uint8Array;
}
