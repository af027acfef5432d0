import { DEFAULT_TIMINGS } from "@quorate/protocol";
import { ZnodeOp } from "@quorate/znode";
import { expect, test } from "vitest";
import { createOf, Ensemble } from "./support.js";

const { diskTimeoutMs, syncTimeoutMs } = DEFAULT_TIMINGS;
const SLICE_MS = 1500;

/** Nodes 1 and 2 of three hold a state of some checkpoint slices, and the log below it is gone. */
async function largeState(): Promise<Ensemble> {
  const ensemble = new Ensemble(3, {
    checkpointBytes: 1 << 20,
    retainedTailBytes: 0,
    readLatencyMs: (node) => (node === 3 ? SLICE_MS : 0),
  });
  await ensemble.start(1, 2, 3);
  await ensemble.clock.until(() => ensemble.allReady());
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
