import type { Readable, Writable } from "node:stream";
import { ExitCode } from "./exit-codes.js";

/** Everything that a command touches of its process, so that tests can stand in for it. */
export interface Io {
  readonly stdin: Readable;
  out(text: string | Uint8Array): void;
  err(text: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Columns are aligned and coloured for people only. */
  readonly isTerminal: boolean;
  /** Where somebody types and sees what he types; null when either end is none. */
  readonly terminal: { readonly input: Readable; readonly output: Writable } | null;
  /** Calls back at the first SIGINT, SIGTERM or SIGHUP; returns how to stop listening. */
  onStopSignal(callback: () => void): () => void;
  /** How to start this program again: executable and leading arguments. */
  readonly self: readonly [string, ...string[]];
}

/** SIGHUP: the terminal is gone. */
const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export function processIo(): Io {
  const stopping = new Set<() => void>();
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // Whoever read our output has enough, as `head` has after its lines: then so have we.
    // A command that others depend on ends in order, as by Ctrl-C.
    if (error.code !== "EPIPE") throw error;
    if (stopping.size === 0) process.exit(ExitCode.done);
    for (const stop of stopping) stop();
  });
  // Nobody reads what goes wrong either; then it goes wrong in silence.
  process.stderr.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
  return {
    stdin: process.stdin,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    env: process.env,
    isTerminal: process.stdout.isTTY === true,
    terminal:
      process.stdin.isTTY === true && process.stdout.isTTY === true
        ? { input: process.stdin, output: process.stdout }
        : null,
    onStopSignal(callback) {
      let isTold = false;
      // The listener stays: a second signal must not end the process while it drains.
      const listener = (): void => {
        if (isTold) return;
        isTold = true;
        callback();
      };
      for (const signal of STOP_SIGNALS) process.on(signal, listener);
      stopping.add(listener);
      return () => {
        stopping.delete(listener);
        for (const signal of STOP_SIGNALS) process.off(signal, listener);
      };
    },
    self: [process.execPath, ...process.execArgv, process.argv[1] ?? "quorate"],
  };
}
