import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@quorate/client";
import {
  ProcessEnsemble,
  StreamFollower,
  verifyStreams,
  WriteLoad,
} from "@quorate/testkit/processes";
import { distributionOf, type Distribution } from "../distribution.js";
import { seededRandom } from "@quorate/load";
import { faultOf, runRound, type Fault } from "./rounds.js";
import { coldStart, gapAfterCut, gapAfterStop, gapAtRestart } from "./samples.js";

export interface ChaosOptions {
  /** How to run the command: executable and leading arguments. */
  readonly command: readonly string[];
  readonly rounds: number;
  /** Acknowledged writes of a round, at least. */
  readonly writes: number;
  /** Of each measurement besides the rounds. */
  readonly samples: number;
  readonly nodes: number;
  /** Followers of the committed entries, through all rounds of kills. */
  readonly subscribers: number;
  readonly seed: number;
  onProgress(done: number, total: number, text: string): void;
}

export interface ChaosResult {
  readonly seed: number;
  readonly rounds: number;
  readonly faults: Readonly<Record<Fault, number>>;
  readonly acknowledged: number;
  readonly unknown: number;
  readonly refused: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly subscribers: number;
  /** What each of them heard. */
  readonly events: number;
  /**
   * Acknowledged writes that are gone, writes that were refused and are there, and whatever a
   * subscriber missed, heard twice or out of order.
   */
  readonly problems: readonly string[];
  /** Equal on all nodes, at this txnid. */
  readonly digest: string;
  readonly digestAt: string;
  /** The longest time without any acknowledged write. */
  readonly gapMs: {
    readonly leaderKilled: Distribution;
    readonly otherKills: Distribution;
    readonly leaderStopped: Distribution;
    readonly leaderCutOff: Distribution;
    readonly plannedRestart: Distribution;
  };
  readonly coldStartMs: Distribution;
  readonly seconds: number;
}

/** @throws (rejects) when anything hangs or the nodes do not come to one digest. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const from = performance.now();
  const directory = mkdtempSync(join(tmpdir(), "quorate-chaos-"));
  const total = options.rounds + 4 * options.samples;
  let done = 0;
  const step = (text: string): void => options.onProgress((done += 1), total, text);
  try {
    const killed = await killRounds(options, join(directory, "rounds"), step);
    const silent = await silentFaults(options, join(directory, "silent"), step);
    const cold: number[] = [];
    for (let i = 0; i < options.samples; i += 1) {
      cold.push(await coldStart(options.command, directory));
      step("cold start");
    }
    return {
      seed: options.seed,
      rounds: options.rounds,
      ...killed,
      problems: [...killed.problems, ...silent.problems],
      gapMs: { ...killed.gapMs, ...silent.gapMs },
      coldStartMs: distributionOf(cold),
      seconds: Math.round((performance.now() - from) / 1000),
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function killRounds(
  options: ChaosOptions,
  directory: string,
  step: (text: string) => void,
): Promise<KillResult> {
  const random = seededRandom(options.seed);
  const { command, nodes, writes } = options;
  await using ensemble = await ProcessEnsemble.create({ command, directory, count: nodes });
  ensemble.start();
  await ensemble.untilReady();
  const load = loadOf(ensemble);
  const reader = createClient({ servers: ensemble.servers });
  // The first one follows everything; some of the others a part.
  const followers = Array.from(
    { length: options.subscribers },
    (_, i) => new StreamFollower(ensemble.servers, i % 4 === 3 ? `/r${i}-0` : "/"),
  );
  const gaps: { fault: Fault; gapMs: number }[] = [];
  const problems: string[] = [];
  const restarts: number[] = [];
  try {
    for (let round = 1; round <= options.rounds; round += 1) {
      const fault = faultOf(round, random);
      const result = await runRound(ensemble, load, reader, { round, fault, writes, random });
      gaps.push(result);
      problems.push(...result.problems);
      step(`killed ${fault}, gap ${result.gapMs.toFixed(0)} ms, ${load.acknowledgedCount} writes`);
    }
    await load.start("restarts");
    for (let i = 0; i < options.samples; i += 1) {
      restarts.push(await gapAtRestart(ensemble, load));
      step(`planned restart, gap ${restarts.at(-1)?.toFixed(0) ?? ""} ms`);
    }
    await load.stop();
    problems.push(...(await load.verify(reader)));
    const { digest, digestAt } = await ensemble.untilEqual();
    problems.push(...(await verifyStreams(followers, load.parents)));
    return {
      subscribers: followers.length,
      events: followers[0]?.txnids.length ?? 0,
      ...summaryOf(load, gaps, restarts),
      problems: [...new Set(problems)],
      digest,
      digestAt,
    };
  } catch (error) {
    throw new Error(`seed ${options.seed}: ${String(error)}\n${ensemble.logs()}`, { cause: error });
  } finally {
    for (const follower of followers) follower.close();
    reader.close();
    load.close();
  }
}

type KillResult = Omit<ChaosResult, "seed" | "rounds" | "gapMs" | "coldStartMs" | "seconds"> & {
  readonly gapMs: Pick<ChaosResult["gapMs"], "leaderKilled" | "otherKills" | "plannedRestart">;
};

function summaryOf(
  load: WriteLoad,
  gaps: readonly { fault: Fault; gapMs: number }[],
  restarts: readonly number[],
): Pick<KillResult, "faults" | "acknowledged" | "unknown" | "refused" | "errors" | "gapMs"> {
  const faults: Record<Fault, number> = { leader: 0, node: 0, majority: 0, all: 0 };
  for (const { fault } of gaps) faults[fault] += 1;
  const of = (isLeader: boolean): Distribution =>
    distributionOf(
      gaps.filter(({ fault }) => (fault === "leader") === isLeader).map(({ gapMs }) => gapMs),
    );
  return {
    faults,
    acknowledged: load.acknowledgedCount,
    unknown: load.parents.reduce((sum, { unknownCount }) => sum + unknownCount, 0),
    refused: load.parents.reduce((sum, { refused }) => sum + refused.size, 0),
    errors: Object.fromEntries(load.errors),
    gapMs: {
      leaderKilled: of(true),
      otherKills: of(false),
      plannedRestart: distributionOf(restarts),
    },
  };
}

/** Faults without a reset, on an ensemble whose network can fall silent. */
async function silentFaults(
  options: ChaosOptions,
  directory: string,
  step: (text: string) => void,
): Promise<{
  problems: string[];
  gapMs: Pick<ChaosResult["gapMs"], "leaderStopped" | "leaderCutOff">;
}> {
  const { command, nodes: count } = options;
  await using ensemble = await ProcessEnsemble.create({
    command,
    directory,
    count,
    isProxied: true,
  });
  ensemble.start();
  await ensemble.untilReady();
  const load = loadOf(ensemble);
  const reader = createClient({ servers: ensemble.servers });
  const stopped: number[] = [];
  const cut: number[] = [];
  try {
    await load.start("silent");
    for (let i = 0; i < options.samples; i += 1) {
      stopped.push(await gapAfterStop(ensemble, load));
      step(`leader stopped, gap ${stopped.at(-1)?.toFixed(0) ?? ""} ms`);
      cut.push(await gapAfterCut(ensemble, load));
      step(`leader cut off, gap ${cut.at(-1)?.toFixed(0) ?? ""} ms`);
    }
    await load.stop();
    const problems = await load.verify(reader);
    await ensemble.untilEqual();
    const gapMs = { leaderStopped: distributionOf(stopped), leaderCutOff: distributionOf(cut) };
    return { problems, gapMs };
  } catch (error) {
    throw new Error(`${String(error)}\n${ensemble.logs()}`, { cause: error });
  } finally {
    reader.close();
    load.close();
  }
}

/** For each node a client that knows only it, and as many that know all. */
function loadOf(ensemble: ProcessEnsemble): WriteLoad {
  const { servers } = ensemble;
  const clients = [...servers.map((server) => [server]), ...servers.map(() => servers)];
  return new WriteLoad({ clients, outstanding: 2 });
}
