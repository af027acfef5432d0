/**
 * Leader election (L1; Zab phase 0), usable with nothing else of Quorate.
 *
 * `joinElection` is for services: their instances elect one leader, keep it by leases and are told
 * of every change. docs/election.md says what that promises and what it does not.
 *
 * ```js
 * import { joinElection } from "@quorate/election";
 * import { udpNetwork } from "@quorate/transport/udp";
 *
 * const members = { 1: "127.0.0.1:7001", 2: "127.0.0.1:7002", 3: "127.0.0.1:7003" };
 * const candidate = await joinElection({ cluster: "jobs", nodeId: 1, members }, udpNetwork);
 * await candidate.whileLeading(async (signal, term) => work(signal));
 * ```
 *
 * `createElectionSite` is what is below: single ballots, over ports of one's own. A site needs a
 * clock, randomness, a logger, a messenger for datagrams that may get lost, and the numbers that
 * its votes stand on; here three sites share one process:
 *
 * ```js
 * import { createElectionSite } from "@quorate/election";
 * import { DEFAULT_TIMINGS, majorityQuorum, silentLogger } from "@quorate/protocol";
 * import { toEpoch, toIdentity, toNodeId, toTxnid } from "@quorate/protocol";
 *
 * const ids = [1, 2, 3].map(toNodeId);
 * const inboxes = new Map();
 * const clock = {
 *   now: () => performance.now(),
 *   wallTime: () => Date.now(),
 *   setTimer(ms, callback) {
 *     const timer = setTimeout(callback, ms);
 *     return { cancel: () => clearTimeout(timer) };
 *   },
 *   defer: (callback) => void setImmediate(callback),
 * };
 * const random = {
 *   next: Math.random,
 *   nextUint64: () => crypto.getRandomValues(new BigUint64Array(1))[0],
 * };
 * const sites = ids.map((nodeId) =>
 *   createElectionSite(
 *     { nodeId, cluster: "demo", quorum: majorityQuorum(ids), timings: DEFAULT_TIMINGS },
 *     {
 *       clock,
 *       random,
 *       logger: silentLogger,
 *       messenger: {
 *         send: (to, datagram) => void setImmediate(() => inboxes.get(to)?.(datagram)),
 *         onDatagram: (receive) => void inboxes.set(nodeId, receive),
 *         close: async () => {},
 *       },
 *       state: () => ({
 *         status: "electing", // later: "leading" or "following", as the result says
 *         standing: "member",
 *         identity: toIdentity("00".repeat(16)),
 *         currentEpoch: toEpoch(0),
 *         lastLogged: toTxnid(0n),
 *         lastCommitted: toTxnid(0n),
 *       }),
 *     },
 *   ),
 * );
 * const results = await Promise.all(sites.map((site) => site.startElection()));
 * console.log(results.map(({ leader }) => leader)); // [ 3, 3, 3 ]
 * for (const site of sites) site.close();
 * ```
 *
 * What a result is worth: a *winner*, not a leader. Ballots alone do not keep two nodes from
 * believing that they won; what a leader may do rests on a quorum's promise to its epoch
 * (discovery and sync), or on its leases (`joinElection`).
 *
 * Between elections a site stays open: it tells peers that elect who won, with this node's status
 * and the epoch last given to `updateWinningEpoch`. It keeps no timer then and sends nothing
 * unasked.
 * @packageDocumentation
 */
export {
  createElectionSite,
  type ElectionResult,
  type ElectionSite,
  type ElectionSiteDeps,
  type ElectionSiteOptions,
  type ElectionState,
} from "./election-site.js";
export type { LostReason } from "./candidate-events.js";
export type { Candidate, CandidateEvents, CandidateState } from "./candidate.js";
export { findLeader, type FindLeaderOptions, type FoundLeader } from "./find-leader.js";
export {
  joinElection,
  type ElectionTimings,
  type JoinElectionOptions,
  type MembersOptions,
  type Rank,
} from "./join-election.js";
