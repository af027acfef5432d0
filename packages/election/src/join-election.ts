import {
  checkTimings,
  CLUSTER_NAME_BYTES_MAX,
  DEFAULT_TIMINGS,
  majorityQuorum,
  QuorateError,
  silentLogger,
  silentMeter,
  toEpoch,
  toNodeId,
  toTxnid,
  type ElectionNetwork,
  type Logger,
  type Meter,
  type NodeId,
  type OpenElectionNetwork,
} from "@quorate/protocol";
import type { BallotTimings } from "./ballot-master.js";
import type { CandidateTimings } from "./candidate-events.js";
import { ServiceCandidate, type Candidate } from "./candidate.js";
import type { CandidateRank } from "./candidate-driver.js";
import { CLOCK_RATE_MARGIN } from "./grant-book.js";

const SECRET_CHARS_MIN = 16;
const SECRET_CHARS_MAX = 4096;

export type ElectionTimings = CandidateTimings & BallotTimings;

/** Who wins a ballot: the greater epoch, then lastLogged, then lastCommitted, then node id. */
export interface Rank {
  readonly epoch?: number;
  readonly lastLogged?: bigint;
  /** At most lastLogged; by default the same. */
  readonly lastCommitted?: bigint;
}

export interface MembersOptions {
  /** Separates elections that share a network; the same for all members. At most 64 bytes. */
  readonly cluster: string;
  /** The members: node id (1 to 254) and the UDP address `host:port`. The same for all of them. */
  readonly members: Readonly<Record<number, string>>;
  /** Authenticates datagrams; 16 to 4096 characters. Required unless all is loopback. */
  readonly secret?: string;
  readonly logger?: Logger;
  readonly meter?: Meter;
}

export interface JoinElectionOptions extends MembersOptions {
  /** Which of the members this process is. */
  readonly nodeId: number;
  /** Where to listen, if not at this node's address among the members: `0.0.0.0:7001`. */
  readonly bind?: string;
  /** Asked at each ballot: what this instance has. Default: all are equal, the highest id wins. */
  readonly rank?: () => Rank;
  readonly timings?: Partial<ElectionTimings>;
  /** When it aborts, the candidate closes. */
  readonly signal?: AbortSignal;
}

/**
 * Takes part in the election of one leader among `members`, until closed.
 *
 * Resolves once the port is open and the first ballot has begun, not when there is a leader.
 * @throws (rejects) ERR_CONFIG_VALUE, ERR_CONFIG_RELATION, ERR_ARG_NODE_ID; and as the network
 * does: ERR_SERVER_PORT_IN_USE, ERR_CONFIG_INSECURE.
 */
export async function joinElection(
  options: JoinElectionOptions,
  openNetwork: ElectionNetwork,
): Promise<Candidate> {
  const { cluster, signal, logger = silentLogger } = options;
  const members = parseMembers(options.members);
  const nodeId = toNodeId(options.nodeId);
  if (!members.has(nodeId)) {
    throw new QuorateError("ERR_CONFIG_VALUE", `node ${nodeId} is not among the members`, {
      details: { nodeId, members: [...members.keys()] },
    });
  }
  const timings = checkElectionTimings(options.timings ?? {});
  const rank = makeRank(options.rank, logger);
  if (isAborted(signal)) {
    throw new QuorateError("ERR_ELECTION_CLOSED", "the signal was aborted already", {
      cause: signal?.reason,
    });
  }
  const network = await openMembers(
    { ...options, bind: options.bind },
    nodeId,
    members,
    openNetwork,
  );
  const candidate = new ServiceCandidate(
    { nodeId, cluster, quorum: majorityQuorum(members.keys()), timings },
    { network, logger, rank },
  );
  const onAbort = (): void => void candidate.close();
  signal?.addEventListener("abort", onAbort, { once: true });
  void candidate.closed.then(() => signal?.removeEventListener("abort", onAbort));
  // It may have aborted while the port was opened.
  if (isAborted(signal)) onAbort();
  return candidate;
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

/** @throws (rejects) ERR_CONFIG_VALUE, and as the network does. */
export async function openMembers(
  options: MembersOptions & { readonly bind?: string | undefined },
  nodeId: NodeId,
  members: ReadonlyMap<NodeId, string>,
  openNetwork: ElectionNetwork,
): Promise<OpenElectionNetwork> {
  const { cluster, secret, logger = silentLogger, meter = silentMeter, bind } = options;
  checkClusterName(cluster);
  if (
    secret !== undefined &&
    (secret.length < SECRET_CHARS_MIN || secret.length > SECRET_CHARS_MAX)
  ) {
    throw new QuorateError(
      "ERR_CONFIG_VALUE",
      `a secret has ${SECRET_CHARS_MIN}..${SECRET_CHARS_MAX} characters`,
    );
  }
  return openNetwork({ cluster, nodeId, members, bind, secret, logger, meter });
}

/** @throws ERR_ARG_NODE_ID, ERR_CONFIG_VALUE. */
export function parseMembers(members: Readonly<Record<number, string>>): Map<NodeId, string> {
  const parsed = new Map<NodeId, string>();
  for (const [id, address] of Object.entries(members)) parsed.set(toNodeId(Number(id)), address);
  majorityQuorum(parsed.keys());
  const addresses = new Set(parsed.values());
  if (addresses.size < parsed.size) {
    throw new QuorateError("ERR_CONFIG_VALUE", "two members have the same address", {
      details: { members },
    });
  }
  return parsed;
}

/** @throws ERR_CONFIG_VALUE, ERR_CONFIG_RELATION. */
export function checkElectionTimings(given: Partial<ElectionTimings>): ElectionTimings {
  const { heartbeatMs, leaseMs, followerTimeoutMs, ballotResendMs, ...rest } = checkTimings({
    ...DEFAULT_TIMINGS,
    ...given,
  });
  const { ballotResendMsMax, finalizeWaitMs } = rest;
  if (leaseMs * CLOCK_RATE_MARGIN > followerTimeoutMs) {
    throw new QuorateError(
      "ERR_CONFIG_RELATION",
      `${CLOCK_RATE_MARGIN} x leaseMs must not exceed followerTimeoutMs: clocks differ`,
      { details: { leaseMs, followerTimeoutMs } },
    );
  }
  return {
    heartbeatMs,
    leaseMs,
    followerTimeoutMs,
    ballotResendMs,
    ballotResendMsMax,
    finalizeWaitMs,
  };
}

/** A rank that cannot be had, or is impossible, is said once per ballot; the last one stands. */
function makeRank(rank: (() => Rank) | undefined, logger: Logger): () => CandidateRank {
  let last = toCandidateRank({});
  if (rank === undefined) return () => last;
  return () => {
    try {
      last = toCandidateRank(rank());
    } catch (error) {
      logger.error("this node's rank is not usable; its last one stands", {}, error);
    }
    return last;
  };
}

function toCandidateRank({ epoch = 0, lastLogged = 0n, lastCommitted = lastLogged }: Rank) {
  if (lastCommitted > lastLogged) {
    throw new QuorateError("ERR_ARG_VALUE", "lastCommitted exceeds lastLogged", {
      details: { lastLogged, lastCommitted },
    });
  }
  return {
    currentEpoch: toEpoch(epoch),
    lastLogged: toTxnid(lastLogged),
    lastCommitted: toTxnid(lastCommitted),
  };
}

function checkClusterName(cluster: string): void {
  const bytes = new TextEncoder().encode(cluster).length;
  if (bytes > 0 && bytes <= CLUSTER_NAME_BYTES_MAX) return;
  throw new QuorateError(
    "ERR_CONFIG_VALUE",
    `the cluster's name has 1..${CLUSTER_NAME_BYTES_MAX} bytes`,
  );
}
