import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createClient } from "@quorate/client";
import { ProcessEnsemble } from "@quorate/testkit/processes";
import { formatDistribution } from "../distribution.js";
import { costsOf } from "../load/process-costs.js";
import type { FanOutReport } from "./fan-out-worker.js";
import { writeSteadily } from "./steady-writes.js";
import { startSubscribers } from "./subscribers.js";

const HELP = `pnpm fan-out [options]

What subscribers cost a local ensemble: writes at a steady rate, and subscribers of all of them on
every node, in a process of their own. Linux only.

  --subscribers N  repeatable (0 1 100 1000)
  --rate N         writes per second (200)
  --seconds N      of each measurement (10)
  --bytes N        of each write (200)
  --nodes N        voters (3)
  --json           print the results as JSON
`;

const PREFIX = "/fan-out";
/** Of the lags of all events; every so-many-th is kept. */
const SAMPLE_EVERY = 97;

interface FanOutResult extends FanOutReport {
  readonly subscribers: number;
  readonly writes: number;
  readonly serverCpuSeconds: number;
  readonly residentMiB: readonly number[];
}

/** @returns the exit code: 0, 1 when an event was missed, 2 on wrong usage. */
export async function fanOutMain(
  args: readonly string[],
  command: readonly string[],
): Promise<number> {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(args);
  } catch (error) {
    process.stderr.write(`fan-out: ${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const results: FanOutResult[] = [];
  for (const subscribers of values.subscribers.map(Number)) {
    results.push(await measure(subscribers, values, command));
  }
  const [none] = results;
  process.stdout.write(
    values.json ? `${JSON.stringify(results, null, 2)}\n` : linesOf(results, none),
  );
  const isWhole = results.every((one) => one.events === one.writes * one.subscribers);
  return isWhole && results.every(({ errors }) => errors.length === 0) ? 0 : 1;
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      subscribers: { type: "string", multiple: true, default: ["0", "1", "100", "1000"] },
      rate: { type: "string", default: "200" },
      seconds: { type: "string", default: "10" },
      bytes: { type: "string", default: "200" },
      nodes: { type: "string", default: "3" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  }).values;
}

async function measure(
  subscribers: number,
  values: ReturnType<typeof parse>,
  command: readonly string[],
): Promise<FanOutResult> {
  const directory = mkdtempSync(join(tmpdir(), "quorate-fan-out-"));
  try {
    await using ensemble = await ProcessEnsemble.create({
      command,
      directory,
      count: Number(values.nodes),
      config: { log: { level: "warn", format: "json" } },
    });
    ensemble.start();
    await ensemble.untilReady();
    const cpu = (): number =>
      ensemble.ids.reduce((sum, id) => sum + costsOf(ensemble.process(id).pid).cpuSeconds, 0);
    const client = createClient({ servers: ensemble.servers, timeoutMs: 30_000 });
    await client.create(PREFIX);
    const stop = await startSubscribers({
      servers: ensemble.servers,
      subscribers,
      prefix: PREFIX,
      sampleEvery: SAMPLE_EVERY,
    });
    const cpuBefore = cpu();
    const writes = await writeSteadily(client, PREFIX, {
      rate: Number(values.rate),
      seconds: Number(values.seconds),
      bytes: Number(values.bytes),
    });
    client.close();
    await ensemble.untilEqual();
    const serverCpuSeconds = cpu() - cpuBefore;
    const residentMiB = ensemble.ids.map((id) => costsOf(ensemble.process(id).pid).residentMiB);
    return { subscribers, writes, serverCpuSeconds, residentMiB, ...(await stop()) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function linesOf(results: readonly FanOutResult[], none: FanOutResult | undefined): string {
  return results
    .map((one) => {
      const extra = one.serverCpuSeconds - (none?.serverCpuSeconds ?? 0);
      const perEvent = one.events === 0 ? "-" : `${((extra * 1e6) / one.events).toFixed(1)} us`;
      return (
        `${String(one.subscribers).padStart(5)} subscribers: ${one.writes} writes, ` +
        `${one.events} events; lag ${formatDistribution(one.lagMs)}; ` +
        `servers ${one.serverCpuSeconds.toFixed(2)} s CPU, ${perEvent} more for each event; ` +
        `${one.residentMiB.join(", ")} MiB\n`
      );
    })
    .join("");
}
