import { createClient, type QuorateClient } from "@quorate/client";
import { parseTxnid } from "@quorate/protocol";
import { ProcessEnsemble } from "@quorate/testkit/processes";
import { distributionOf, formatDistribution, type Distribution } from "../distribution.js";
import { makePaths, pathOf } from "../load/paths.js";
import { costsOf } from "../load/process-costs.js";

export interface BehindOptions {
  readonly command: readonly string[];
  /** Everything is written below it. */
  readonly directory: string;
  readonly voters: number;
  /** Writes before the watcher is started. */
  readonly behind: number;
  /** Each write creates a node, which is then in the snapshot; else 1000 nodes are set in turn. */
  readonly creates: boolean;
  /** The log grows by about this much between two checkpoints; null: as a node has it by itself. */
  readonly checkpointMiB: number | null;
  readonly connections: number;
  readonly outstanding: number;
  readonly bytes: number;
  /** Writes per second to the leader, before the watcher starts and while it catches up. */
  readonly rate: number;
  /** For how long before it starts. */
  readonly seconds: number;
}

/** What it took a new watcher to come to where the others were. */
export interface BehindRun {
  readonly behind: number;
  readonly writeSeconds: number;
  /** What the leader sent, in order: `snapshot`, `diff`. */
  readonly plans: readonly string[];
  /** From its start as a process until it was ready. */
  readonly servesMs: number;
  /** From there on until it had all that was committed when it started. */
  readonly caughtUpMs: number;
  readonly residentMaxMiB: {
    readonly watcher: number;
    /** The voters after the load, and after the watcher has caught up. */
    readonly follower: number;
    readonly leaderBefore: number;
    readonly leaderAfter: number;
  };
  /** Of the writes at the steady rate, asked of the leader. */
  readonly latencyMs: { readonly before: Distribution; readonly meanwhile: Distribution };
}

/** For the watcher to catch up. */
const CATCH_UP_MS_MAX = 300_000;

/** @throws (rejects) when a write fails, or the watcher does not come to the others' state. */
export async function measureBehind(options: BehindOptions): Promise<BehindRun> {
  const { checkpointMiB } = options;
  await using ensemble = await ProcessEnsemble.create({
    command: options.command,
    directory: options.directory,
    count: options.voters,
    watchers: 1,
    config: {
      log: { level: "info", format: "json" },
      ...(checkpointMiB === null ? {} : { checkpointBytes: checkpointMiB * 1024 * 1024 }),
    },
  });
  ensemble.start();
  const leader = await ensemble.untilReady();
  const client = createClient({ servers: [ensemble.serverOf(leader)], timeoutMs: 30_000 });
  try {
    await makePaths(client);
    const first = (await ensemble.untilEqual()).lastCommitted;
    const from = performance.now();
    await writeMany(ensemble, options);
    const writeSeconds = (performance.now() - from) / 1000;
    const last = (await ensemble.untilEqual()).lastCommitted;
    // One epoch, so the difference of txnids is the number of entries.
    const entries = parseTxnid(last) - parseTxnid(first);
    if (entries !== BigInt(options.behind)) throw new Error(`${entries} entries were written`);
    const run = await measureCatchUp(ensemble, client, leader, options);
    if ((await ensemble.untilReady()) !== leader) {
      throw new Error("the leader changed: the figures mix two of them");
    }
    return { behind: options.behind, writeSeconds, ...run };
  } finally {
    client.close();
  }
}

/** Exactly so many, all acknowledged, through all voters. */
async function writeMany(
  ensemble: ProcessEnsemble,
  { behind, creates, connections, outstanding, bytes }: BehindOptions,
): Promise<void> {
  const servers = ensemble.ids.map((id) => ensemble.serverOf(id));
  const clients = Array.from({ length: connections }, (_, i) =>
    createClient({ servers: [servers[i % servers.length] ?? ""], timeoutMs: 30_000 }),
  );
  const data = new Uint8Array(bytes).fill(120);
  let next = 0;
  const worker = async (client: QuorateClient): Promise<void> => {
    while (next < behind) {
      next += 1;
      if (creates) await client.create(`${pathOf(next)}/${next}`, data);
      else await client.set(pathOf(next), data);
    }
  };
  try {
    await Promise.all(
      clients.flatMap((client) => Array.from({ length: outstanding }, () => worker(client))),
    );
  } finally {
    for (const client of clients) client.close();
  }
}

async function measureCatchUp(
  ensemble: ProcessEnsemble,
  client: QuorateClient,
  leader: number,
  options: BehindOptions,
): Promise<Omit<BehindRun, "behind" | "writeSeconds">> {
  const [watcher = 0] = ensemble.watcherIds;
  const [follower = 0] = ensemble.ids.filter((id) => id !== leader);
  const peakOf = (id: number): number => costsOf(ensemble.process(id).pid).residentMaxMiB;
  const quiet = probe(client, options);
  await new Promise((resolve) => setTimeout(resolve, options.seconds * 1000));
  const before = await quiet.stop();

  const leaderBefore = peakOf(leader);
  const target = (await ensemble.status(leader))?.lastCommitted ?? "";
  const busy = probe(client, options);
  const from = performance.now();
  ensemble.start(watcher);
  const bound = { ids: [watcher], ms: CATCH_UP_MS_MAX };
  await ensemble.until("the watcher ready", ([seen]) => seen?.ready === true, bound);
  const servesMs = performance.now() - from;
  await ensemble.until(
    "the watcher to have caught up",
    ([seen]) => parseTxnid(seen?.lastCommitted ?? "e0:0") >= parseTxnid(target),
    bound,
  );
  const caughtUpMs = performance.now() - from - servesMs;
  const meanwhile = await busy.stop();
  await ensemble.untilEqual([...ensemble.ids, watcher]);
  return {
    plans: plansOf(ensemble.process(leader).log, watcher),
    servesMs,
    caughtUpMs,
    residentMaxMiB: {
      watcher: peakOf(watcher),
      follower: peakOf(follower),
      leaderBefore,
      leaderAfter: peakOf(leader),
    },
    latencyMs: { before, meanwhile },
  };
}

/** Writes at a rate, whether or not the answers come in time, and times each. */
function probe(
  client: QuorateClient,
  { rate, bytes }: BehindOptions,
): { stop(): Promise<Distribution> } {
  const data = new Uint8Array(bytes).fill(120);
  const latencies: number[] = [];
  const open: Promise<void>[] = [];
  const write = async (): Promise<void> => {
    const from = performance.now();
    await client.set(pathOf(0), data);
    latencies.push(performance.now() - from);
  };
  const timer = setInterval(() => void open.push(write()), 1000 / rate);
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(open);
      return distributionOf(latencies);
    },
  };
}

/** What a leader's log says that it sent to a peer. */
export function plansOf(log: string, peer: number): string[] {
  return log.split("\n").flatMap((line) => {
    if (!line.includes("synchronising a peer")) return [];
    const entry = JSON.parse(line) as { readonly peer?: number; readonly plan?: string };
    return entry.peer === peer && entry.plan !== undefined ? [entry.plan] : [];
  });
}

/** For people. */
export function behindText(run: BehindRun): string {
  const { residentMaxMiB: mib, latencyMs } = run;
  const rate = Math.round(run.behind / run.writeSeconds);
  return [
    `behind by          ${run.behind} entries, written at ${rate}/s`,
    `sent               ${run.plans.join(", ")}`,
    `serves after       ${Math.round(run.servesMs)} ms`,
    `caught up after    ${Math.round(run.caughtUpMs)} ms more`,
    `its peak           ${mib.watcher} MiB (a follower's ${mib.follower})`,
    `the leader's peak  ${mib.leaderBefore} MiB before, ${mib.leaderAfter} after`,
    `writes before      ${formatDistribution(latencyMs.before)}`,
    `writes meanwhile   ${formatDistribution(latencyMs.meanwhile)}`,
    ...behindProblems(run),
    "",
  ].join("\n");
}

/** Memory that is bounded does not depend on how far behind a watcher is. */
export function behindProblems({ residentMaxMiB: mib }: BehindRun): string[] {
  const [watcherMax, leaderMax] = [2 * mib.follower, 2 * mib.leaderBefore];
  return [
    ...(mib.watcher > watcherMax ? [`the watcher took more than ${watcherMax} MiB`] : []),
    ...(mib.leaderAfter > leaderMax ? [`the leader took more than ${leaderMax} MiB`] : []),
  ];
}
