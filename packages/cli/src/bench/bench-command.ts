import { randomBytes } from "node:crypto";
import {
  checkOrder,
  claimRoot,
  cleanUp,
  prepare,
  runLoad,
  runZkLoad,
  type KeyChoice,
  type LoadOrder,
  type LoadReport,
  type RunHooks,
  type Workload,
} from "@quorate/load";
import { QuorateError } from "@quorate/protocol";
import { printJson } from "../client-commands.js";
import { ExitCode } from "../exit-codes.js";
import type { Io } from "../io.js";
import { usageError } from "../report.js";
import { BenchDisplay, benchText } from "./bench-display.js";
import { NativeConnection } from "./native-connection.js";

export interface BenchArgs {
  readonly server: readonly string[];
  /** Until a server is found. */
  readonly timeout: number;
  readonly json: boolean;
  readonly workload: Workload;
  readonly protocol: "zookeeper" | "native";
  readonly connections: number;
  readonly outstanding: number;
  readonly rate: number | undefined;
  readonly bytes: number;
  readonly keys: number;
  readonly keyChoice: KeyChoice;
  readonly seconds: number;
  readonly warmUp: number;
  readonly root: string | undefined;
}

const SECONDS_MAX = 3_600;
const RATE_MAX = 1_000_000;

/** `quorate bench`: asks a running ensemble as told, and tells how it did. */
export async function benchCommand(args: BenchArgs, io: Io): Promise<ExitCode> {
  const order = orderOf(args);
  const tree = { ...order, openMs: args.timeout };
  const display = new BenchDisplay(io, args.json);
  const abort = new AbortController();
  const { signal } = abort;
  const stopListening = io.onStopSignal(() => abort.abort());
  let report: LoadReport | null = null;
  try {
    await claimRoot(tree);
    try {
      const onProgress = (done: number, total: number): void =>
        display.show("making nodes", done / total, done, null);
      await prepare(tree, { signal, onProgress });
      if (!signal.aborted) report = await measure(args, order, signal, display);
    } finally {
      display.show("removing nodes", 0, order.keys, null);
      await cleanUp(tree);
    }
  } finally {
    display.end();
    stopListening();
  }
  if (report === null) return ExitCode.done;
  if (report.done === 0 && !signal.aborted) {
    const details = { errors: report.errors };
    throw new QuorateError("ERR_CLIENT_UNREACHABLE", "no request was carried out", { details });
  }
  if (args.json) printJson(io, { order, report });
  else io.out(benchText(order, report));
  return ExitCode.done;
}

function measure(
  { protocol, timeout: openMs }: BenchArgs,
  order: LoadOrder,
  signal: AbortSignal,
  display: BenchDisplay,
): Promise<LoadReport> {
  const totalMs = order.warmUpMs + order.measureMs;
  let before = { answered: 0, elapsedMs: 0 };
  const hooks: RunHooks = {
    signal,
    openMs,
    onProgress: (answered, elapsedMs) => {
      const phase = elapsedMs < order.warmUpMs ? "warming up" : "measuring";
      const perMs = (answered - before.answered) / Math.max(1, elapsedMs - before.elapsedMs);
      before = { answered, elapsedMs };
      display.show(phase, elapsedMs / totalMs, answered, perMs * 1000);
    },
  };
  if (protocol === "zookeeper") return runZkLoad(order, hooks);
  return runLoad(order, (index, sink) => new NativeConnection({ ...order, index }, sink), hooks);
}

function orderOf(args: BenchArgs): LoadOrder {
  const check = (name: string, value: number, min: number, max: number): number => {
    if (value >= min && value <= max) return value;
    throw usageError(`--${name}: from ${min} to ${max}, not ${value}`);
  };
  const order: LoadOrder = {
    servers: args.server,
    connections: args.connections,
    outstanding: args.outstanding,
    workload: args.workload,
    valueBytes: args.bytes,
    keys: args.keys,
    keyChoice: args.keyChoice,
    ratePerSecond: args.rate === undefined ? null : check("rate", args.rate, 1, RATE_MAX),
    requests: null,
    warmUpMs: check("warm-up", args.warmUp, 0, SECONDS_MAX) * 1000,
    measureMs: check("seconds", args.seconds, 1, SECONDS_MAX) * 1000,
    seed: 1,
    root: args.root ?? `/quorate-bench-${randomBytes(4).toString("hex")}`,
  };
  checkOrder(order);
  return order;
}
