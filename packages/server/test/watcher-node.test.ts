import { DEFAULT_TIMINGS, LAZY_APPEND_MS, QuorateError } from "@quorate/protocol";
import { ZnodeOp } from "@quorate/znode";
import { describe, expect, test } from "vitest";
import type { Server } from "../src/index.js";
import { WATCHER_RETRY_MS } from "../src/watcher-server.js";
import { createOf, Ensemble, READ, type EnsembleOptions } from "./support.js";

const create = createOf(new Uint8Array([1]));
const { followerTimeoutMs } = DEFAULT_TIMINGS;

async function watched(
  options: EnsembleOptions = {},
): Promise<{ ensemble: Ensemble; watcher: Server; leader: Server }> {
  const ensemble = new Ensemble(3, options);
  await ensemble.start(1, 2, 3);
  await ensemble.clock.until(() => ensemble.allReady());
  await ensemble.start(9);
  const watcher = ensemble.server(9);
  await ensemble.clock.until(() => watcher.status().ready);
  const { leader } = ensemble;
  if (leader === undefined) throw new Error("nobody leads");
  return { ensemble, watcher, leader };
}

describe("a node that watches", () => {
  test("applies what is committed, and counts in no quorum", async () => {
    const { ensemble, watcher, leader } = await watched();
    const { txnid } = await ensemble.settle(leader.submit(ZnodeOp.create, "/a", create));
    await ensemble.clock.until(() => watcher.status().lastApplied >= txnid);
    expect(watcher.status()).toMatchObject({
      role: "watching",
      leader: leader.status().id,
      digest: leader.status().digest,
      epoch: 0,
    });
    // With it there would be three of four.
    for (const voter of ensemble.voters) {
      if (voter !== leader.status().id) ensemble.network.silence(voter);
    }
    const write = leader.submit(ZnodeOp.create, "/b", create);
    await expect(ensemble.settle(write)).rejects.toMatchObject({
      code: "ERR_CLIENT_OUTCOME_UNKNOWN",
    });
    await ensemble.clock.until(() => leader.status().role === "electing");
  });

  test("serves its clients: forwards writes, reads its own state or linearizably", async () => {
    const { ensemble, watcher, leader } = await watched();
    const { txnid } = await ensemble.settle(watcher.submit(ZnodeOp.create, "/w", create));
    expect(watcher.status().lastApplied).toBeGreaterThanOrEqual(txnid);
    const local = await ensemble.settle(watcher.read(ZnodeOp.exists, "/w", READ));
    const there = leader.read(ZnodeOp.exists, "/w", READ);
    expect(local).toEqual(await ensemble.settle(there));
    await ensemble.settle(leader.submit(ZnodeOp.create, "/newer", create));
    const read = watcher.read(ZnodeOp.exists, "/newer", READ, { linearizable: true });
    expect(await ensemble.settle(read)).not.toHaveLength(0);
    const refused = watcher.submit(ZnodeOp.create, "/w", create);
    await expect(ensemble.settle(refused)).rejects.toMatchObject({
      code: "ERR_ZNODE_NODE_EXISTS",
    });
  });

  test("goes on under the next leader, whichever way the last one leaves", async () => {
    const { ensemble, watcher, leader } = await watched();
    await ensemble.settle(leader.stop());
    ensemble.servers.delete(leader.status().id);
    const rest = [...ensemble.servers.values()].filter((one) => one !== watcher);
    await ensemble.clock.until(() => ensemble.leader !== undefined && !watcher.status().ready);
    // Told of the handover, it looks for the next one without a pause.
    await ensemble.clock.until(() => ensemble.allReady(), WATCHER_RETRY_MS / 2);
    const { txnid } = await ensemble.settle(watcher.submit(ZnodeOp.create, "/after", create));
    await ensemble.clock.until(() => rest.every((one) => one.status().lastApplied >= txnid));
    const next = ensemble.leader;
    expect(watcher.status().leader).toBe(next?.status().id);
  });

  test("is caught up by a snapshot when its log is far behind", async () => {
    const { ensemble, watcher } = await watched({ checkpointBytes: 1 << 16, retainedTailBytes: 0 });
    await ensemble.settle(watcher.stop());
    const data = createOf(new Uint8Array(30_000));
    for (let i = 0; i < 10; i += 1) {
      await ensemble.settle(ensemble.server(1).submit(ZnodeOp.create, `/n${i}`, data));
    }
    ensemble.lines.length = 0;
    await ensemble.start(9);
    const again = ensemble.server(9);
    await ensemble.clock.until(() => again.status().ready);
    expect(ensemble.lines.some((line) => line.includes('"peer":9,"plan":"snapshot"'))).toBe(true);
    expect(again.status().digest).toBe(ensemble.server(1).status().digest);
  });

  test("writes lazily: many commits are few transactions, and a crash costs it no state", async () => {
    const { ensemble, watcher, leader } = await watched();
    await ensemble.clock.pass(2 * LAZY_APPEND_MS);
    for (let i = 0; i < 100; i += 1) {
      await ensemble.settle(leader.submit(ZnodeOp.create, `/n${i}`, create));
    }
    const newest = leader.status().lastApplied;
    await ensemble.clock.until(() => watcher.status().lastApplied === newest, 10);
    const { lastLogged, lastApplied } = watcher.status();
    expect(lastLogged).toBeLessThan(lastApplied);
    ensemble.disk(9).crash();
    ensemble.servers.delete(watcher.status().id);
    await ensemble.start(9);
    const again = ensemble.server(9);
    await ensemble.clock.until(() => again.status().ready, 60_000);
    expect(again.status().digest).toBe(leader.status().digest);
    await ensemble.clock.pass(2 * LAZY_APPEND_MS);
    expect(again.status().lastLogged).toBe(leader.status().lastLogged);
  });

  test("pings: resolves while its leader is heard of, and says why when it is not", async () => {
    const { ensemble, watcher, leader } = await watched();
    await ensemble.settle(watcher.ping());
    await ensemble.settle(leader.ping());
    for (const voter of ensemble.voters) ensemble.network.silence(voter);
    const from = ensemble.clock.now();
    await expect(ensemble.settle(watcher.ping())).rejects.toMatchObject({
      code: "ERR_PROTOCOL_TIMEOUT",
    });
    expect(ensemble.clock.now() - from).toBeLessThan(followerTimeoutMs * 1.2);
    await expect(ensemble.settle(watcher.ping())).rejects.toMatchObject({
      code: "ERR_SERVER_NOT_READY",
      retryable: true,
    });
  });

  test("looks for a leader without end, less and less often, and stops at once", async () => {
    const ensemble = new Ensemble(3);
    await ensemble.start(9);
    const watcher = ensemble.server(9);
    await ensemble.clock.pass(120_000);
    expect(watcher.status()).toMatchObject({ role: "electing", ready: false });
    const read = watcher.read(ZnodeOp.get, "/", READ);
    await expect(ensemble.settle(read)).rejects.toMatchObject({ code: "ERR_SERVER_NOT_READY" });
    await ensemble.start(1, 2, 3);
    await ensemble.clock.until(() => ensemble.allReady(), 60_000);
    const before = ensemble.clock.now();
    await ensemble.settle(watcher.stop());
    expect(ensemble.clock.now() - before).toBeLessThan(50);
    expect(await watcher.done).toEqual({ kind: "stopped" });
  });

  test("authenticates to its leader before anything else", async () => {
    const seen: number[] = [];
    let mayPass = false;
    const ensemble = new Ensemble(1, {
      deps: () => ({
        authenticate: (pipe) => {
          seen.push(pipe.peer);
          return mayPass
            ? Promise.resolve()
            : Promise.reject(new QuorateError("ERR_ARG_VALUE", "no"));
        },
      }),
    });
    await ensemble.start(1, 9);
    await ensemble.clock.pass(5000);
    expect([ensemble.server(9).status().ready, new Set(seen)]).toEqual([false, new Set([1])]);
    mayPass = true;
    await ensemble.clock.until(() => ensemble.server(9).status().ready, 60_000);
  });

  test("survives a full disk: its store is opened again, and it watches on", async () => {
    const { ensemble, watcher, leader } = await watched();
    ensemble.disk(9).failNextCommit("full");
    await ensemble.settle(leader.submit(ZnodeOp.create, "/a", create));
    await ensemble.clock.until(() => !watcher.status().ready);
    await ensemble.clock.until(() => watcher.status().ready, 60_000);
    expect(watcher.status().digest).toBe(leader.status().digest);
  });
});
