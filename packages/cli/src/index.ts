/**
 * The `quorate` command (L4). `main.ts` is its entry.
 * @packageDocumentation
 */
export { ExitCode, exitCodeOf } from "./exit-codes.js";
export type { Io } from "./io.js";
export { run } from "./run.js";
