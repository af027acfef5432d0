import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));

/** Preloading needs the dynamic linker of Linux; the compiler is a stated prerequisite. */
export const canShim = process.platform === "linux";

/** Every byte and every pair instead of some of each; docs/testing.md says how long that takes. */
export const isLong = process.env["QUORATE_CRASH_LONG"] === "1";

export function makeTempDirectory(): string {
  return mkdtempSync(join(tmpdir(), "quorate-crash-"));
}

/** For files that are read and thrown away: in memory where the system has such a place. */
export function makeScratchDirectory(): string {
  const root = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  return mkdtempSync(join(root, "quorate-crash-"));
}

/** Compiles the shim into `directory`. */
export function compileShim(directory: string): string {
  const library = join(directory, "sync-shim.so");
  const compiler = process.env["CXX"] ?? "c++";
  const source = join(here, "sync-shim.cc");
  execFileSync(compiler, ["-shared", "-fPIC", "-O1", "-o", library, source, "-ldl", "-lpthread"]);
  return library;
}

export interface Run {
  readonly child: ChildProcess;
  readonly directory: string;
  readonly images: string;
  readonly journal: string;
  readonly control: string;
  /** Resolves when the process has noted `count` lines that begin so. */
  noted(start: string, count: number): Promise<void>;
  /** The exit code, or the signal. */
  readonly ended: Promise<number | string>;
}

export type WorkloadKind =
  | "commits"
  | "mixed"
  | "forever"
  | "reopened"
  | "checkpoints"
  | "halves"
  | "installs"
  | "reads"
  | "closed";

export function runWorkload(
  library: string,
  base: string,
  kind: WorkloadKind,
  withImages: boolean,
): Run {
  return runUnderShim(library, base, { script: "workload.ts", kind, withImages });
}

interface ShimmedScript {
  /** Beside this file. It is given the store's directory, the journal and the kind. */
  readonly script: string;
  readonly kind?: string;
  readonly withImages: boolean;
}

export function runUnderShim(
  library: string,
  base: string,
  { script, kind = "", withImages }: ShimmedScript,
): Run {
  const directory = join(base, "store");
  const images = join(base, "images");
  const journal = join(base, "journal");
  const control = join(base, "control");
  const child = spawn(process.execPath, scriptArguments(script, directory, journal, kind), {
    stdio: ["pipe", "pipe", "inherit"],
    env: {
      ...process.env,
      LD_PRELOAD: library,
      SYNC_SHIM_DIR: directory,
      SYNC_SHIM_LOG: journal,
      SYNC_SHIM_CONTROL: control,
      ...(withImages ? { SYNC_SHIM_IMAGES: images } : {}),
    },
  });
  const seen: string[] = [];
  const waiting = new Set<() => void>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    seen.push(line);
    for (const check of waiting) check();
  });
  const noted = (start: string, count: number): Promise<void> =>
    new Promise((resolve) => {
      const check = (): void => {
        if (seen.filter((line) => line.startsWith(start)).length < count) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      check();
    });
  const ended = new Promise<number | string>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => resolve(code ?? signal ?? "unknown"));
  });
  return { child, directory, images, journal, control, noted, ended };
}

/** What Node is given to run a script beside this file from its source. */
export function scriptArguments(script: string, ...args: readonly string[]): string[] {
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  return ["--conditions=@quorate/source", "--import", tsx, join(here, script), ...args];
}

export function linesOf(path: string): string[] {
  return readFileSync(path, "utf8").split("\n").slice(0, -1);
}
