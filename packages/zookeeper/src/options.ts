import {
  CONNECT_MS_MAX,
  CONNECTIONS_MAX,
  CONNECTIONS_PER_ADDRESS_MAX,
  OUTSTANDING_MAX,
  PACKET_BYTES_MAX,
  WATCHES_PER_CONNECTION_MAX,
} from "./limits.js";

/** What an operator configures; names in brackets are those of zoo.cfg. */
export interface ZkOptions {
  /** (tickTime) */
  readonly tickMs: number;
  /** (minSessionTimeout, maxSessionTimeout) 2 and 20 ticks. */
  readonly sessionMsMin: number;
  readonly sessionMsMax: number;
  /** (jute.maxbuffer) */
  readonly packetBytesMax: number;
  /** (maxClientCnxns) 0 for no bound. */
  readonly connectionsPerAddressMax: number;
  /** (maxCnxns) 0 for no bound. */
  readonly connectionsMax: number;
  /** (globalOutstandingLimit) */
  readonly outstandingMax: number;
  readonly connectMsMax: number;
  /** (DigestAuthenticationProvider.superDigest) `user:hash`; null for nobody. */
  readonly superDigest: string | null;
  /** (enforce.auth.schemes) Without one of them nothing is carried out; empty for no such rule. */
  readonly requiredSchemes: readonly string[];
  /** (`user_NAME` of the login configuration's Server section) By name; empty: no SASL. */
  readonly saslUsers: ReadonlyMap<string, string>;
  /** (superUser) One of them, who may do everything; null for nobody. */
  readonly saslSuperUser: string | null;
  /** (readonlymode.enabled) Serves reads to clients that ask for no more, without a quorum. */
  readonly isReadOnlyEnabled: boolean;
  /** Watches of one connection, a persistent one counted twice. */
  readonly watchesMax: number;
  /** (4lw.commands.whitelist) `*` for all. `srvr` always is. */
  readonly words: readonly string[];
  /**
   * What `/zookeeper/config` shows as long as nobody has written to it: the members, as ZooKeeper
   * writes its dynamic configuration. Empty for nothing.
   */
  readonly ensembleText: string;
}

const TICK_MS = 2_000;

export function zkOptions(given: Partial<ZkOptions> = {}): ZkOptions {
  const tickMs = given.tickMs ?? TICK_MS;
  return {
    tickMs,
    sessionMsMin: tickMs * 2,
    sessionMsMax: tickMs * 20,
    packetBytesMax: PACKET_BYTES_MAX,
    connectionsPerAddressMax: CONNECTIONS_PER_ADDRESS_MAX,
    connectionsMax: CONNECTIONS_MAX,
    outstandingMax: OUTSTANDING_MAX,
    connectMsMax: CONNECT_MS_MAX,
    superDigest: null,
    requiredSchemes: [],
    saslUsers: new Map(),
    saslSuperUser: null,
    isReadOnlyEnabled: false,
    watchesMax: WATCHES_PER_CONNECTION_MAX,
    words: [],
    ensembleText: "",
    ...given,
  };
}
