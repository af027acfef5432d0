import { DEFAULT_TIMINGS, type NodeId } from "@quorate/protocol";
import { ZnodeOp } from "@quorate/znode";
import { expect, test } from "vitest";
import type { Server } from "../src/server.js";
import { createOf, Ensemble, id } from "./support.js";

const { diskTimeoutMs, syncTimeoutMs } = DEFAULT_TIMINGS;
const SLICE_MS = 1500;
const NO_DATA = new Uint8Array();

/** All but node 3 hold a state of some checkpoint slices, and the log below it is gone. */
async function largeState(size = 3): Promise<Ensemble> {
  const ensemble = new Ensemble(size, {
    checkpointBytes: 1 << 20,
    retainedTailBytes: 0,
    readLatencyMs: (node) => (node === 3 ? SLICE_MS : 0),
  });
  await ensemble.start(...ensemble.voters);
  await ensemble.clock.until(() => ensemble.allReady());
  // Node 3 knows of something that is committed: it has a state of its own.
  for (const path of ["/a", "/b"]) {
    await ensemble.settle(ensemble.server(3).submit(ZnodeOp.create, path, createOf(NO_DATA)));
  }
  await ensemble.settle(ensemble.server(3).stop());
  ensemble.servers.delete(ensemble.server(3).status().id);
  // It may have led.
  await ensemble.clock.until(() => ensemble.leader !== undefined);
  await ensemble.clock.until(() => ensemble.allReady());
  ensemble.lines.length = 0;
  const data = new Uint8Array(200_000);
  for (let i = 0; i < 20; i += 1) {
    const write = ensemble.server(1).submit(ZnodeOp.create, `/n${i}`, createOf(data));
    await ensemble.settle(write);
  }
  return ensemble;
}

test("a snapshot that takes long to load ends no role, as long as it gets on", async () => {
  const ensemble = await largeState();
  const { clock } = ensemble;
  await ensemble.start(3);
  const late = ensemble.server(3);
  await clock.until(() => ensemble.lines.some((line) => line.includes('"plan":"snapshot"')));
  const from = clock.now();
  const seen = new Map<string, bigint>();
  await clock.until(() => {
    const { lastApplied, digest, ready } = late.status();
    // One digest for one txnid, also while the rows come in.
    expect(seen.get(String(lastApplied)) ?? digest).toBe(digest);
    seen.set(String(lastApplied), digest);
    return ready;
  }, 60_000);
  expect(clock.now() - from).toBeGreaterThan(Math.max(diskTimeoutMs, syncTimeoutMs));
  expect(ensemble.lines.filter((line) => line.startsWith("3 role ended"))).toEqual([]);
  const { lastApplied, digest } = ensemble.server(1).status();
  await clock.until(() => late.status().lastApplied >= lastApplied);
  expect(late.status().digest).toBe(digest);
});

test("a load that does not get on ends the role, as a silent disk does", async () => {
  const ensemble = await largeState();
  const { clock } = ensemble;
  let sliceMs = SLICE_MS;
  Object.assign(ensemble.options, { readLatencyMs: (node: number) => (node === 3 ? sliceMs : 0) });
  await ensemble.start(3);
  await clock.until(() => ensemble.lines.some((line) => line.includes('"plan":"snapshot"')));
  sliceMs = 10 * diskTimeoutMs;
  await clock.until(
    () => ensemble.lines.some((line) => line.includes("leadership lost")),
    12 * diskTimeoutMs,
  );
  expect(ensemble.lines.at(-1)).toContain("ERR_STORE_TIMEOUT");
});

/** Node 3 without any data, among others with a state of some checkpoint slices. */
async function emptyJoiner(): Promise<Ensemble> {
  const ensemble = await largeState();
  ensemble.disks.delete(ensemble.voters[2] as NodeId);
  return ensemble;
}

test("a node without data does not read back what it was sent", async () => {
  const ensemble = await emptyJoiner();
  const { clock } = ensemble;
  const from = clock.now();
  await ensemble.start(3);
  const late = ensemble.server(3);
  await clock.until(() => ensemble.lines.some((line) => line.includes('"plan":"snapshot"')));
  const empty = late.status();
  await clock.until(() => {
    const { lastApplied, digest, ready } = late.status();
    // Nobody sees a part of it.
    if (lastApplied === empty.lastApplied) expect(digest).toBe(empty.digest);
    return ready;
  });
  // The log above it; its rows would take four times as long.
  expect(clock.now() - from).toBeLessThan(3 * SLICE_MS);
  const { lastApplied, digest } = ensemble.server(1).status();
  await clock.until(() => late.status().lastApplied >= lastApplied);
  expect(late.status().digest).toBe(digest);
});

test("what a snapshot that comes to nothing has left behind is gone before the next", async () => {
  const ensemble = await emptyJoiner();
  Object.assign(ensemble.options, { writeLatencyMs: (node: number) => (node === 3 ? 200 : 1) });
  const { clock } = ensemble;
  await ensemble.start(3);
  const late = ensemble.server(3);
  await clock.until(() => ensemble.lines.some((line) => line.includes('"plan":"snapshot"')));
  await clock.pass(700);
  const leader = ensemble.leader?.status().id ?? 0;
  // In the middle of it.
  expect(late.status().ready).toBe(false);
  await ensemble.settle(ensemble.server(leader).stop());
  ensemble.servers.delete(id(leader));
  // Alone with a node that has no history, the other one cannot lead.
  await ensemble.start(leader);
  await clock.until(() => ensemble.allReady(), 60_000);
  const { lastApplied, digest } = (ensemble.leader as Server).status();
  await clock.until(() => late.status().lastApplied >= lastApplied);
  expect(late.status().digest).toBe(digest);
});

test("who has acknowledged its history waits for a voter that is still sent a snapshot", async () => {
  const ensemble = await largeState(5);
  const { clock } = ensemble;
  for (const gone of [4, 5]) {
    await ensemble.settle(ensemble.server(gone).stop());
    ensemble.servers.delete(id(gone));
  }
  // Without node 3 there is no quorum, and what it is sent is read slowly.
  Object.assign(ensemble.options, { readLatencyMs: (node: number) => (node === 3 ? 0 : SLICE_MS) });
  await clock.until(() => ![1, 2].some((node) => ensemble.server(node).status().ready));
  ensemble.lines.length = 0;
  const from = clock.now();
  await ensemble.start(3);
  await clock.until(() => ensemble.allReady(), 60_000);
  expect(clock.now() - from).toBeGreaterThan(syncTimeoutMs * 1.2);
  expect(ensemble.lines.filter((line) => line.includes("ERR_SYNC_TIMEOUT"))).toEqual([]);
  const digests = [1, 2, 3].map((node) => ensemble.server(node).status().digest);
  expect(new Set(digests).size).toBe(1);
});
