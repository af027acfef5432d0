import { spawn, type ChildProcess } from "node:child_process";

/** Bytes of a process's log that are kept, from its end. */
const LOG_CHARS_MAX = 64 * 1024;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A `quorate server` as a process of its own. */
export class ServerProcess {
  readonly pid: number;
  readonly ended: Promise<Exit>;
  readonly startedAt = performance.now();
  exit: Exit | null = null;
  #log = "";
  readonly #child: ChildProcess;

  constructor(command: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    const [file = "", ...args] = command;
    this.#child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"], env });
    this.pid = this.#child.pid ?? -1;
    const keep = (chunk: Buffer): void => {
      this.#log = (this.#log + chunk.toString()).slice(-LOG_CHARS_MAX);
    };
    this.#child.stdout?.on("data", keep);
    this.#child.stderr?.on("data", keep);
    this.ended = new Promise((resolve, reject) => {
      this.#child.once("error", reject);
      this.#child.once("close", (code, signal) => {
        this.exit = { code, signal };
        resolve(this.exit);
      });
    });
  }

  /** The end of what it logged. */
  get log(): string {
    return this.#log;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}
