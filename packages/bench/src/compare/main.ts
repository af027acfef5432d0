import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { SyncCounter } from "../load/sync-counter.js";
import { Progress } from "../progress.js";
import type { BenchEnsemble, Contender } from "./contenders/contender.js";
import { findContenders } from "./contenders/found.js";
import type { Measurement } from "./measurement.js";
import { parseSettings, type Settings } from "./options.js";
import { profileReport } from "./profile/profile-report.js";
import { publicationOf, tablesOf, type BenchReport, type Publication } from "./report/document.js";
import type { Row } from "./rows.js";
import { combined, parseReport, printReport } from "./report/report-file.js";
import { runAll } from "./run.js";

interface Surroundings {
  readonly directory: string;
  readonly signal: AbortSignal;
  readonly running: Set<BenchEnsemble>;
}

/** @returns the exit code: 0; 1 when a measurement failed; 2 on wrong usage; 130 interrupted. */
export async function benchMain(
  args: readonly string[],
  command: readonly string[],
  publish: (publication: Publication) => void,
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
    const surroundings = { directory, signal: abort.signal, running };
    return await measureAndReport(settings, command, publish, surroundings);
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
  publish: (publication: Publication) => void,
  surroundings: Surroundings,
): Promise<number> {
  const report =
    settings.from.length === 0
      ? await measureAll(settings, command, surroundings)
      : combined(settings.from.map((file) => parseReport(readFileSync(file, "utf8"))));
  if (settings.write) publish(publicationOf(report));
  process.stdout.write(settings.json ? printReport(report) : tablesOf(report));
  return 0;
}

async function measureAll(
  { targets, rows, rounds, pace, voters, profile }: Settings,
  command: readonly string[],
  { directory, signal, running }: Surroundings,
): Promise<BenchReport> {
  const syncs = new SyncCounter(join(directory, "syncs"));
  const { contenders, notices } = findContenders(targets, command, syncs);
  for (const notice of notices) process.stderr.write(`${notice}: left out\n`);
  const progress = new Progress(process.stderr);
  const measurements: Measurement[] = [];
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
  return {
    machine: { cores: availableParallelism(), node: process.version },
    contenders: contenders.map(({ name, description }) => ({ name, description })),
    rows,
    rounds,
    seconds: pace.measureMs / 1000,
    measurements,
  };
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
