import { majorityQuorum } from "@quorate/protocol";
import { MemoryDisk } from "@quorate/testkit";
import { ZnodeOp } from "@quorate/znode";
import { describe, expect, test } from "vitest";
import { turnAfter, turnOf } from "../src/checkpoint-turns.js";
import { createOf, Ensemble, id } from "./support.js";

const CHECKPOINT_BYTES = 24 * 1024;
const create = createOf(new Uint8Array(400));

/** Creates so many nodes, one after the other. */
async function write(ensemble: Ensemble, from: number, count: number): Promise<void> {
  for (let i = from; i < from + count; i += 1) {
    await ensemble.settle(ensemble.server(1).submit(ZnodeOp.create, `/n${i}`, create));
  }
}

/** At which entries the nodes have begun checkpoints: node and entry, in their order. */
function checkpoints(ensemble: Ensemble): { node: number; entry: number }[] {
  return ensemble.lines
    .flatMap((line) => {
      const found = /^(\d+) checkpoint written .*"position":"e\d+:(\d+)"/.exec(line);
      return found === null ? [] : [{ node: Number(found[1]), entry: Number(found[2]) }];
    })
    .sort((a, b) => a.entry - b.entry);
}

/** Entries between two checkpoints that follow each other. */
function gaps(ensemble: Ensemble): number[] {
  const entries = checkpoints(ensemble).map(({ entry }) => entry);
  return entries.slice(1).map((entry, i) => entry - (entries[i] ?? 0));
}

describe("checkpoints", () => {
  test("of three voters come one after the other, also after restarts and a snapshot", async () => {
    const ensemble = new Ensemble(3, {
      checkpointBytes: CHECKPOINT_BYTES,
      retainedTailBytes: 1000,
    });
    await ensemble.start(1, 2, 3);
    await ensemble.clock.until(() => ensemble.allReady());
    await write(ensemble, 0, 300);
    const [per = 0] = gaps(ensemble);
    const seen = new Set(checkpoints(ensemble).map(({ node }) => node));
    expect([...seen].sort()).toEqual([1, 2, 3]);
    expect(per).toBeGreaterThan(5);
    expect(Math.min(...gaps(ensemble))).toBeGreaterThan(per / 2);

    const leader = ensemble.leader?.status().id;
    const [first = 0, second = 0] = [1, 2, 3].filter((node) => node !== leader);
    ensemble.lines.length = 0;
    await ensemble.settle(ensemble.server(first).stop());
    await ensemble.start(first);
    await ensemble.settle(ensemble.server(second).stop());
    ensemble.disks.set(id(second), new MemoryDisk());
    await ensemble.start(second);
    await ensemble.clock.until(() => ensemble.allReady());
    await ensemble.clock.pass(500);
    await write(ensemble, 1000, 300);
    const after = checkpoints(ensemble);
    expect(new Set(after.map(({ node }) => node)).size).toBe(3);
    expect(Math.min(...gaps(ensemble))).toBeGreaterThan(per / 2);
  });
});

describe("a turn", () => {
  const quorum = majorityQuorum([7, 2, 5].map(id));

  test("is one of as many as there are voters, by their order", () => {
    expect([2, 5, 7].map((node) => turnOf(id(node), quorum))).toEqual([0, 1 / 3, 2 / 3]);
  });

  test("of a node that does not vote is between two of them", () => {
    for (const node of [1, 3, 4, 6]) {
      expect((turnOf(id(node), quorum) * 3) % 1).toBeCloseTo(0.5);
    }
  });

  test("behind another's checkpoint leads to the own place", () => {
    for (const giver of [2, 5, 7]) {
      for (const node of [2, 5, 7]) {
        const turn = turnAfter(id(node), id(giver), quorum);
        expect(turn).toBeGreaterThanOrEqual(0);
        expect(turn).toBeLessThan(1);
        expect((turnOf(id(giver), quorum) + turn) % 1).toBeCloseTo(turnOf(id(node), quorum));
      }
    }
    expect(turnAfter(id(5), 0, quorum)).toBe(turnOf(id(5), quorum));
  });
});
