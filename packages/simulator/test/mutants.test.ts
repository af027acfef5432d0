import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { mutate, type Edit, type Mutant } from "../src/mutants/mutant.js";
import { runMutant } from "../src/mutants/run-mutants.js";

const composition = fileURLToPath(new URL("calm-composition.ts", import.meta.url));
const edit: Edit = {
  file: "packages/simulator/test/primary-backup.ts",
  find: "Math.floor(this.#options.voters.length / 2)",
  replace: "0",
};
const commitAlone: Mutant = { name: "commit without quorum", edits: [edit] };
const options = { from: 3, to: 3, jobs: 1, composition };

describe("the mutant harness", () => {
  it("plants a bug in a child process, where a checker finds it", async () => {
    const { fell } = await runMutant(commitAlone, options);
    expect(fell?.violation?.checker).toBe("commitNeedsQuorum");
  });

  it("refuses a mutant whose snippet is not there exactly once", () => {
    expect(() => mutate("a b a", "m", { ...edit, find: "a" })).toThrow("occurs 2 times");
    expect(() => mutate("a b a", "m", { ...edit, find: "c" })).toThrow("occurs 0 times");
  });

  it("refuses a mutant of a file that no run loads", async () => {
    const lost = {
      name: "lost",
      edits: [{ ...edit, file: "packages/simulator/test/elsewhere.ts" }],
    };
    await expect(runMutant(lost, options)).rejects.toThrow();
  });
});
