// The stages of `check` and `test`. A new kind of test becomes a stage here and nowhere else.
import { script, tool } from "./tools.mjs";

const prettierCache = ["--cache", "--cache-location", "node_modules/.cache/prettier.json"];

/** Everything that reads the sources and runs none of them; the slowest first. */
export function staticStage() {
  return {
    name: "static",
    tasks: [
      // Without a cache: that looks at each file's own content, while types come from others.
      { name: "lint", command: tool("eslint", ".", "--max-warnings", "0") },
      { name: "types", command: tool("tsc", "-p", "tsconfig.json", "--noEmit") },
      {
        name: "format",
        command: tool("prettier", "--check", "--log-level", "warn", ".", ...prettierCache),
      },
      { name: "layers", command: script("layers.mjs") },
      { name: "tidy", command: script("tidy.mjs") },
    ],
  };
}

export function unitStage(...args) {
  return {
    name: "unit",
    tasks: [{ name: "vitest", command: tool("vitest", "run", ...args) }],
  };
}

export function processStage() {
  const config = "packages/cli/vitest.e2e.config.ts";
  return {
    name: "real processes",
    tasks: [{ name: "vitest", command: tool("vitest", "run", "--config", config) }],
  };
}

function sim(...args) {
  const cli = "packages/simulator/src/cli.ts";
  return [process.execPath, "--conditions=@quorate/source", "--import", "tsx", cli, ...args];
}

/** Seeds with coverage, seeds that once failed, every mutant, and the same seed twice. */
export function simulationStage() {
  return { name: "simulation", tasks: [{ name: "suite", command: sim("--suite") }] };
}

/** The first few seeds: what a mistake in the protocol rarely survives. */
export function firstSeedsStage() {
  return { name: "first seeds", tasks: [{ name: "sim", command: sim("--seeds", "1..20") }] };
}
