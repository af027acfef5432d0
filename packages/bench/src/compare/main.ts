import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { SyncCounter } from "../load/sync-counter.js";
import { Progress } from "../progress.js";
import type { BenchEnsemble, Contender } from "./contenders/contender.js";
import { findContenders } from "./contenders/found.js";
import type { Measurement } from "./measurement.js";
import { parseSettings, type Settings } from "./options.js";
import { profileReport } from "./profile/profile-report.js";
import { costMetrics, costsTable, figuresTable } from "./report/table.js";
import { linesOf, remarksOf } from "./report/summary.js";
import type { Row } from "./rows.js";
import { runAll } from "./run.js";

/** @returns the exit code: 0; 1 when a measurement failed; 2 on wrong usage; 130 interrupted. */
export async function benchMain(
  args: readonly string[],
  command: readonly string[],
): Promise<number> {
  let settings: Settings;
  try {
    const parsed = parseSettings(args);
    if ("text" in parsed) {
      process.stdout.write(parsed.text);
      return 0;
    }
    settings = parsed;
  } catch (error) {
    return fail(error, 2);
  }
  const directory = mkdtempSync(join(tmpdir(), "quorate-bench-"));
  const abort = new AbortController();
  const interrupt = (): void => abort.abort();
  const running = new Set<BenchEnsemble>();
  const killAll = (): void => killProcesses(running);
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  process.on("exit", killAll);
  try {
    return await measureAndReport(settings, command, directory, abort.signal, running);
  } catch (error) {
    return abort.signal.aborted ? fail("interrupted", 130) : fail(error, 1);
  } finally {
    killAll();
    process.off("exit", killAll);
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", interrupt);
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measureAndReport(
  settings: Settings,
  command: readonly string[],
  directory: string,
  signal: AbortSignal,
  running: Set<BenchEnsemble>,
): Promise<number> {
  const syncs = new SyncCounter(join(directory, "syncs"));
  const { contenders, notices } = findContenders(settings.targets, command, syncs);
  for (const notice of notices) process.stderr.write(`${notice}: left out\n`);
  const progress = new Progress(process.stderr);
  const measurements: Measurement[] = [];
  const { rows, rounds, pace, voters, profile } = settings;
  await runAll(
    { contenders, rows, rounds },
    (contender, row) => ({
      contender,
      pace,
      voters,
      profileDirectory: contender.canBeProfiled
        ? profileDirectoryOf(profile, contender, row)
        : null,
      signal,
      running,
    }),
    {
      onStep: (done, total, text) => progress.show(done, total, text),
      onMeasured: (measurement) => measurements.push(measurement),
    },
    profile === null,
  );
  progress.clear();
  if (profile !== null) writeProfiles(profile, rows, measurements);
  const names = contenders.map(({ name }) => name);
  const figures = linesOf(rows, names, measurements, ({ headline }) => headline);
  const costs = linesOf(rows, names, measurements, () => costMetrics);
  const machine = { cores: availableParallelism(), node: process.version };
  if (settings.json) {
    const described = contenders.map(({ name, description }) => ({ name, description }));
    const { rows: _, ...rest } = settings;
    const all = { machine, contenders: described, settings: rest, measurements };
    process.stdout.write(`${JSON.stringify(all, null, 2)}\n`);
  } else {
    const remarks = remarksOf(measurements).map((remark) => `- ${remark}\n`);
    const tables = [figuresTable(figures, names), costsTable(costs, names), remarks.join("")];
    process.stdout.write(tables.filter((text) => text !== "").join("\n"));
  }
  return 0;
}

function profileDirectoryOf(
  profile: string | null,
  { name }: Contender,
  row: Row | null,
): string | null {
  return profile === null || row === null ? null : join(resolve(profile), `${name}-${row.id}`);
}

/** Beside the profiles: where the time went, for people. */
function writeProfiles(
  profile: string,
  rows: readonly Row[],
  measurements: readonly Measurement[],
): void {
  const sections = measurements.flatMap(({ row, contender, round, traced }) => {
    if (traced === undefined) return [];
    const of = rows.find(({ id }) => id === row)?.title ?? row;
    const title = `${of}: ${contender}, round ${round}`;
    return [profileReport(title, join(resolve(profile), `${contender}-${row}`), traced)];
  });
  const path = join(resolve(profile), "profile.md");
  writeFileSync(path, sections.join("\n"));
  process.stderr.write(`profiles: ${path}\n`);
}

/** Nothing that was started may outlive this process, however it ends. */
function killProcesses(running: ReadonlySet<BenchEnsemble>): void {
  for (const ensemble of running) {
    for (const id of [...ensemble.ids, ...ensemble.watcherIds]) killQuietly(ensemble, id);
  }
}

/** @returns false when it was never started, or has ended: either is what is wanted. */
function killQuietly(ensemble: BenchEnsemble, id: number): boolean {
  try {
    return process.kill(ensemble.pidOf(id), "SIGKILL");
  } catch {
    return false;
  }
}

function fail(error: unknown, code: number): number {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  return code;
}
