import { HISTORY_CHUNKS_IN_FLIGHT_MAX } from "@quorate/protocol";
import { encodeCreate, ZnodeOp } from "@quorate/znode";
import { expect, test } from "vitest";
import { Ensemble } from "./support.js";

const WRITES = 24;

/** Nodes 1 and 2 of three have as many batches, which node 3 missed. */
async function longHistory(): Promise<Ensemble> {
  const ensemble = new Ensemble(3, { checkpointBytes: 1 << 30 });
  await ensemble.start(1, 2, 3);
  await ensemble.clock.until(() => ensemble.allReady());
  const late = ensemble.server(3);
  await ensemble.settle(late.stop());
  ensemble.servers.delete(late.status().id);
  // It may have led.
  await ensemble.clock.until(() => ensemble.leader !== undefined && ensemble.allReady());
  const data = new Uint8Array(200_000);
  for (let i = 0; i < WRITES; i += 1) {
    const write = ensemble.server(1).submit(ZnodeOp.create, `/n${i}`, encodeCreate({ data }));
    await ensemble.settle(write);
  }
  return ensemble;
}

test.each([
  ["a voter", 3],
  ["a watcher", 9],
])("%s applies a long history as it comes, and serves at its end", async (_who, node) => {
  const ensemble = await longHistory();
  await ensemble.start(node);
  const late = ensemble.server(node);
  let [stepMax, beforeServing] = [0, 0];
  late.committed.listen((batches) => {
    stepMax = Math.max(stepMax, batches.length);
    if (late.status().ready) return;
    beforeServing += batches.length;
    // Memory never runs ahead of its disk here.
    const { lastApplied, lastLogged } = late.status();
    expect(lastApplied).toBeLessThanOrEqual(lastLogged);
  });
  await ensemble.clock.until(() => late.status().ready);
  // The window, and behind what a voter had already the one above its lazily persisted mark.
  expect(stepMax).toBeLessThanOrEqual(HISTORY_CHUNKS_IN_FLIGHT_MAX + 1);
  expect(beforeServing).toBeGreaterThanOrEqual(WRITES - 1);
  const { lastApplied, digest } = ensemble.server(1).status();
  await ensemble.clock.until(() => late.status().lastApplied >= lastApplied);
  expect(late.status().digest).toBe(digest);
});
