import { makeTxnid, toEpoch, toNodeId, type Standing } from "@quorate/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareCandidacies, type Candidacy } from "../src/vote-order.js";
import { BallotNetwork } from "./support/ballot-network.js";

const small = fc.integer({ min: 0, max: 3 });
const txnid = fc.tuple(small, small).map(([epoch, counter]) => makeTxnid(epoch, counter));
const candidacies: fc.Arbitrary<Candidacy> = fc.record({
  candidate: fc.integer({ min: 1, max: 5 }).map(toNodeId),
  epoch: small.map(toEpoch),
  loggedTxnid: txnid,
  committedTxnid: txnid,
  standing: fc.constantFrom<Standing>("member", "empty", "recovering"),
});

describe("the vote order", () => {
  it("is total: antisymmetric, transitive, and equal only on equal votes", () => {
    fc.assert(
      fc.property(candidacies, candidacies, candidacies, (a, b, c) => {
        const ab = Math.sign(compareCandidacies(a, b));
        expect(ab).toBe(0 - Math.sign(compareCandidacies(b, a)));
        if (ab === 0) expect(a).toEqual(b);
        if (ab <= 0 && compareCandidacies(b, c) <= 0) {
          expect(compareCandidacies(a, c)).toBeLessThanOrEqual(0);
        }
      }),
    );
  });

  it("compares numerically across digit boundaries: counters, epochs and ids", () => {
    const base = {
      epoch: toEpoch(1),
      committedTxnid: makeTxnid(0, 0),
      standing: "member",
    } as const;
    const of = (id: number, epoch: number, counter: number): Candidacy => ({
      ...base,
      candidate: toNodeId(id),
      loggedTxnid: makeTxnid(epoch, counter),
    });
    expect(compareCandidacies(of(1, 2, 10), of(1, 2, 9))).toBeGreaterThan(0);
    expect(compareCandidacies(of(1, 3, 1), of(1, 2, 4_000_000_000))).toBeGreaterThan(0);
    expect(compareCandidacies(of(10, 1, 1), of(9, 1, 1))).toBeGreaterThan(0);
  });
});

describe("sites that start together on a network faster than the finalize wait", () => {
  const start = fc.record({
    epoch: small.map(toEpoch),
    counter: small,
    delayMs: fc.integer({ min: 0, max: 20 }),
  });
  const runs = fc.record({
    nodes: fc.array(start, { minLength: 1, maxLength: 5 }),
    delaysMs: fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 1, maxLength: 40 }),
  });

  it("all decide, in one round, for the same and the greatest candidate", async () => {
    await fc.assert(
      fc.asyncProperty(runs, async ({ nodes, delaysMs }) => {
        const network = new BallotNetwork({ voters: nodes.map((_, index) => index + 1) });
        network.fate = ({ number }) => [delaysMs[number % delaysMs.length] ?? 1];
        let best: readonly [number, number, number] = [-1, -1, -1];
        nodes.forEach(({ epoch, counter, delayMs }, index) => {
          const id = index + 1;
          network.boot(id, { currentEpoch: epoch, lastLogged: makeTxnid(epoch, counter) });
          network.clock.setTimer(delayMs, () => network.start(id));
          if (epoch > best[0] || (epoch === best[0] && counter >= best[1])) {
            best = [epoch, counter, id];
          }
        });
        await network.clock.advance(200);
        expect(network.leaders()).toEqual(nodes.map(() => best[2]));
        const rounds = [...network.nodes.values()].map((node) => node.result?.round);
        expect(new Set(rounds)).toEqual(new Set([1]));
      }),
      { numRuns: 100 },
    );
  });
});
