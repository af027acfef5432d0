import {
  DEFAULT_TIMINGS,
  majorityQuorum,
  NODE_ID_MAX,
  QuorateError,
  silentLogger,
  toEpoch,
  toIdentity,
  toNodeId,
  TXNID_ZERO,
  type ElectionNetwork,
  type NodeId,
  type Timer,
} from "@quorate/protocol";
import { createElectionSite } from "./election-site.js";
import { openMembers, parseMembers, type MembersOptions } from "./join-election.js";

const TIMEOUT_MS = 5000;
/** It has no data directory, and nobody counts it. */
const NO_IDENTITY = toIdentity("00".repeat(16));

export interface FindLeaderOptions extends MembersOptions {
  /** Default 5000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface FoundLeader {
  readonly leader: number;
  readonly address: string;
  readonly term: number;
}

/**
 * Asks the members who leads, without being one: a majority names it, and so does it itself. What
 * was true when they answered may be over when the caller reads it.
 * @throws (rejects) ERR_ELECTION_NO_LEADER when none was found in time, ERR_ELECTION_CLOSED when
 * the signal aborts; otherwise as `joinElection`.
 */
export async function findLeader(
  options: FindLeaderOptions,
  openNetwork: ElectionNetwork,
): Promise<FoundLeader> {
  const { cluster, signal, logger = silentLogger, timeoutMs = TIMEOUT_MS } = options;
  const members = parseMembers(options.members);
  const nodeId = outsiderOf(members);
  const network = await openMembers(options, nodeId, members, openNetwork);
  const site = createElectionSite(
    {
      nodeId,
      cluster,
      quorum: majorityQuorum(members.keys()),
      solicitOnly: true,
      timings: DEFAULT_TIMINGS,
    },
    {
      clock: network.clock,
      random: network.random,
      messenger: network.messenger,
      logger,
      state: () => ({
        status: "electing",
        standing: "member",
        identity: NO_IDENTITY,
        currentEpoch: toEpoch(0),
        lastLogged: TXNID_ZERO,
        lastCommitted: TXNID_ZERO,
      }),
    },
  );
  const deadline = new AbortController();
  const onAbort = (): void => deadline.abort(signal?.reason);
  let timer: Timer | null = null;
  try {
    if (signal?.aborted === true) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    timer = network.clock.setTimer(timeoutMs, () => deadline.abort(noLeader(cluster, timeoutMs)));
    const { leader, epoch } = await site.startElection({ signal: deadline.signal });
    return { leader, address: members.get(leader) ?? "", term: epoch };
  } catch (error) {
    const { reason } = deadline.signal as { readonly reason: unknown };
    throw reason instanceof QuorateError ? reason : error;
  } finally {
    timer?.cancel();
    signal?.removeEventListener("abort", onAbort);
    site.close();
    await network.close();
  }
}

/** An id that no member has: answers go to where a question from outside came from. */
function outsiderOf(members: ReadonlyMap<NodeId, string>): NodeId {
  // There are more ids than an ensemble may have members.
  let id = NODE_ID_MAX;
  while (members.has(toNodeId(id))) id -= 1;
  return toNodeId(id);
}

/** With the cluster's name: members of another one hear the question and keep silent. */
function noLeader(cluster: string, timeoutMs: number): QuorateError {
  const message = `found no leader in the cluster "${cluster}" within ${timeoutMs} ms`;
  return new QuorateError("ERR_ELECTION_NO_LEADER", message, { retryable: true });
}
