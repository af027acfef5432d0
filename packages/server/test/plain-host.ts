import {
  CUSTOM_OP_CODE_MIN,
  DEFAULT_TIMINGS,
  entriesOf,
  majorityQuorum,
  makeTxnid,
  QuorateError,
  silentLogger,
  toEpoch,
  toIdentity,
  type EntryBatch,
  type ErrorCode,
  type LogPosition,
  type NodeId,
  type Txnid,
} from "@quorate/protocol";
import {
  runFollowerServer,
  runLeaderServer,
  syncActionHandler,
  type PlainActionHandler,
  type RunFollowerOptions,
} from "../src/index.js";
import { RequestManager } from "../src/request-manager.js";
import { id, MemoryNetwork, seededRandom, testHash, VirtualClock } from "./support.js";

/** Goes through the log of such a host; other custom operations go to the handler. */
export const REPLICATED_OP = CUSTOM_OP_CODE_MIN + 9;

/** A host of someone else's, with blocking methods. */
export class PlainHost implements PlainActionHandler {
  log: EntryBatch[] = [];
  committed = makeTxnid(0, 0);
  accepted = toEpoch(0);
  acceptedLeader: NodeId | 0 = 0;
  current = toEpoch(0);
  mustFail = false;
  readonly applied: string[] = [];
  readonly requests: RequestManager;

  constructor(
    readonly node: number,
    readonly voters: readonly NodeId[],
    readonly clock: VirtualClock,
  ) {
    this.requests = new RequestManager({ clock, random: seededRandom(node) });
  }

  getEnsembleSize = () => this.voters.length;
  getQuorumVerifier = () => majorityQuorum(this.voters);
  getLastLoggedTxid = () => this.log.at(-1)?.last ?? makeTxnid(0, 0);
  getLastCommittedTxid = () => this.committed;
  getStatus = () => "following" as const;
  getCurrentEpoch = () => this.current;
  getAcceptedEpoch = () => this.accepted;
  getCommittedEntries = (after: Txnid, upTo: Txnid) =>
    this.log.filter(({ last }) => last > after && last <= upTo);
  logAndCommit = (batch: EntryBatch, toCommit: boolean) => {
    this.logProposal(batch);
    if (toCommit) this.commit(batch.last);
  };
  notifyNewAcceptedEpoch = (epoch: typeof this.accepted, leader: number) => {
    this.accepted = epoch;
    this.acceptedLeader = id(leader);
  };
  notifyNewCurrentEpoch = (epoch: typeof this.current) => void (this.current = epoch);
  getNextTxnId = () => makeTxnid(this.current, 1);
  getFollowerId = () => String(this.node);
  logProposal = (batch: EntryBatch) => {
    if (this.mustFail) throw new Error("the disk failed");
    this.log.push(batch);
  };
  commit = (upTo: Txnid) => {
    for (const batch of this.getCommittedEntries(this.committed, upTo)) {
      for (const { key, fid, reqId, txnid } of entriesOf(batch)) {
        if (key !== "") this.applied.push(key);
        if (fid === String(this.node)) {
          const outcome = { ok: true, txnid, content: new Uint8Array() } as const;
          this.requests.completeRequest(reqId, outcome);
        }
      }
    }
    this.committed = upTo;
  };
  abort = (_fid: string, reqId: bigint, code: ErrorCode) => {
    this.requests.completeRequest(reqId, { ok: false, error: new QuorateError(code, "refused") });
  };
  respond = (_fid: string, reqId: bigint, error: string, content: Uint8Array) => {
    this.requests.completeRequest(
      reqId,
      error === ""
        ? { ok: true, txnid: this.committed, content }
        : { ok: false, error: new QuorateError("ERR_SERVER_CUSTOM_FAILED", error) },
    );
  };

  truncateAfter = (position: LogPosition) => {
    this.log = this.log.filter(({ last }) => last <= position.txnid);
  };

  get handler() {
    return syncActionHandler(this, {
      clock: this.clock,
      identity: toIdentity(String(this.node).repeat(32).slice(0, 32)),
      getAcceptedLeader: () => this.acceptedLeader,
      truncateAfter: this.truncateAfter,
      isReplicated: (op) => op === REPLICATED_OP,
      prepare: ({ op, key, content }) =>
        key === "/refused"
          ? { ok: false, code: "ERR_ZNODE_NO_NODE", message: "refused" }
          : { ok: true, op, key, content },
    });
  }
}

/** A leader, followers and watchers of hosts with blocking methods, of two voters. */
export function worldOf() {
  const clock = new VirtualClock();
  const network = new MemoryNetwork(clock);
  const voters = [id(1), id(2)];
  const host = (node: number) => new PlainHost(node, voters, clock);
  const timings = DEFAULT_TIMINGS;
  const kill: AbortController = new AbortController();
  const ready: string[] = [];
  const common = (of: PlainHost) => {
    const { handler, requests } = of;
    return { handler, requests, clock, logger: silentLogger };
  };
  const lead = (of: PlainHost) =>
    runLeaderServer(
      { timings, signal: kill.signal, onReady: () => void ready.push("leader") },
      { ...common(of), listener: network.listener(id(of.node)), chainHash: testHash },
    );
  const watchOptions = (signal: AbortSignal): RunFollowerOptions => ({
    leader: id(1),
    timings,
    signal,
    onReady: () => void ready.push("watcher"),
  });
  const follow = (of: PlainHost, signal: AbortSignal = kill.signal) =>
    runFollowerServer(
      { leader: id(1), timings, signal, onReady: () => void ready.push("follower") },
      { ...common(of), connector: network.connector(id(of.node)) },
    );
  return { clock, network, host, kill, ready, common, lead, follow, watchOptions };
}
