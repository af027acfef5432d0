// The stages of `check` and `test`. A new kind of test becomes a stage here and nowhere else.
import { script, tool } from "./tools.mjs";

const cached = (name) => ["--cache", "--cache-location", `node_modules/.cache/${name}.json`];

/** Everything that reads the sources and runs none of them; the slowest first. */
export function staticStage() {
  const eslintCache = [...cached("eslint"), "--cache-strategy", "content"];
  return {
    name: "static",
    tasks: [
      { name: "lint", command: tool("eslint", ".", "--max-warnings", "0", ...eslintCache) },
      { name: "types", command: tool("tsc", "-p", "tsconfig.json", "--noEmit") },
      {
        name: "format",
        command: tool("prettier", "--check", "--log-level", "warn", ".", ...cached("prettier")),
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
