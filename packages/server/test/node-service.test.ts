import {
  DEFAULT_TIMINGS,
  encodeCaller,
  makeTxnid,
  OpCode,
  type NodeChangeKind,
  type QuorateError,
  type ServiceListener,
  type StateMachine,
  type Txnid,
} from "@quorate/protocol";
import { CreateMode, encodeCreate, withCaller } from "@quorate/znode";
import { describe, expect, test } from "vitest";
import type { NodeState } from "../src/node-state.js";
import { REQUEST_WAIT_MS, type RequestManager } from "../src/request-manager.js";
import { NodeService, type NodeServiceDeps } from "../src/service/node-service.js";
import { PlainHost } from "./plain-host.js";
import { createContent, PASSWORD, readContent, ServiceEnsemble } from "./service-support.js";
import { id, VirtualClock } from "./support.js";

const ID = (2n << 56n) | 5n;

/** What a front end is told, as text. */
function listening(): { readonly told: string[]; readonly listener: ServiceListener } {
  const told: string[] = [];
  return {
    told,
    listener: {
      onNodeChange: (kind: NodeChangeKind, path: string, txnid: Txnid) =>
        void told.push(`${kind} ${path} ${String(txnid & 0xffff_ffffn)}`),
      onSessionCreated: ({ id }) => void told.push(`session ${String(id)}`),
      onSessionClosed: (id) => void told.push(`closed ${String(id)}`),
      onStateReplaced: () => void told.push("replaced"),
      onServing: (isServing) => void told.push(isServing ? "serving" : "not serving"),
    },
  };
}

describe("a node's service", () => {
  test("tells what is applied, in order, before the outcome, until it is detached", async () => {
    const ensemble = await ServiceEnsemble.of(3);
    const { told, listener } = listening();
    const detach = ensemble.service(2).attach(listener);
    await ensemble.open(2, ID, 5000);
    await ensemble.create(2, "/e", ID, CreateMode.ephemeral);
    await ensemble.close(2, ID);
    // The founding entry is the first.
    expect(told).toEqual([
      `session ${String(ID)}`,
      "created /e 3",
      "childrenChanged / 3",
      "deleted /e 4",
      "childrenChanged / 4",
      `closed ${String(ID)}`,
    ]);
    detach();
    await ensemble.create(2, "/more", null);
    expect(told).toHaveLength(6);
  });

  test("tells all its listeners whose session is taken up here, to who has its password", async () => {
    const ensemble = await ServiceEnsemble.of(1);
    await ensemble.open(1, ID, 5000);
    const taken: string[] = [];
    for (const name of ["one", "other"]) {
      ensemble.service(1).attach({
        ...listening().listener,
        onSessionTaken: (id) => void taken.push(`${name} ${String(id)}`),
      });
    }
    ensemble.service(1).takeOver(ID, new Uint8Array(16));
    ensemble.service(1).takeOver(ID, null);
    ensemble.service(1).takeOver(ID + 1n, PASSWORD);
    expect(taken).toEqual([]);
    ensemble.service(1).takeOver(ID, PASSWORD);
    expect(taken).toEqual([`one ${String(ID)}`, `other ${String(ID)}`]);
  });

  test("answers reads at once from the newest state, and says which that is", async () => {
    const ensemble = await ServiceEnsemble.of(3);
    const service = ensemble.service(ensemble.followerId);
    const outcomes: string[] = [];
    for (const path of ["/a", "/b"]) {
      service.submit(OpCode.add, path, createContent(null), (outcome) => {
        if (!outcome.ok) throw outcome.error;
        // In the very turn, though the rest of its batch is not applied yet.
        const answer = service.readNow(OpCode.exists, path, readContent());
        outcomes.push(
          `${path} ${String(answer.ok)} ${String(service.lastApplied === outcome.txnid)}`,
        );
      });
      expect(service.readNow(OpCode.exists, path, readContent()).ok).toBe(false);
    }
    await ensemble.clock.until(() => outcomes.length === 2);
    expect(outcomes).toEqual(["/a true true", "/b true true"]);
  });

  test("says when it serves and when not, and answers reads meanwhile", async () => {
    const ensemble = await ServiceEnsemble.of(3);
    await ensemble.create(1, "/a", null);
    const node = ensemble.followerId;
    await ensemble.caughtUp(node);
    const service = ensemble.service(node);
    const { told, listener } = listening();
    service.attach(listener);
    expect(service.isServing).toBe(true);
    ensemble.kill(ensemble.leaderId);
    await ensemble.clock.until(() => !service.isServing);
    expect(told).toEqual(["not serving"]);
    expect(ensemble.has(node, "/a")).toBe(true);
    await ensemble.clock.until(() => service.isServing);
    expect(told).toEqual(["not serving", "serving"]);
    await ensemble.settle(ensemble.server(node).stop());
    expect(told).toEqual(["not serving", "serving", "not serving"]);
  });

  test("G16: what comes between two roles waits for the next one, in order, and not for ever", async () => {
    const ensemble = await ServiceEnsemble.of(3);
    const node = ensemble.followerId;
    const service = ensemble.service(node);
    ensemble.kill(ensemble.leaderId);
    await ensemble.clock.until(() => !service.isServing);
    const done: string[] = [];
    for (const path of ["/a", "/b", "/a"]) {
      service.submit(OpCode.add, path, createContent(null), (outcome) => {
        done.push(outcome.ok ? path : outcome.error.code);
      });
    }
    service.catchUp((error) => void done.push(error === null ? "caught up" : error.code));
    expect(done).toEqual([]);
    await ensemble.clock.until(() => done.length === 4);
    expect(done.filter((one) => one !== "caught up")).toEqual([
      "/a",
      "/b",
      "ERR_ZNODE_NODE_EXISTS",
    ]);
    // Now there is nobody left who could be a quorum.
    for (const other of [...ensemble.servers.keys()]) if (other !== node) ensemble.kill(other);
    await ensemble.clock.until(() => !service.isServing);
    const before = ensemble.clock.now();
    const late: string[] = [];
    service.submit(OpCode.add, "/c", createContent(null), (outcome) => {
      late.push(outcome.ok ? "ok" : outcome.error.code);
    });
    service.catchUp((error) => void late.push(error?.code ?? "caught up"));
    await ensemble.clock.until(() => late.length === 2);
    expect(late).toEqual(["ERR_SERVER_NOT_READY", "ERR_SERVER_NOT_READY"]);
    expect(ensemble.clock.now() - before).toBeLessThan(REQUEST_WAIT_MS * 1.2);
  });

  test("catches up with what was acknowledged elsewhere", async () => {
    const ensemble = await ServiceEnsemble.of(3);
    const { leaderId, followerId } = ensemble;
    for (let i = 0; i < 20; i += 1) {
      const path = `/n${String(i)}`;
      await ensemble.create(leaderId, path, null);
      await ensemble.caughtUp(followerId);
      expect(ensemble.has(followerId, path)).toBe(true);
    }
  });

  test("hears of a session that was resumed elsewhere as of one that is there", async () => {
    const ensemble = await ServiceEnsemble.of(3);
    await ensemble.open(1, ID, 5000);
    await ensemble.caughtUp(3);
    expect([ensemble.service(3).sessionCount, ensemble.service(3).session(ID)?.timeoutMs]).toEqual([
      1, 5000,
    ]);
  });

  test("of a node that has ended refuses everything", async () => {
    const ensemble = await ServiceEnsemble.of(1);
    const service = ensemble.service(1);
    await ensemble.settle(ensemble.server(1).stop());
    const told: string[] = [];
    service.submit(OpCode.add, "/a", createContent(null), (outcome) => {
      told.push(outcome.ok ? "ok" : outcome.error.code);
    });
    service.catchUp((error) => void told.push(error?.code ?? "caught up"));
    expect(told).toEqual(["ERR_SERVER_CLOSED", "ERR_SERVER_CLOSED"]);
    expect(service.isServing).toBe(false);
  });
});

test("a change comes with who may read its node, on each node", async () => {
  const ensemble = await ServiceEnsemble.of(3);
  const USER = { scheme: "digest", id: "user:hash" };
  const heard: string[] = [];
  for (const id of [1, 2, 3]) {
    ensemble.service(id).attach({
      ...listening().listener,
      onNodeChange: (kind, path, _txnid, mayRead) => {
        if (path === "/") return;
        heard.push(`${kind} ${path} ${String(mayRead?.([]))} ${String(mayRead?.([USER]))}`);
      },
    });
  }
  const acl = [{ perms: 1, ...USER }];
  const content = encodeCreate({ data: new Uint8Array(), mode: CreateMode.persistent, acl });
  const caller = encodeCaller({ session: null, identities: [] });
  ensemble.service(1).submit(OpCode.add, "/h", withCaller(caller, content), () => undefined);
  await ensemble.clock.until(() => heard.length === 3);
  expect(new Set(heard)).toEqual(new Set(["created /h false true"]));
});

describe("a state that is replaced", () => {
  test("by a snapshot is told as such, and nothing of the way there", async () => {
    const ensemble = await ServiceEnsemble.of(3, { checkpointBytes: 2000, retainedTailBytes: 0 });
    await ensemble.start(10);
    await ensemble.clock.until(() => ensemble.allReady());
    const { told, listener } = listening();
    const service = ensemble.service(10);
    service.attach(listener);
    ensemble.network.silence(ensemble.server(10).status().id);
    await ensemble.clock.until(() => !service.isServing);
    for (let i = 0; i < 200; i += 1) await ensemble.create(1, `/n${String(i)}`, null);
    await ensemble.clock.pass(5000);
    expect(told).toEqual(["not serving"]);
    const before = service.lastApplied;
    ensemble.network.hear(ensemble.server(10).status().id);
    await ensemble.clock.until(() => service.isServing, 120_000);
    // What came behind the snapshot is told as ever: each of it is new.
    const created = told.flatMap((one) => (one.startsWith("created") ? [one.split(" ")[1]] : []));
    expect(created.length).toBeLessThan(100);
    const rest = Array.from({ length: 200 }, (_, i) => `/n${String(i)}`);
    expect(created).toEqual(created.length === 0 ? [] : rest.slice(-created.length));
    const others = told.filter((one) => !/^(created|childrenChanged)/.test(one));
    expect(others).toEqual(["not serving", "replaced", "serving"]);
    expect([told[1], told.at(-1)]).toEqual(["replaced", "serving"]);
    told.length = 0;
    expect(service.lastApplied).toBeGreaterThan(before);
    expect(ensemble.has(10, "/n199")).toBe(true);
    await ensemble.create(1, "/after", null);
    await ensemble.caughtUp(10);
    expect(told.map((one) => one.split(" ")[1])).toEqual(["/after", "/"]);
  });

  test("Invariant 8: by less than it was, after a full disk, is neither read nor told again", async () => {
    // The leader's disk is slower than the others': it applies what it has not written.
    const ensemble = await ServiceEnsemble.of(3, {
      writeLatencyMs: (node) => (node === 3 ? 400 : 1),
    });
    expect(ensemble.leaderId).toBe(3);
    const service = ensemble.service(3);
    const { told, listener } = listening();
    service.attach(listener);
    await ensemble.create(3, "/a", null);
    await ensemble.clock.pass(1000);
    ensemble.disk(3).failNextCommit("full");
    expect(await ensemble.create(3, "/b", null)).toBe("ok");
    const seen = service.lastApplied;
    expect(told.filter((one) => one.startsWith("created"))).toHaveLength(2);
    const lows: string[] = [];
    let wasAway = false;
    await ensemble.clock.until(() => {
      wasAway ||= !service.isServing;
      if (service.lastApplied < seen) lows.push("lastApplied");
      const answer = service.readNow(OpCode.exists, "/b", readContent());
      if (!answer.ok && answer.code !== "ERR_SERVER_NOT_READY") lows.push(answer.code);
      return wasAway && service.isServing;
    });
    await ensemble.caughtUp(3);
    expect(lows).toEqual([]);
    expect(ensemble.has(3, "/b")).toBe(true);
    expect(told.filter((one) => one.startsWith("created"))).toHaveLength(2);
    await ensemble.create(1, "/c", null);
    await ensemble.caughtUp(3);
    expect(told.filter((one) => one.startsWith("created"))).toHaveLength(3);
  });
});

/** A service over no more than what is given. */
function bareService(parts: Partial<NodeServiceDeps>): NodeService {
  return new NodeService({
    nodeId: id(1),
    clock: new VirtualClock(),
    timings: DEFAULT_TIMINGS,
    signal: new AbortController().signal,
    role: () => null,
    state: () => null,
    requests: {} as unknown as RequestManager,
    ...parts,
  });
}

test("a write is judged by how many of its client wait", () => {
  const seen: unknown[] = [];
  const submit = (...args: unknown[]): void => void seen.push(args.at(-1));
  const service = bareService({ requests: { submit } as unknown as RequestManager });
  service.submit(OpCode.add, "/a", createContent(null), () => undefined, 7);
  expect(seen).toEqual([7]);
});

test("a state that is being loaded has no sessions yet, for nobody", () => {
  const session = { id: ID, timeoutMs: 5000, password: PASSWORD };
  // Its rows come in any order: this one is there, and its nodes perhaps not.
  const machine = { sessions: { count: 1, get: () => session } } as unknown as StateMachine;
  let at: Txnid | null = makeTxnid(1, 7);
  const state = { lastApplied: () => at } as unknown as NodeState;
  const service = bareService({ state: () => state });
  service.stateLoaded(machine);
  const { told, listener } = listening();
  const taken: bigint[] = [];
  service.attach({ ...listener, onSessionTaken: (id) => void taken.push(id) });
  const seen = (): unknown => {
    service.takeOver(ID, PASSWORD);
    return [service.session(ID)?.timeoutMs, service.sessionCount, taken.length];
  };
  expect(seen()).toEqual([5000, 1, 1]);
  service.stateLoading();
  at = null;
  expect(seen()).toEqual([undefined, 0, 1]);
  // Less than was seen before: a disk was full (ADR 0008).
  at = makeTxnid(1, 6);
  expect(seen()).toEqual([undefined, 0, 1]);
  at = makeTxnid(1, 8);
  service.stateLoaded(machine);
  expect(seen()).toEqual([5000, 1, 2]);
  expect(told).toEqual(["replaced"]);
});

test("over a host's own handler there is no service", async () => {
  const ensemble: ServiceEnsemble = new ServiceEnsemble(1, {
    deps: () => ({
      openHost: () => {
        const { handler } = new PlainHost(1, ensemble.voters, ensemble.clock);
        return Promise.resolve({ handler });
      },
    }),
  });
  await ensemble.start(1);
  await ensemble.clock.until(() => ensemble.allReady());
  const service = ensemble.service(1);
  const code = "ERR_SERVER_UNSUPPORTED";
  expect(service.readNow(OpCode.get, "/", readContent())).toMatchObject({ ok: false, code });
  const told: (QuorateError | null)[] = [];
  service.submit(OpCode.add, "/a", createContent(null), (outcome) => {
    if (!outcome.ok) told.push(outcome.error);
  });
  service.catchUp((error) => void told.push(error));
  expect(told.map((error) => error?.code)).toEqual([code, code]);
  expect([service.isServing, service.session(ID), service.sessionCount]).toEqual([
    false,
    undefined,
    0,
  ]);
});
