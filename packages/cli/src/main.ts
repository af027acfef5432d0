#!/usr/bin/env node
import { processIo } from "./io.js";
import { run } from "./run.js";

/** A command that is done has this long to end. */
const LEAVE_MS_MAX = 1000;

const io = processIo();
const code = await run(process.argv.slice(2), io, async () => {
  const { productionParts } = await import("@quorate/node");
  return productionParts;
});
// What was printed leaves first: standard output may be a pipe.
process.exitCode = code;
// No process.exit: it waits for the threads of the store, and one may hang in the disk for ever. As
// long as one does, this timer runs, too; else the process has ended before.
setTimeout(() => {
  const what = "a thread does not end, perhaps in the disk; killing this process";
  io.err(`quorate: ${what} instead of code ${code}\n`);
  process.kill(process.pid, "SIGKILL");
}, LEAVE_MS_MAX).unref();
