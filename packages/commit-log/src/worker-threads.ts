import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";

/** Starts a thread of this package, from its build or, under a test runner, from its source. */
export function startThread(name: "log-worker" | "state-worker"): Worker {
  const options = { name: `quorate ${name}` };
  if (!import.meta.url.endsWith(".ts")) {
    return new Worker(new URL(`./${name}.js`, import.meta.url), { ...options, execArgv: [] });
  }
  // A thread does not inherit the loader that compiles sources: it registers its own first.
  const manifest = createRequire(import.meta.url).resolve("tsx/package.json");
  const loader = new URL("./dist/esm/api/index.mjs", pathToFileURL(manifest)).href;
  const entry = new URL(`./${name}.ts`, import.meta.url).href;
  const start = `import(${JSON.stringify(loader)})
    .then(({ register }) => { register(); return import(${JSON.stringify(entry)}); });`;
  return new Worker(start, {
    ...options,
    eval: true,
    execArgv: ["--conditions=@quorate/source"],
  });
}
