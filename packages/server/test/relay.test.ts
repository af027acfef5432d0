import {
  CHAIN_ZERO,
  CUSTOM_OP_CODE_MIN,
  DEFAULT_TIMINGS,
  defaultMsgFactory,
  majorityQuorum,
  makeTxnid,
  QuorateError,
  silentLogger,
  toEpoch,
  toIdentity,
  WATCHERS_PER_NODE_MAX,
  type CustomRequestHandler,
  type LogPosition,
  type PeerMsg,
  type PeerPipe,
  type PipeEvents,
  type ResponseMsg,
} from "@quorate/protocol";
import { ZnodeOp } from "@quorate/znode";
import { describe, expect, test } from "vitest";
import type { Server } from "../src/index.js";
import { Relay } from "../src/relay.js";
import type { RoleHandler } from "../src/role.js";
import { createOf, Ensemble, id, READ, VirtualClock, type EnsembleOptions } from "./support.js";

const create = createOf(new Uint8Array([1]));
const NOTHING = new Uint8Array();

/** Three voters; 10 follows the leader, 11 follows 10, 12 follows 11. */
async function chain(options: EnsembleOptions = {}) {
  const ensemble = new Ensemble(3, { upstreams: { 11: [10], 12: [11] }, ...options });
  await ensemble.start(1, 2, 3);
  await ensemble.clock.until(() => ensemble.allReady());
  for (const node of [10, 11, 12]) {
    await ensemble.start(node);
    await ensemble.clock.until(() => ensemble.server(node).status().ready, 60_000);
  }
  const { leader } = ensemble;
  if (leader === undefined) throw new Error("nobody leads");
  const peersOfLeader = (): string[] =>
    ensemble.lines.filter((line) => line.startsWith(`${leader.status().id} a peer joined`));
  return { ensemble, leader, peersOfLeader };
}

const upstreamOf = (server: Server): number | null => server.status().leader;

describe("a tree of watchers", () => {
  test("costs the leader one stream, and every node has every entry", async () => {
    const { ensemble, leader, peersOfLeader } = await chain();
    expect([10, 11, 12].map((node) => upstreamOf(ensemble.server(node)))).toEqual([
      leader.status().id,
      10,
      11,
    ]);
    expect(peersOfLeader().filter((line) => /"peer":1[0-2]/.test(line))).toHaveLength(1);
    for (let i = 0; i < 20; i += 1) {
      await ensemble.settle(leader.submit(ZnodeOp.create, `/n${i}`, create));
    }
    const { lastApplied, digest } = leader.status();
    for (const node of [10, 11, 12]) {
      await ensemble.clock.until(() => ensemble.server(node).status().lastApplied >= lastApplied);
      expect(ensemble.server(node).status().digest).toBe(digest);
    }
  });

  test("forwards writes, refusals and linearizable reads from its lowest node", async () => {
    const { ensemble, leader } = await chain();
    for (const node of [11, 12]) {
      const lowest = ensemble.server(node);
      const path = `/from-${node}`;
      const { txnid } = await ensemble.settle(lowest.submit(ZnodeOp.create, path, create));
      // Exactly its own, as at any other node: the entry itself has come back.
      expect(lowest.status().lastApplied).toBe(txnid);
      const refused = lowest.submit(ZnodeOp.create, path, create);
      await expect(ensemble.settle(refused)).rejects.toMatchObject({
        code: "ERR_ZNODE_NODE_EXISTS",
      });
      await ensemble.settle(leader.submit(ZnodeOp.create, `/newer-${node}`, create));
      const read = lowest.read(ZnodeOp.exists, `/newer-${node}`, READ, { linearizable: true });
      expect(await ensemble.settle(read)).not.toHaveLength(0);
    }
  });

  test("brings custom operations to the leader's handler, and each answer to who asked", async () => {
    let respond: ((response: ResponseMsg) => void) | null = null;
    const seen: string[] = [];
    const customHandler: CustomRequestHandler = {
      attach: (to) => void (respond = to ?? respond),
      onNewRequest: (fid, { reqId }) => {
        seen.push(fid);
        const content = new Uint8Array([Number(fid)]);
        respond?.(defaultMsgFactory.createResponse(fid, reqId, "", content));
      },
    };
    const { ensemble } = await chain({ deps: () => ({ customHandler }) });
    const asks = [10, 11, 12].map((node) =>
      ensemble.server(node).submit(CUSTOM_OP_CODE_MIN, "/k", NOTHING),
    );
    const answers = await ensemble.settle(Promise.all(asks));
    expect(answers.map(({ content }) => content[0])).toEqual([10, 11, 12]);
    expect(seen.sort()).toEqual(["10", "11", "12"]);
  });

  test("goes on when an upstream dies: with another, in the end with the leader", async () => {
    const { ensemble, leader } = await chain({ upstreams: { 11: [10], 12: [11, 10] } });
    ensemble.network.silence(ensemble.server(11).status().id);
    await ensemble.clock.until(() => upstreamOf(ensemble.server(12)) === 10, 60_000);
    await ensemble.clock.until(() => ensemble.server(12).status().ready, 60_000);
    ensemble.network.silence(ensemble.server(10).status().id);
    await ensemble.clock.until(
      () => upstreamOf(ensemble.server(12)) === leader.status().id,
      120_000,
    );
    await ensemble.clock.until(() => ensemble.server(12).status().ready, 60_000);
    const { txnid } = await ensemble.settle(leader.submit(ZnodeOp.create, "/late", create));
    await ensemble.clock.until(() => ensemble.server(12).status().lastApplied >= txnid);
  });

  test("goes on when the leader dies, all of it", async () => {
    const { ensemble, leader } = await chain();
    ensemble.network.silence(leader.status().id);
    ensemble.servers.delete(leader.status().id);
    await ensemble.clock.until(() => ensemble.leader !== undefined);
    const next = ensemble.leader;
    if (next === undefined) throw new Error("nobody leads");
    const { txnid } = await ensemble.settle(next.submit(ZnodeOp.create, "/after", create));
    for (const node of [10, 11, 12]) {
      const { clock } = ensemble;
      await clock.until(() => ensemble.server(node).status().lastApplied >= txnid, 120_000);
    }
  });

  test("may hang on a voter that follows, which relays for it", async () => {
    const ensemble = new Ensemble(3, { upstreams: { 10: [1, 2, 3] } });
    await ensemble.start(1, 2, 3);
    await ensemble.clock.until(() => ensemble.allReady());
    await ensemble.start(10);
    const watcher = ensemble.server(10);
    await ensemble.clock.until(() => watcher.status().ready, 60_000);
    const upstream = upstreamOf(watcher);
    const { leader } = ensemble;
    // Node 1 is asked first; whatever it is, it serves.
    expect(upstream).toBe(1);
    const { txnid } = await ensemble.settle(watcher.submit(ZnodeOp.create, "/w", create));
    expect(leader?.status().lastApplied).toBeGreaterThanOrEqual(txnid);
    // A late joiner's history ends above what is committed: nothing of it may be left out.
    for (const one of [2, 3]) await ensemble.settle(ensemble.server(one).read(4, "/w", READ));
    expect(watcher.status().digest).toBe(ensemble.server(1).status().digest);
  });

  test("follows no ring: those that name one another find the leader", async () => {
    const ensemble = new Ensemble(3, { upstreams: { 10: [11], 11: [12], 12: [10] } });
    await ensemble.start(1, 2, 3);
    await ensemble.clock.until(() => ensemble.allReady());
    await ensemble.start(10, 11, 12);
    const watchers = [10, 11, 12].map((node) => ensemble.server(node));
    await ensemble.clock.until(() => watchers.every((one) => one.status().ready), 120_000);
    for (let round = 0; round < 3; round += 1) {
      const { leader } = ensemble;
      if (leader === undefined) throw new Error("nobody leads");
      const write = leader.submit(ZnodeOp.create, `/r${round}`, create);
      const { txnid } = await ensemble.settle(write);
      // Nobody is cut off in a ring of watchers that believe one another.
      await ensemble.clock.until(
        () => watchers.every((one) => one.status().lastApplied >= txnid),
        120_000,
      );
      leader.resetConnections();
      await ensemble.clock.pass(3 * DEFAULT_TIMINGS.followerTimeoutMs);
    }
  });
});

/** The relay of node 10, committed up to counter 5 of epoch 1, with nothing in its log. */
function relayOf() {
  const clock = new VirtualClock();
  const position: LogPosition = { txnid: makeTxnid(1, 5), chain: CHAIN_ZERO };
  const action: Partial<RoleHandler> = {
    getNodeId: () => id(10),
    getFollowerId: () => "10",
    getQuorumVerifier: () => majorityQuorum([id(1), id(2), id(3)]),
    getCommittedPosition: () => position,
    findLogPosition: () => Promise.resolve(position),
  };
  const forwarded: string[] = [];
  const touched: bigint[] = [];
  const relay = new Relay(
    { epoch: toEpoch(1), timings: DEFAULT_TIMINGS },
    {
      action: action as RoleHandler,
      clock,
      logger: silentLogger,
      factory: defaultMsgFactory,
      forward: (fid, { reqId }) => void forwarded.push(`${fid}/${reqId}`),
      touched: (sessions) => void touched.push(...sessions),
      readIndex: (done) => done(makeTxnid(1, 5)),
    },
  );
  let pipes = 0;
  const connect = (peer: number, identity = "a") => {
    let events: PipeEvents | null = null;
    const sent: PeerMsg[] = [];
    const closed: string[] = [];
    pipes += 1;
    const pipe: PeerPipe = {
      peer: id(peer),
      pipeId: pipes,
      queuedBytes: 0,
      attach: (to) => void (events = to),
      send: (message) => void sent.push(message),
      close: ({ code }) => void closed.push(code),
    };
    relay.accept(pipe);
    const receive = (message: PeerMsg): void => events?.onMessages([message]);
    const introduce = (voting = false): void =>
      receive(
        defaultMsgFactory.createFollowerInfo({
          acceptedEpoch: toEpoch(0),
          fid: String(peer),
          voting,
          standing: "empty",
          identity: toIdentity(identity.repeat(32)),
        }),
      );
    const acknowledge = (counter: number): void =>
      receive(
        defaultMsgFactory.createEpochAck({
          lastLogged: { txnid: makeTxnid(1, counter), chain: CHAIN_ZERO },
          currentEpoch: toEpoch(0),
          uncounted: true,
        }),
      );
    const join = async (): Promise<void> => {
      introduce();
      acknowledge(5);
      const isOffered = (): boolean => sent.some(({ kind }) => kind === "newLeader");
      while (!isOffered()) await new Promise((resolve) => setImmediate(resolve));
      receive(defaultMsgFactory.createNewLeaderAck(toEpoch(1)));
    };
    return { sent, closed, receive, introduce, acknowledge, join };
  };
  return { relay, touched, forwarded, connect, clock };
}

const request = { kind: "request", reqId: 7n, op: 1, key: "/k", content: NOTHING } as const;

describe("the relay of one node", () => {
  test("asks nobody who knows more to go back: it sends it elsewhere", () => {
    const { connect } = relayOf();
    const ahead = connect(11);
    ahead.introduce();
    ahead.acknowledge(6);
    expect(ahead.closed).toEqual(["ERR_SERVER_NOT_READY"]);
    expect(ahead.sent.map(({ kind }) => kind)).toEqual(["leaderInfo"]);
  });

  test("takes no voter, and no second node under one id", async () => {
    const { relay, connect } = relayOf();
    const voter = connect(2);
    voter.introduce(true);
    expect(voter.closed).toEqual(["ERR_SERVER_NOT_LEADING"]);
    const first = connect(11, "a");
    await first.join();
    const other = connect(11, "b");
    other.introduce();
    expect([first.closed, other.closed]).toEqual([[], ["ERR_SERVER_DUPLICATE_ID"]]);
    const again = connect(11, "a");
    await again.join();
    expect([first.closed, again.closed]).toEqual([["ERR_PROTOCOL_CLOSED"], []]);
    expect(relay.size).toBeGreaterThan(0);
  });

  test("brings answers back the way that the requests came, and knows what is not its own", async () => {
    const { relay, connect, forwarded } = relayOf();
    const [direct, via] = [connect(11), connect(12)];
    await direct.join();
    await via.join();
    direct.receive(request);
    via.receive({ ...request, kind: "relayedRequest", fid: "13" });
    expect(forwarded).toEqual(["11/7", "13/7"]);
    const answer = (fid: string) => defaultMsgFactory.createResponse(fid, 7n, "", NOTHING);
    expect([relay.deliver(answer("13")), relay.deliver(answer("11"))]).toEqual([true, true]);
    expect([direct.sent.at(-1), via.sent.at(-1)]).toEqual([answer("11"), answer("13")]);
    expect(relay.deliver(answer("14"))).toBe(false);
    // Nobody below can be this very node.
    via.receive({ ...request, kind: "relayedRequest", fid: "10" });
    expect(via.closed).toEqual(["ERR_PROTOCOL_ORDER"]);
    // Nor a voter: handed on, it would cost this node its own pipe (Invariant 12).
    const forger = connect(14);
    await forger.join();
    forger.receive({ ...request, kind: "relayedRequest", fid: "2" });
    expect(forger.closed).toEqual(["ERR_PROTOCOL_ORDER"]);
    const posing = connect(2);
    await posing.join();
    posing.receive(request);
    expect(posing.closed).toEqual(["ERR_PROTOCOL_ORDER"]);
    expect(forwarded).toHaveLength(2);
  });

  test("hands on the sessions that were heard of below", async () => {
    const { touched, connect } = relayOf();
    const [one, two] = [connect(11), connect(12)];
    await one.join();
    await two.join();
    const beat = { kind: "heartbeat", round: 0, answer: true } as const;
    one.receive({ ...beat, touches: [1n, 2n] });
    two.receive({ ...beat, touches: [] });
    two.receive({ ...beat, touches: [3n] });
    expect(touched).toEqual([1n, 2n, 3n]);
  });

  test("lets everybody go when its own upstream is lost, and who is silent", async () => {
    const { relay, connect, clock } = relayOf();
    const [one, two] = [connect(11), connect(12)];
    await one.join();
    await clock.pass(DEFAULT_TIMINGS.followerTimeoutMs + 1);
    two.receive({ kind: "heartbeat", round: 0, answer: true, touches: [] });
    relay.tick();
    expect([one.closed, two.closed]).toEqual([["ERR_PROTOCOL_TIMEOUT"], []]);
    relay.close(new QuorateError("ERR_PROTOCOL_CLOSED", "lost"));
    expect([two.closed, relay.size]).toEqual([["ERR_SERVER_NOT_READY"], 0]);
  });

  test("is bounded in watchers", () => {
    const { connect } = relayOf();
    const all = Array.from({ length: WATCHERS_PER_NODE_MAX }, (_, i) => connect(i + 20));
    for (const one of all) one.introduce();
    expect(all.flatMap(({ closed }) => closed)).toEqual([]);
    const more = connect(200);
    more.introduce();
    expect(more.closed).toEqual(["ERR_SERVER_BUSY"]);
  });
});
