// The process between `quorate elect --exec` and its command. Its standard input says until when
// the lead lasts; when that time is over, or the input ends because its parent was killed, the
// command and all that it started get SIGTERM, and SIGKILL before another node may lead.
import { spawn } from "node:child_process";
import { writeSync } from "node:fs";
import { constants } from "node:os";
import { createInterface } from "node:readline";
import type { Writable } from "node:stream";
import { signalGroup } from "./signal-group.js";

/** Another node leads 500 ms after a lease has run out at the earliest, with default timings. */
const LOST_STOP_MS = 400;
const CHECK_MS = 20;
/** The first message comes with the start. */
const FIRST_MESSAGE_MS = 1000;
/** A pipe to the parent. */
const PARENT_FD = 3;

// Whoever ends everything of this name or user means the parent too, which decides what follows.
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => undefined);

let leadEnds = process.hrtime.bigint() + BigInt(FIRST_MESSAGE_MS * 1e6);
let killAt: number | null = null;

/**
 * Waits for a word from here before it becomes the command: if this process is killed before its
 * parent knows of the command, nobody could end it, so it must never begin.
 */
const BEGIN = '(read -r word <&3) && exec 3<&- && exec /bin/sh -c "$0"';

const command = spawn("/bin/sh", ["-c", BEGIN, process.argv[2] ?? ""], {
  stdio: ["ignore", "inherit", "inherit", "pipe"],
  // A group of its own, so that all that it starts is told to end.
  detached: true,
});

let isFailureTold = false;

// The parent ends the command if this process is killed. If the parent is gone, so will the input.
const isTold = tellParent(String(command.pid ?? ""));
// None where no process could be made, which is told below.
const pipes: readonly unknown[] | undefined = command.stdio;
const word = pipes?.[3] as Writable | undefined;
// It was ended before it read.
word?.on("error", () => undefined);
word?.end(isTold ? "begin\n" : "");

/** At once: what comes later, this process may not live to say. False when it cannot be said. */
function tellParent(text: string): boolean {
  try {
    writeSync(PARENT_FD, `${text}\n`);
    return true;
  } catch (error) {
    // If the parent is gone, so will be the input. Whatever it is, the command must be guarded on.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EPIPE") process.stderr.write(`quorate: the parent is not told: ${code}\n`);
    return false;
  }
}

function signal(name: NodeJS.Signals): void {
  const failure = command.pid === undefined ? null : signalGroup(command.pid, name);
  if (failure === null || isFailureTold) return;
  isFailureTold = true;
  process.stderr.write(`quorate: the command cannot be ended: ${failure}\n`);
}

function end(withinMs: number): void {
  const at = performance.now() + withinMs;
  if (killAt === null) signal("SIGTERM");
  killAt = Math.min(killAt ?? at, at);
}

const input = createInterface({ input: process.stdin });
input.on("line", (line) => {
  const [verb, value = "0"] = line.split(" ");
  if (verb === "lead") leadEnds = BigInt(value);
  else if (verb === "stop") end(Number(value));
});
input.on("close", () => end(LOST_STOP_MS));

const checking = setInterval(() => {
  if (process.hrtime.bigint() >= leadEnds) {
    // It may have been paused, and lead yet: then it starts the command again.
    if (killAt === null) tellParent("over");
    end(LOST_STOP_MS);
  }
  if (killAt !== null && performance.now() >= killAt) signal("SIGKILL");
}, CHECK_MS);

command.once("error", (error) => {
  process.stderr.write(`quorate: ERR_ARG_VALUE: the command cannot be run: ${error.message}\n`);
  process.exit(127);
});
command.once("exit", (code, endedBy) => {
  clearInterval(checking);
  // What it started must not outlive it: nobody would end that with the lead.
  signal("SIGKILL");
  process.exit(code ?? 128 + (endedBy === null ? 0 : constants.signals[endedBy]));
});
