import { describe, expect, it } from "vitest";
import { runSeed, shippedChainHash, shippedCodec, znodeApplication } from "../src/index.js";
import { primaryBackup, type Defect } from "./primary-backup.js";

function run(defect: Defect, seed = 1) {
  return runSeed({
    seed,
    isCalm: true,
    swarm: { safetyMs: 20_000, nodeCount: 3 },
    composition: {
      startServer: primaryBackup(defect),
      hasSessions: false,
      application: znodeApplication,
      codec: shippedCodec,
      chainHash: shippedChainHash,
    },
  });
}

describe("a calm run", () => {
  it("finds nothing in a server that does nothing wrong, and is the same each time", async () => {
    const first = await run("none");
    expect(first.violation).toBeNull();
    expect(first.operations).toBeGreaterThanOrEqual(1000);
    expect(first.undecided).toBe(0);
    expect((await run("none")).hash).toBe(first.hash);
    expect((await run("none", 2)).hash).not.toBe(first.hash);
  });

  it.each([
    ["acceptBeforePersist", "acceptIsDurable"],
    ["commitAlone", "commitNeedsQuorum"],
    ["staleReads", "linearizable"],
    ["applyTwice", "totalOrder"],
    // An unknown outcome is excused once or twice, not for ever.
    ["neverTells", "liveness"],
  ] as const)("finds %s by the checker %s", async (defect, checker) => {
    const { violation } = await run(defect);
    expect(violation?.checker).toBe(checker);
  });
});
