import type { LookupFunction } from "node:net";
import type { Clock, Logger, Meter } from "@quorate/protocol";

/** What every adapter of this package is given. */
export interface TransportDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
  /** Finds the addresses of names. Default: the system. */
  readonly lookup?: LookupFunction;
}

/** Where a node can be reached. The host may be a name; it is resolved again on every use. */
export interface PeerAddress {
  readonly host: string;
  readonly port: number;
}
