import { execFile, spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createClient } from "@quorate/client";
import { ProcessEnsemble, WriteLoad, type EnsembleOptions } from "@quorate/testkit/processes";

const MAIN = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
export const COMMAND = [process.execPath, MAIN] as const;

export interface Output {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the command as a process until it ends. */
export function quorate(...args: string[]): Promise<Output> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { timeout: 30_000 }, (error, out, err) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      resolve({ code, out, err });
    });
  });
}

/** Node's arguments for a TypeScript file, which then runs on the sources of all packages. */
export const TYPESCRIPT = ["--conditions=@quorate/source", "--import", "tsx"] as const;

/** The path of a file of packages/examples. */
export function exampleFile(path: string): string {
  return fileURLToPath(new URL(`../../../examples/${path}`, import.meta.url));
}

/** A process, and what it has printed, line by line. */
export class LineProcess {
  readonly lines: string[] = [];
  readonly exited: Promise<number | null>;
  err = "";
  readonly #child: ChildProcess;

  constructor(args: readonly string[], command: readonly string[] = [process.execPath]) {
    // From where `--import tsx` is found, wherever the tests are run.
    const cwd = exampleFile("");
    const [file = "", ...first] = command;
    this.#child = spawn(file, [...first, ...args], { cwd, stdio: ["ignore", "pipe", "pipe"] });
    let rest = "";
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      const parts = (rest + chunk.toString()).split("\n");
      rest = parts.pop() ?? "";
      this.lines.push(...parts);
    });
    this.#child.stderr?.on("data", (chunk: Buffer) => (this.err += chunk.toString()));
    this.exited = new Promise((resolve) => this.#child.once("close", (code) => resolve(code)));
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** As `head`, when it has its lines. */
  closeOutput(): void {
    this.#child.stdout?.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGKILL");
    await this.exited;
  }
}

const UNTIL_MS = 20_000;

/** Waits for what other processes bring about. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + UNTIL_MS;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited too long for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Whether a node serves: it answers so itself. */
export async function isReady(server: string): Promise<boolean> {
  try {
    return (await fetch(`http://${server}/readyz`)).ok;
  } catch {
    // Not yet, or no more.
    return false;
  }
}

export interface TestEnsemble extends AsyncDisposable {
  readonly ensemble: ProcessEnsemble;
  readonly directory: string;
}

/** Laid out below a directory of its own, which goes with it. */
export async function layOut(options: Partial<EnsembleOptions> = {}): Promise<TestEnsemble> {
  const directory = mkdtempSync(join(tmpdir(), "quorate-e2e-"));
  const ensemble = await ProcessEnsemble.create({ command: COMMAND, directory, ...options });
  return {
    ensemble,
    directory,
    async [Symbol.asyncDispose]() {
      await ensemble[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** As {@link layOut}, started and ready. */
export async function startEnsemble(
  options: Partial<EnsembleOptions> = {},
): Promise<TestEnsemble & { readonly leader: number }> {
  const laidOut = await layOut(options);
  try {
    laidOut.ensemble.start();
    return { ...laidOut, leader: await laidOut.ensemble.untilReady() };
  } catch (error) {
    await laidOut[Symbol.asyncDispose]();
    throw error;
  }
}

/** One client for each node, and one that may use all. */
export function loadOf(ensemble: ProcessEnsemble): WriteLoad {
  const { servers } = ensemble;
  return new WriteLoad({ clients: [...servers.map((server) => [server]), servers, servers] });
}

/** Ends the load and compares what clients were told with what every node has. */
export async function verdict(load: WriteLoad, ensemble: ProcessEnsemble): Promise<string[]> {
  await load.stop();
  await ensemble.untilReady();
  const reader = createClient({ servers: ensemble.servers });
  try {
    const problems = await load.verify(reader);
    // Throws when the nodes do not come to one digest at one txnid.
    await ensemble.untilEqual();
    return problems;
  } finally {
    reader.close();
    load.close();
  }
}

/** The ids of the ensemble's other nodes. */
export function others(ensemble: ProcessEnsemble, id: number): number[] {
  return ensemble.ids.filter((other) => other !== id);
}
