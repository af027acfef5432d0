import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { mutate, type Edit, type Mutant } from "../src/mutants/mutant.js";
import { lastFell } from "../src/mutants/last-fell.js";
import { mutants } from "../src/mutants/mutants.js";
import { runMutant } from "../src/mutants/run-mutants.js";

import { regressions } from "../src/regressions.js";

const composition = fileURLToPath(new URL("calm-composition.ts", import.meta.url));
const edit: Edit = {
  file: "packages/simulator/test/primary-backup.ts",
  find: "Math.floor(this.#options.voters.length / 2)",
  replace: "0",
};
const commitAlone: Mutant = { name: "commit without quorum", edits: [edit] };
const options = { from: 4, to: 4, jobs: 1, composition };

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

describe("the table of mutants", () => {
  it.each(mutants)("$name is planted in the sources as they are", ({ name, edits }) => {
    for (const planted of edits) {
      const source = readFileSync(new URL(`../../../${planted.file}`, import.meta.url), "utf8");
      const mutated = mutate(source, name, planted);
      const { diagnostics } = ts.transpileModule(mutated, { reportDiagnostics: true });
      expect(diagnostics?.map(({ messageText }) => messageText)).toEqual([]);
    }
  });

  it("has a name for each, and knows where each fell last", () => {
    const names = mutants.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect([...lastFell.keys()].sort()).toEqual([...names].sort());
  });

  it("has every mutant that a regression names", () => {
    const names = mutants.map(({ name }) => name);
    for (const { mutant } of regressions) if (mutant !== undefined) expect(names).toContain(mutant);
  });
});
