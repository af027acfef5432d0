import type { NodeId } from "../ids.js";
import type { Clock } from "./clock.js";
import type { Logger } from "./logger.js";
import type { Meter } from "./meter.js";
import type { LeaseMessenger, PeerMessenger } from "./peer.js";
import type { Random } from "./random.js";

export interface ElectionNetworkOptions {
  readonly cluster: string;
  readonly nodeId: NodeId;
  /** Where each member takes datagrams, as `host:port`. Names are resolved again on every use. */
  readonly members: ReadonlyMap<NodeId, string>;
  /** Where this node takes them; default: its own address among the members. */
  readonly bind?: string | undefined;
  readonly secret?: string | undefined;
  readonly logger: Logger;
  readonly meter: Meter;
}

/** The world of one node that elects and does nothing else. */
export interface OpenElectionNetwork {
  readonly clock: Clock;
  readonly random: Random;
  readonly messenger: PeerMessenger;
  readonly leases: LeaseMessenger;
  /** Closes the messenger, and the leases with it. */
  close(): Promise<void>;
}

/** Opens it: over UDP in `@quorate/transport/udp`, over a simulated network in tests. */
export type ElectionNetwork = (options: ElectionNetworkOptions) => Promise<OpenElectionNetwork>;
