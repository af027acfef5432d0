import type { TraceLine } from "./engine/trace.js";
import type { RunResult } from "./run-seed.js";

/** The columns are explained in docs/testing.md. */
export const HEADER = `${"ms".padStart(11)} node ${"kind".padEnd(12)} what`;

export function formatLine({ atMs, node, kind, text }: TraceLine): string {
  const who = node === 0 ? "   -" : `  n${node}`;
  return `${atMs.toFixed(3).padStart(11)} ${who} ${kind.padEnd(12)} ${text}`;
}

export function formatResult(result: RunResult): string {
  const { seed, violation, hash, operations, leaderChanges, faultKinds, events } = result;
  const verdict = violation === null ? "no violation" : `VIOLATION ${violation.checker}`;
  return (
    `seed ${seed}: ${verdict}; ${(result.virtualMs / 1000).toFixed(0)} virtual s, ` +
    `${events} events, ${operations} operations, ${leaderChanges} leader changes, ` +
    `${faultKinds} fault kinds, trace ${hash}` +
    (violation === null ? "" : `\n${violation.text}`)
  );
}

export function replayCommand(seed: number): string {
  return `pnpm sim --seed ${seed}`;
}
