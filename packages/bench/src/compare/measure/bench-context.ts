import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BenchEnsemble, Contender, EnsembleWish } from "../contenders/contender.js";
import type { Pace } from "../measurement.js";
import { runErrand, type ErrandOptions } from "./errand-process.js";
import type { Errand, ErrandName, Errands } from "./errands.js";

/** Of an errand beside what it measures: to start, connect, prepare and drain. */
const OVERHEAD_MS = 90_000;

/** What every measurement needs of the run that it is part of. */
export interface BenchContext {
  readonly contender: Contender;
  readonly pace: Pace;
  /** Voters, where a row does not say. */
  readonly voters: number;
  readonly profileDirectory: string | null;
  readonly signal: AbortSignal;
  /** Ensembles whose processes must not outlive this one. */
  readonly running: Set<BenchEnsemble>;
}

/** Uses an ensemble that is not started, and leaves nothing of it. */
export async function withEnsemble<T>(
  context: BenchContext,
  wish: Pick<EnsembleWish, "voters" | "watchers">,
  use: (ensemble: BenchEnsemble) => Promise<T>,
): Promise<T> {
  const { contender, running, profileDirectory } = context;
  const directory = mkdtempSync(join(tmpdir(), "quorate-bench-"));
  try {
    const ensemble = await contender.open({ ...wish, directory, profileDirectory });
    running.add(ensemble);
    try {
      return await use(ensemble);
    } catch (error) {
      if (context.signal.aborted) throw error;
      const text = error instanceof Error ? error.message : String(error);
      throw new Error(`${text}\n${ensemble.logs()}`, { cause: error });
    } finally {
      await ensemble[Symbol.asyncDispose]();
      running.delete(ensemble);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export function errand<N extends ErrandName>(
  context: BenchContext,
  name: N,
  order: Errands[N]["order"],
  options: { readonly workMs?: number; readonly onNotice?: ErrandOptions["onNotice"] } = {},
): Promise<Errands[N]["result"]> {
  const { workMs = 0, onNotice } = options;
  const { protocol } = context.contender;
  return runErrand<N>({ name, protocol, order } as unknown as Extract<Errand, { name: N }>, {
    timeoutMs: workMs + OVERHEAD_MS,
    signal: context.signal,
    ...(onNotice === undefined ? {} : { onNotice }),
  });
}

export function serversOf(ensemble: BenchEnsemble, ids: readonly number[]): string[] {
  return ids.map((id) => ensemble.serverOf(id));
}
