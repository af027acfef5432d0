#!/usr/bin/env node
import { processIo } from "./io.js";
import { run } from "./run.js";

const io = processIo();
const code = await run(process.argv.slice(2), io, async () => {
  const { productionParts } = await import("@quorate/node");
  return productionParts;
});
// What was printed leaves first: standard output may be a pipe.
process.exitCode = code;
