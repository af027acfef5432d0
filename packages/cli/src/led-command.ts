import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Io } from "./io.js";
import { signalGroup } from "./signal-group.js";

/** Between two messages to the guard of how long the lead lasts. */
const TELL_MS = 100;
/** At an orderly end this node leads on until its command has ended, for so long at most. */
const LEAVE_STOP_MS = 5000;

const GUARD = fileURLToPath(new URL("led-guard.js", import.meta.url));

/**
 * A command line that runs while this node leads, with all that it starts. It is the child of a
 * guard, a process of its own: that ends it in time also when this process is killed or paused.
 * When the guard is killed, this process ends the command.
 */
export class LedCommand {
  /** How it ended; never rejects. */
  readonly ended: Promise<string>;
  readonly #guard: ChildProcess;
  readonly #leadsForMs: () => number;
  readonly #telling: NodeJS.Timeout;
  /** What the guard has told: the command's process group, and that the lead was over. */
  #told = "";

  constructor(commandLine: string, env: Io["env"], leadsForMs: () => number) {
    this.#leadsForMs = leadsForMs;
    this.#guard = spawn(process.execPath, [GUARD, commandLine], {
      stdio: ["pipe", "inherit", "inherit", "pipe"],
      env,
      // Ctrl-Z, and signals to the process group of this process, must not reach the guard.
      detached: true,
    });
    this.#guard.stdio[3]?.on("data", (told: Buffer) => (this.#told += told.toString()));
    // The guard may end between two messages; how it ended is told below.
    this.#guard.stdin?.on("error", () => undefined);
    this.#tellLead();
    this.#telling = setInterval(() => this.#tellLead(), TELL_MS);
    this.ended = new Promise((resolve) => {
      this.#guard.once("error", (error) => resolve(`before it began: ${error.message}`));
      // After all that it has told.
      this.#guard.once("close", (code, signal) => {
        clearInterval(this.#telling);
        resolve(code === null ? this.#guardKilled(signal) : `with code ${code}`);
      });
    });
  }

  /** Whether the guard ended it: as far as it had been told, the lead was over. */
  get isOverdue(): boolean {
    return this.#told.includes("over");
  }

  /** The lead is lost: the guard ends the command before another node may lead. */
  endWithLead(): void {
    clearInterval(this.#telling);
    this.#guard.stdin?.write("lead 0\n");
  }

  /** SIGTERM, and SIGKILL when it takes its time, while this node still leads. */
  async stop(): Promise<void> {
    this.#guard.stdin?.write(`stop ${LEAVE_STOP_MS}\n`);
    await this.ended;
  }

  #guardKilled(signal: NodeJS.Signals | null): string {
    const group = Number.parseInt(this.#told, 10);
    const failure = Number.isNaN(group) ? null : signalGroup(group, "SIGKILL");
    return `by ${signal ?? "a signal"}${failure === null ? "" : `, and not wholly: ${failure}`}`;
  }

  /** Until when, on the monotonic clock that all processes of a machine share. */
  #tellLead(): void {
    // The time first: a pause between the two lines must not lengthen the lead.
    const now = process.hrtime.bigint();
    const nanoseconds = BigInt(Math.floor(this.#leadsForMs() * 1e6));
    this.#guard.stdin?.write(`lead ${now + nanoseconds}\n`);
  }
}
