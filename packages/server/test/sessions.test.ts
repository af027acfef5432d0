import { DEFAULT_TIMINGS, OpCode } from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import { CreateMode } from "@quorate/znode";
import {
  createContent,
  deleteContent,
  openContent,
  PASSWORD,
  resumeContent,
  ServiceEnsemble,
} from "./service-support.js";

const { ephemeral, container, ttl } = CreateMode;

const ID = (1n << 56n) | 77n;
const TIMEOUT_MS = 4000;
/** Its timeout, what a sign of life may take, and a round. */
const EXPIRY_MS = TIMEOUT_MS + DEFAULT_TIMINGS.heartbeatMs * 10;

describe("a session with an ephemeral", () => {
  test.each([1, 2, 3])("Invariant 10: lives while it is touched at node %i", async (node) => {
    const ensemble = await ServiceEnsemble.of(3);
    expect(await ensemble.open(node, ID, TIMEOUT_MS)).toBe("ok");
    expect(await ensemble.create(node, "/e", ID, ephemeral)).toBe("ok");
    await ensemble.alive(() => node, ID, 5 * TIMEOUT_MS, TIMEOUT_MS / 3);
    expect(ensemble.everywhere("/e")).toBe(true);
    expect([1, 2, 3].map((one) => ensemble.service(one).sessionCount)).toEqual([1, 1, 1]);
  });

  test("Invariant 10: expires when it is not, not before its timeout, and its ephemeral with it", async () => {
    const ensemble = await ServiceEnsemble.of(3);
    await ensemble.open(1, ID, TIMEOUT_MS);
    await ensemble.create(1, "/e", ID, ephemeral);
    await ensemble.create(1, "/p", ID);
    await ensemble.clock.pass(TIMEOUT_MS - 100);
    expect(ensemble.everywhere("/e")).toBe(true);
    await ensemble.clock.pass(EXPIRY_MS - TIMEOUT_MS + 100);
    expect(ensemble.everywhere("/e")).toBe(false);
    expect(ensemble.everywhere("/p")).toBe(true);
    expect(ensemble.service(2).session(ID)).toBeUndefined();
    expect(await ensemble.create(1, "/late", ID)).toBe("ERR_SESSION_EXPIRED");
    expect(await ensemble.resume(1, ID)).toBe("ERR_SESSION_EXPIRED");
  });

  test("Invariant 10: has its full timeout again with a new leader, however late it was", async () => {
    const ensemble = await ServiceEnsemble.of(3);
    const node = ensemble.followerId;
    await ensemble.open(node, ID, TIMEOUT_MS);
    await ensemble.create(node, "/e", ID, ephemeral);
    await ensemble.clock.pass(TIMEOUT_MS - 500);
    ensemble.kill(ensemble.leaderId);
    await ensemble.clock.until(() => ensemble.leader !== undefined);
    const established = ensemble.clock.now();
    await ensemble.clock.until(() => ensemble.allReady());
    await ensemble.clock.pass(established + TIMEOUT_MS - 50 - ensemble.clock.now());
    expect(ensemble.everywhere("/e")).toBe(true);
    await ensemble.clock.pass(EXPIRY_MS - TIMEOUT_MS + 50);
    expect(ensemble.everywhere("/e")).toBe(false);
  });

  test("Invariant 10: lives through the leader's death when it is touched, also during the election", async () => {
    const ensemble = await ServiceEnsemble.of(3);
    const node = ensemble.followerId;
    await ensemble.open(node, ID, TIMEOUT_MS);
    await ensemble.create(node, "/e", ID, ephemeral);
    ensemble.kill(ensemble.leaderId);
    await ensemble.alive(() => node, ID, 4 * TIMEOUT_MS, TIMEOUT_MS / 3);
    expect(ensemble.everywhere("/e")).toBe(true);
    // Its owner is unknown to the new leader until it comes.
    expect(await ensemble.create(node, "/more", ID)).toBe("ok");
  });

  test("Invariant 10: lives behind a watcher that follows another watcher", async () => {
    const ensemble = await ServiceEnsemble.of(3, { upstreams: { 11: [10] } });
    await ensemble.start(10);
    await ensemble.clock.until(() => ensemble.allReady());
    await ensemble.start(11);
    await ensemble.clock.until(() => ensemble.allReady());
    expect(ensemble.server(11).status().leader).toBe(10);
    expect(await ensemble.open(11, ID, TIMEOUT_MS)).toBe("ok");
    expect(await ensemble.create(11, "/e", ID, ephemeral)).toBe("ok");
    await ensemble.alive(() => 11, ID, 3 * TIMEOUT_MS, TIMEOUT_MS / 3);
    expect(ensemble.has(11, "/e")).toBe(true);
    await ensemble.clock.pass(EXPIRY_MS + DEFAULT_TIMINGS.heartbeatMs);
    expect([1, 2, 3, 10, 11].map((one) => ensemble.has(one, "/e"))).not.toContain(true);
  });

  test("Invariant 10: lives when the sign of life was told into a connection that was lost", async () => {
    const ensemble = await ServiceEnsemble.of(3);
    const { leader, followerId: node } = ensemble;
    await ensemble.open(node, ID, TIMEOUT_MS);
    const openedAt = ensemble.clock.now();
    await ensemble.clock.pass(TIMEOUT_MS - 1500);
    ensemble.network.mute(ensemble.server(node).status().id);
    ensemble.service(node).touch(ID);
    await ensemble.clock.until(() => !ensemble.service(node).isServing);
    ensemble.network.hear(ensemble.server(node).status().id);
    await ensemble.clock.until(() => ensemble.service(node).isServing);
    expect(ensemble.leader).toBe(leader);
    await ensemble.clock.pass(openedAt + EXPIRY_MS + 500 - ensemble.clock.now());
    expect(ensemble.service(node).session(ID)).toBeDefined();
    // And only as long as one touch is worth.
    await ensemble.clock.pass(EXPIRY_MS);
    expect(ensemble.service(node).session(ID)).toBeUndefined();
  });

  test("is closed by its client, with its ephemeral, at once", async () => {
    const ensemble = await ServiceEnsemble.of(3);
    await ensemble.open(1, ID, TIMEOUT_MS);
    await ensemble.create(1, "/e", ID, ephemeral);
    expect(await ensemble.close(1, ID)).toBe("ok");
    await ensemble.caughtUp(2);
    expect([ensemble.has(1, "/e"), ensemble.has(2, "/e")]).toEqual([false, false]);
    expect(await ensemble.close(1, ID)).toBe("ERR_SESSION_EXPIRED");
  });
});

describe("a session that moves", () => {
  test("writes through the node that it was resumed at, and no longer through the old one", async () => {
    const ensemble = await ServiceEnsemble.of(3);
    const [from, to] = [1, 2];
    await ensemble.open(from, ID, TIMEOUT_MS);
    await ensemble.create(from, "/e", ID, ephemeral);
    expect(await ensemble.resume(to, ID)).toBe("ok");
    // What it is told rests on a state that this node has, too.
    expect(ensemble.service(to).session(ID)).toMatchObject({ timeoutMs: TIMEOUT_MS });
    expect(await ensemble.create(from, "/old", ID)).toBe("ERR_SESSION_MOVED");
    expect(await ensemble.close(from, ID)).toBe("ERR_SESSION_MOVED");
    expect(await ensemble.create(to, "/new", ID)).toBe("ok");
    expect(ensemble.has(to, "/e")).toBe(true);
    // And back.
    expect(await ensemble.resume(from, ID)).toBe("ok");
    expect(await ensemble.create(from, "/back", ID)).toBe("ok");
    expect(await ensemble.create(to, "/gone", ID)).toBe("ERR_SESSION_MOVED");
  });

  test("Invariant 8: has moved under the next leader, too, whoever writes first", async () => {
    const ensemble = await ServiceEnsemble.of(5);
    const [from, to] = [1, 2, 3, 4, 5].filter((node) => node !== ensemble.leaderId);
    if (from === undefined || to === undefined) throw new Error("four nodes follow");
    await ensemble.open(from, ID, TIMEOUT_MS);
    expect(await ensemble.resume(to, ID)).toBe("ok");
    ensemble.kill(ensemble.leaderId);
    await ensemble.clock.until(() => ensemble.leader !== undefined);
    await ensemble.clock.until(() => ensemble.allReady());
    expect(await ensemble.create(from, "/old", ID)).toBe("ERR_SESSION_MOVED");
    expect(await ensemble.close(from, ID)).toBe("ERR_SESSION_MOVED");
    expect(await ensemble.create(to, "/new", ID)).toBe("ok");
  });

  test("costs one transaction, and none where it is already", async () => {
    const ensemble = await ServiceEnsemble.of(3);
    const node = ensemble.followerId;
    const newest = (): bigint => ensemble.service(ensemble.leaderId).lastApplied;
    await ensemble.open(node, ID, TIMEOUT_MS);
    const opened = newest();
    for (let i = 0; i < 3; i += 1) expect(await ensemble.resume(node, ID)).toBe("ok");
    expect(newest()).toBe(opened);
    expect(await ensemble.resume(ensemble.leaderId, ID)).toBe("ok");
    expect(newest()).toBe(opened + 1n);
    expect(ensemble.service(ensemble.leaderId).session(ID)?.owner).toBe(ensemble.leaderId);
  });

  test("Invariant 8: there and back leaves behind what was on its way from before", async () => {
    const ensemble = await ServiceEnsemble.of(3);
    const [from, to] = [ensemble.followerId, ensemble.leaderId];
    await ensemble.open(from, ID, TIMEOUT_MS);
    expect(await ensemble.resume(to, ID)).toBe("ok");
    // From its old server, in the order in which that read it: a write, and its client again.
    const late = ensemble.create(from, "/late", ID);
    const back = ensemble.resume(from, ID);
    expect([await late, await back]).toEqual(["ERR_SESSION_MOVED", "ok"]);
    expect(await ensemble.create(from, "/new", ID)).toBe("ok");
    expect(ensemble.has(from, "/late")).toBe(false);
  });

  test("is told its timeout, and has all of it from then on", async () => {
    const ensemble = await ServiceEnsemble.of(3);
    await ensemble.open(1, ID, TIMEOUT_MS);
    await ensemble.clock.pass(TIMEOUT_MS - 500);
    const content = resumeContent(ID, PASSWORD);
    const outcome = await ensemble.outcome(2, OpCode.resumeSession, "", content);
    if (!outcome.ok) throw outcome.error;
    expect(new DataView(outcome.content.buffer, outcome.content.byteOffset).getInt32(0)).toBe(
      TIMEOUT_MS,
    );
    await ensemble.clock.pass(TIMEOUT_MS - 100);
    expect(ensemble.service(1).session(ID)).toBeDefined();
  });

  test("has the timeout that it is taken up with, on every node, and expires by it", async () => {
    const ensemble = await ServiceEnsemble.of(3);
    await ensemble.open(1, ID, TIMEOUT_MS);
    const resume = async (node: number, timeoutMs: number): Promise<number> => {
      const content = resumeContent(ID, PASSWORD, timeoutMs);
      const outcome = await ensemble.outcome(node, OpCode.resumeSession, "", content);
      if (!outcome.ok) throw outcome.error;
      const { buffer, byteOffset } = outcome.content;
      return new DataView(buffer, byteOffset).getInt32(0);
    };
    // Where it is, and elsewhere.
    expect(await resume(1, 3 * TIMEOUT_MS)).toBe(3 * TIMEOUT_MS);
    await ensemble.clock.pass(2 * TIMEOUT_MS);
    for (const node of [1, 2, 3]) {
      expect(ensemble.service(node).session(ID)?.timeoutMs).toBe(3 * TIMEOUT_MS);
    }
    expect(await resume(2, TIMEOUT_MS)).toBe(TIMEOUT_MS);
    await ensemble.clock.pass(EXPIRY_MS + 500);
    expect(ensemble.service(1).session(ID)).toBeUndefined();
  });

  test("needs its password, whatever its length, and an id that there is", async () => {
    const ensemble = await ServiceEnsemble.of(3);
    await ensemble.open(1, ID, TIMEOUT_MS);
    for (const at of [0, 15]) {
      const wrong = new Uint8Array(16).fill(7);
      wrong[at] = 8;
      expect(await ensemble.resume(2, ID, wrong)).toBe("ERR_SESSION_EXPIRED");
    }
    expect(await ensemble.resume(2, ID, new Uint8Array())).toBe("ERR_ARG_VALUE");
    expect(await ensemble.resume(2, ID, new Uint8Array(17))).toBe("ERR_ARG_VALUE");
    expect(await ensemble.resume(2, ID + 1n)).toBe("ERR_SESSION_EXPIRED");
    // Nor does an id that there is not have the password of zeros.
    expect(await ensemble.resume(2, ID + 1n, new Uint8Array(16))).toBe("ERR_SESSION_EXPIRED");
    expect(await ensemble.create(1, "/a", ID)).toBe("ok");
  });

  test("and is being closed meanwhile is told so once it is gone", async () => {
    const ensemble = await ServiceEnsemble.of(3);
    const node = ensemble.followerId;
    await ensemble.open(node, ID, TIMEOUT_MS);
    await ensemble.create(node, "/e", ID, ephemeral);
    const closing = ensemble.close(node, ID);
    // Behind it, on the same way.
    const told = await ensemble.resume(node, ID);
    expect([told, await closing]).toEqual(["ERR_SESSION_EXPIRED", "ok"]);
    expect(ensemble.has(ensemble.leaderId, "/e")).toBe(false);
  });
});

describe("a leader that stood still", () => {
  test("Invariant 10: beyond the timeout expires nobody, also alone", async () => {
    for (const size of [1, 3]) {
      const ensemble = await ServiceEnsemble.of(size);
      const { leaderId } = ensemble;
      await ensemble.open(leaderId, ID, TIMEOUT_MS);
      await ensemble.create(leaderId, "/e", ID, ephemeral);
      ensemble.clock.stall(3 * TIMEOUT_MS);
      // What its clients sent meanwhile is read after the timers that are due.
      await ensemble.clock.pass(50);
      ensemble.service(leaderId).touch(ID);
      await ensemble.clock.until(() => ensemble.allReady());
      await ensemble.alive(() => leaderId, ID, 2 * TIMEOUT_MS, TIMEOUT_MS / 3);
      expect(ensemble.everywhere("/e")).toBe(true);
    }
  });

  test("Invariant 10: without the others, decides nothing that comes true", async () => {
    const ensemble = await ServiceEnsemble.of(3);
    const old = ensemble.leaderId;
    const node = ensemble.followerId;
    await ensemble.open(node, ID, TIMEOUT_MS);
    await ensemble.create(node, "/e", ID, ephemeral);
    await ensemble.clock.pass(TIMEOUT_MS - 100);
    // It hears nobody from now on, and its session's deadline comes within its lease.
    ensemble.kill(old);
    await ensemble.alive(() => node, ID, 3 * TIMEOUT_MS, TIMEOUT_MS / 3);
    expect(ensemble.everywhere("/e")).toBe(true);
  });
});

test("10,000 sessions live while they are touched, and go at once, a writer keeping its turn", async () => {
  const ensemble = await ServiceEnsemble.of(3);
  const { leaderId, followerId } = ensemble;
  let opened = 0;
  for (let i = 0; i < 10_000; i += 1) {
    const content = openContent((2n << 56n) | BigInt(i), TIMEOUT_MS);
    ensemble.service(leaderId).submit(OpCode.createSession, "", content, () => (opened += 1));
  }
  await ensemble.clock.until(() => opened === 10_000);
  // More of them than one heartbeat carries.
  for (let round = 0; round < 4; round += 1) {
    await ensemble.clock.pass(TIMEOUT_MS / 2);
    const follower = ensemble.service(followerId);
    for (let i = 0; i < 10_000; i += 1) follower.touch((2n << 56n) | BigInt(i));
  }
  expect(ensemble.service(leaderId).sessionCount).toBe(10_000);
  await ensemble.clock.until(() => ensemble.service(leaderId).sessionCount < 10_000);
  let written = 0;
  let longest = 0;
  while (ensemble.service(leaderId).sessionCount > 0) {
    const before = ensemble.clock.now();
    expect(await ensemble.create(2, `/w${String(written)}`, null)).toBe("ok");
    written += 1;
    longest = Math.max(longest, ensemble.clock.now() - before);
  }
  // A write beside them waits for a batch of them or two, not for all.
  expect(longest).toBeLessThan(50);
  expect(written).toBeGreaterThan(20);
});

test("5,000 sessions whose node is lost move at once, in a few batches", async () => {
  const ensemble = await ServiceEnsemble.of(3);
  const { leaderId, followerId } = ensemble;
  const ids = Array.from({ length: 5000 }, (_, i) => (2n << 56n) | BigInt(i));
  let opened = 0;
  for (const id of ids) {
    const content = openContent(id, 60_000);
    const { service } = ensemble.server(followerId);
    service.submit(OpCode.createSession, "", content, () => (opened += 1));
  }
  await ensemble.clock.until(() => opened === ids.length);
  let moved = 0;
  const startedAt = ensemble.clock.now();
  for (const id of ids) {
    const { service } = ensemble.server(leaderId);
    const content = resumeContent(id, PASSWORD);
    service.submit(OpCode.resumeSession, "", content, ({ ok }) => (moved += ok ? 1 : 0));
  }
  await ensemble.clock.until(() => moved === ids.length);
  // A round trip and a disk for each batch of 1024, several under way at a time.
  expect(ensemble.clock.now() - startedAt).toBeLessThan(20);
});

describe("nodes that go by themselves", () => {
  test("are removed by the leader now and then, and by nobody else", async () => {
    const ensemble = await ServiceEnsemble.of(3);
    await ensemble.create(1, "/a", null, ttl, 1000);
    await ensemble.create(1, "/b", null, ttl, 3_600_000);
    await ensemble.create(1, "/c", null, container);
    await ensemble.create(1, "/c/child", null);
    await ensemble.outcome(1, OpCode.delete, "/c/child", deleteContent());
    for (const node of [1, 2, 3]) {
      const outcome = await ensemble.outcome(node, OpCode.deleteExpired, "/c", new Uint8Array(4));
      expect(outcome).toMatchObject({ ok: false, error: { code: "ERR_SERVER_UNSUPPORTED" } });
    }
    const all = (): boolean[] => ["/a", "/b", "/c"].map((path) => ensemble.everywhere(path));
    await ensemble.clock.pass(DEFAULT_TIMINGS.nodeExpiryMs - 5000);
    expect(all()).toEqual([true, true, true]);
    await ensemble.clock.pass(5500);
    expect(all()).toEqual([false, true, false]);
  });

  test("10,000 of them take a minute", async () => {
    const ensemble = await ServiceEnsemble.of(1);
    const count = 10_000;
    const empty = ensemble.count(1);
    let created = 0;
    for (let i = 0; i < count; i += 1) {
      const content = createContent(null, ttl, 1000);
      ensemble.service(1).submit(OpCode.add, `/n${String(i)}`, content, () => (created += 1));
    }
    await ensemble.clock.until(() => created === count);
    const left = (): number => ensemble.count(1) - empty;
    await ensemble.clock.until(() => left() < count, 2 * DEFAULT_TIMINGS.nodeExpiryMs);
    await ensemble.clock.pass(30_000);
    expect(left()).toBeGreaterThan(4000);
    expect(left()).toBeLessThan(6000);
    await ensemble.clock.until(() => left() === 0, 35_000);
  });
});
