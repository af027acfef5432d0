import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";

/** The threads keep next to nothing of what they handle: a larger heap only delays its sweep. */
const YOUNG_GENERATION_MIB = 2;

/** Starts a thread of this package, from its build or, under a test runner, from its source. */
export function startThread(name: "log-worker" | "state-worker"): Worker {
  const options = {
    name: `quorate ${name}`,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB },
  };
  if (!import.meta.url.endsWith(".ts")) {
    return new Worker(new URL(`./${name}.js`, import.meta.url), { ...options, execArgv: [] });
  }
  // A thread does not inherit the loader that compiles sources. The CommonJS one is registered
  // here because it works within the thread; the other kind would start one more thread for each.
  const loader = createRequire(import.meta.url).resolve("tsx/cjs/api");
  const entry = fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
  const start = `require(${JSON.stringify(loader)}).register();
    require(${JSON.stringify(entry)});`;
  return new Worker(start, {
    ...options,
    eval: true,
    execArgv: ["--conditions=@quorate/source"],
  });
}
