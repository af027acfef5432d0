import {
  DEFAULT_TIMINGS,
  entriesOf,
  majorityQuorum,
  makeTxnid,
  QuorateError,
  silentLogger,
  toEpoch,
  toIdentity,
  type EntryBatch,
  type LogPosition,
  type NodeId,
  type RequestOutcome,
  type Txnid,
} from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import {
  runFollowerServer,
  runLeaderServer,
  runWatcherServer,
  runWatcherServerWithRequest,
  syncActionHandler,
  WatcherServer,
  type PlainActionHandler,
} from "../src/index.js";
import { RequestManager } from "../src/request-manager.js";
import { id, MemoryNetwork, seededRandom, testHash, VirtualClock } from "./support.js";

/** A host of someone else's, with blocking methods. */
class PlainHost implements PlainActionHandler {
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
  abort = (_fid: string, reqId: bigint, code: "ERR_SERVER_BUSY") => {
    this.requests.completeRequest(reqId, { ok: false, error: new QuorateError(code, "refused") });
  };
  respond = () => undefined;

  truncateAfter = (position: LogPosition) => {
    this.log = this.log.filter(({ last }) => last <= position.txnid);
  };

  get handler() {
    return syncActionHandler(this, {
      clock: this.clock,
      identity: toIdentity(String(this.node).repeat(32).slice(0, 32)),
      getAcceptedLeader: () => this.acceptedLeader,
      truncateAfter: this.truncateAfter,
    });
  }
}

function worldOf() {
  const clock = new VirtualClock();
  const network = new MemoryNetwork(clock);
  const voters = [id(1), id(2)];
  const host = (node: number) => new PlainHost(node, voters, clock);
  const timings = DEFAULT_TIMINGS;
  const kill = new AbortController();
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
  const watchOptions = (signal: AbortSignal) => ({
    leader: id(1),
    timings,
    signal,
    onReady: () => void ready.push("watcher"),
  });
  const follow = (of: PlainHost, signal = kill.signal) =>
    runFollowerServer(
      { leader: id(1), timings, signal, onReady: () => void ready.push("follower") },
      { ...common(of), connector: network.connector(id(of.node)) },
    );
  return { clock, network, host, kill, ready, common, lead, follow, watchOptions };
}

describe("servers over a host with blocking methods", () => {
  test("lead, follow and watch; the signal ends each", async () => {
    const { clock, network, host, kill, ready, common, lead, follow, watchOptions } = worldOf();
    const [one, two, nine] = [host(1), host(2), host(9)];
    const ends = [
      lead(one),
      follow(two),
      runWatcherServerWithRequest(watchOptions(kill.signal), {
        ...common(nine),
        connector: network.connector(id(9)),
      }),
    ];
    await clock.until(() => ready.length === 3);
    const outcomes: RequestOutcome[] = [];
    two.requests.submit(1, "/two", new Uint8Array(), (outcome) => void outcomes.push(outcome));
    nine.requests.submit(1, "/nine", new Uint8Array(), (outcome) => void outcomes.push(outcome));
    await clock.until(() => outcomes.length === 2);
    expect(outcomes).toMatchObject([{ ok: true }, { ok: true }]);
    await clock.until(() => nine.applied.length === 2);
    for (const each of [one, two, nine]) expect(each.applied.sort()).toEqual(["/nine", "/two"]);
    // A watcher promises nothing and has no epoch of its own.
    expect([nine.accepted, nine.current, two.accepted, two.current]).toEqual([0, 0, 1, 1]);
    kill.abort();
    let isOver = false;
    const all = Promise.all(ends).then((kinds) => {
      isOver = true;
      return kinds.map(({ kind }) => kind);
    });
    await clock.until(() => isOver);
    expect((await all).every((kind) => kind === "stopped" || kind === "handover")).toBe(true);
  });

  test("an aborted signal starts nothing", async () => {
    const { host, kill, lead, follow } = worldOf();
    kill.abort();
    expect(await lead(host(1))).toEqual({ kind: "stopped" });
    expect(await follow(host(2))).toEqual({ kind: "stopped" });
  });

  test("a write of the host that throws ends the role, and nothing is acknowledged", async () => {
    const { clock, host, ready, lead, follow } = worldOf();
    const [one, two] = [host(1), host(2)];
    void lead(one);
    let end: unknown = null;
    void follow(two).then((reason) => (end = reason));
    await clock.until(() => ready.length === 2);
    two.mustFail = true;
    one.requests.submit(1, "/a", new Uint8Array(), () => undefined);
    await clock.until(() => end !== null);
    expect(end).toMatchObject({ kind: "storeFailed", error: { code: "ERR_STORE_IO" } });
    expect(one.applied).toEqual([]);
  });

  test("a rejected authentication closes its pipe and ends in a bound", async () => {
    const { clock, network, host, common, watchOptions, lead } = worldOf();
    void lead(host(1));
    const closed: string[] = [];
    const { requests: _unused, ...deps } = common(host(9));
    let end: unknown = null;
    void runWatcherServer(watchOptions(new AbortController().signal), {
      ...deps,
      connector: network.connector(id(9)),
      authenticate: (pipe) => {
        pipe.attach({
          onMessages: () => undefined,
          onClose: ({ code }) => void closed.push(code),
        });
        return Promise.reject(new Error("no"));
      },
    }).then((reason) => (end = reason));
    await clock.until(() => end !== null);
    await clock.pass(1);
    expect(end).toMatchObject({ kind: "lost", isPeerGone: true });
    expect(new Set(closed)).toEqual(new Set(["ERR_PROTOCOL_HANDSHAKE"]));
  });

  test("a WatcherServer finds the leader again after it was lost", async () => {
    const { clock, network, host, common, ready, lead, follow } = worldOf();
    const abort = new AbortController();
    const nine = host(9);
    const watcher = new WatcherServer(
      {
        timings: DEFAULT_TIMINGS,
        signal: abort.signal,
        findLeader: () => Promise.resolve(id(1)),
        onReady: () => void ready.push("watcher"),
      },
      { ...common(nine), random: seededRandom(9), connector: network.connector(id(9)) },
    );
    // Nobody leads yet: it tries, pauses, and tries again.
    await clock.pass(2500);
    expect(watcher.isReady).toBe(false);
    void lead(host(1));
    void follow(host(2));
    await clock.until(() => watcher.isReady);
    abort.abort();
    let end: unknown = null;
    void watcher.done.then((reason) => (end = reason));
    await clock.until(() => end !== null);
    expect(end).toEqual({ kind: "stopped" });
    expect(ready.filter((one) => one === "watcher")).toHaveLength(1);
  });
});
