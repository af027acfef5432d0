import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { RunResult } from "./run-seed.js";

const worker = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url),
);

/** Children run the sources, as everything in this package does. */
const FROM_SOURCE = ["--conditions=@quorate/source", "--import", "tsx"];

export interface PoolOptions {
  readonly from: number;
  readonly to: number;
  readonly jobs: number;
  readonly composition: string | undefined;
  /** Extra arguments of node, and the files that they change. */
  readonly mutant?: { readonly files: readonly string[]; readonly execArgv: readonly string[] };
  /** Returns false to stop handing out seeds. */
  readonly onResult: (result: RunResult) => boolean;
}

/** Runs the seeds in child processes, each taking the next one when it is done. */
export async function runPool(options: PoolOptions): Promise<void> {
  let next = options.from;
  let isStopped = false;
  const children: ChildProcess[] = [];
  const take = (): number | null => {
    if (isStopped || next > options.to) return null;
    next += 1;
    return next - 1;
  };
  const stop = (): void => {
    isStopped = true;
  };
  const count = Math.min(options.jobs, options.to - options.from + 1);
  try {
    await Promise.all(
      Array.from({ length: count }, () => runChild(options, { take, stop, children })),
    );
  } finally {
    for (const child of children) child.kill();
  }
}

function runChild(
  options: PoolOptions,
  shared: { take: () => number | null; stop: () => void; children: ChildProcess[] },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const { mutant } = options;
    const child = fork(worker, [options.composition ?? "", ...(mutant?.files ?? [])], {
      execArgv: [...FROM_SOURCE, ...(mutant?.execArgv ?? [])],
    });
    shared.children.push(child);
    let seed: number | null = null;
    const give = (): void => {
      seed = shared.take();
      if (seed === null) {
        child.disconnect();
        resolve();
      } else child.send(seed);
    };
    child.on("message", (message: RunResult | "ready") => {
      if (message !== "ready" && !options.onResult(message)) shared.stop();
      give();
    });
    child.on("error", reject);
    child.on("exit", (code) => {
      if (seed !== null) reject(new Error(`the process of seed ${seed} ended with ${code}`));
      else if (code !== 0 && code !== null) reject(new Error(`a process ended with ${code}`));
    });
  });
}
