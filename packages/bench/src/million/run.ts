import { setTimeout as pause } from "node:timers/promises";
import { ZkOp } from "@quorate/zookeeper";
import { PlainClient } from "../differential/plain-client.js";
import { costsOf } from "../load/process-costs.js";
import { PipelinedClient } from "./pipelined-client.js";
import { latencyOf, setSteadily, type SteadyLatency, type SteadyOptions } from "./steady.js";
import { createTarget, type Target, type TargetName, type TargetOptions } from "./target.js";
import { makeTree, MARKER, setMany, type TreeShape } from "./tree.js";

export interface MillionOptions extends SteadyOptions, Omit<TargetOptions, "snapCount"> {
  /** How often each restart is measured. */
  readonly restarts: number;
  readonly onPhase: (text: string) => void;
}

/** From the start of processes until what is asked for, and the CPU time of one by then. */
export interface Start {
  readonly ms: number;
  readonly cpuSeconds: number;
}

export interface MillionRun {
  readonly loadSeconds: number;
  /** Of each server, some time after the tree was made. */
  readonly residentMiB: readonly number[];
  /** Per node, of each server. Null where nobody tells. */
  readonly liveBytesPerNode: readonly number[] | null;
  readonly steady: SteadyLatency;
  /** At the end of that. */
  readonly residentAfterMiB: readonly number[];
  readonly residentMaxMiB: readonly number[];
  /** A follower that was killed, until its client port answers a read of what is current. */
  readonly oneNode: readonly Start[];
  /** All of them, until the first write. */
  readonly ensemble: readonly Start[];
  /** A follower without any data, until it reads what is current. */
  readonly emptyNode: readonly Start[];
}

const CONNECTIONS_PER_SERVER = 3;
/** Before memory is read. */
const IDLE_MS = 10_000;
/** Between two measurements: what was begun comes to its end. */
const SETTLE_MS = 3_000;
const POLL_MS = 10;
const ANSWER_MS = 1_000;
const WAIT_MS = 180_000;
const SESSION_MS = 30_000;
/** Sets in one step on the way to a checkpoint. */
const SETS_PER_STEP = 10_000;
/** So near to the next one when the steady load begins. */
const SHARE_BEFORE = 0.97;
const STEPS_MAX = 1000;

export async function measureMillion(
  name: TargetName,
  options: MillionOptions,
): Promise<MillionRun> {
  // Drawn between half of it and all of it: so each server takes one while the load is steady.
  const snapCount = Math.round(options.rate * options.seconds * 0.9);
  await using target = await createTarget(name, { ...options, snapCount });
  try {
    target.start(...target.ids);
    await target.untilReady();
    return await measure(name, target, options);
  } catch (error) {
    throw new Error(`${String(error)}\n${target.logs()}`, { cause: error });
  }
}

async function measure(
  name: TargetName,
  target: Target,
  options: MillionOptions,
): Promise<MillionRun> {
  const costs = () => target.ids.map((id) => costsOf(target.pidOf(id)));
  const { count } = options;
  const clients = clientsOf(target);
  const from = performance.now();
  await makeTree(clients, options, (done) => options.onPhase(`made ${done} of ${count}`));
  const loadSeconds = (performance.now() - from) / 1000;
  options.onPhase("idle");
  await pause(IDLE_MS);
  const residentMiB = costs().map((one) => one.residentMiB);
  // Collects, so it comes behind what an operator sees.
  const live = target.ids.map((id) => target.liveBytes(id));
  const liveBytesPerNode = live.every((bytes) => bytes !== null)
    ? live.map((bytes) => Math.round(bytes / count))
    : null;

  if (name === "quorate") {
    options.onPhase("towards a checkpoint");
    await approachCheckpoint(target, clients, options);
  }
  await pause(SETTLE_MS);
  options.onPhase("steady");
  const since = Date.now();
  const samples = await setSteadily(clients, options);
  const steady = latencyOf(samples, target.checkpoints(since));
  const after = costs();
  await Promise.all(clients.map((client) => client.close()));

  const rounds = async (what: string, once: () => Promise<Start>): Promise<Start[]> => {
    const starts: Start[] = [];
    for (let i = 0; i < options.restarts; i += 1) {
      options.onPhase(`${what}, ${i + 1} of ${options.restarts}`);
      await pause(SETTLE_MS);
      starts.push(await once());
    }
    return starts;
  };
  return {
    loadSeconds,
    residentMiB,
    liveBytesPerNode,
    steady,
    residentAfterMiB: after.map((one) => one.residentMiB),
    residentMaxMiB: after.map((one) => one.residentMaxMiB),
    oneNode: await rounds("one node again", () => restartOne(target, false)),
    ensemble: await rounds("all nodes again", () => restartAll(target)),
    emptyNode: await rounds("an empty node", () => restartOne(target, true)),
  };
}

function clientsOf(target: Target): PipelinedClient[] {
  return Array.from({ length: CONNECTIONS_PER_SERVER }, () =>
    target.ids.map((id) => new PipelinedClient(target.serverOf(id))),
  ).flat();
}

/**
 * Sets nodes until the next checkpoint is near. How many sets lie between two is counted first:
 * it follows from the bytes of the log.
 */
async function approachCheckpoint(
  target: Target,
  clients: readonly PipelinedClient[],
  shape: TreeShape,
): Promise<void> {
  let sets = 0;
  const step = async (more: number): Promise<void> => {
    await setMany(clients, shape, { from: sets, sets: more });
    sets += more;
  };
  /** So many sets had been asked for when the next one began. */
  const untilNext = async (): Promise<number> => {
    const since = Date.now();
    const steps: { readonly at: number; readonly sets: number }[] = [];
    for (let i = 0; i < STEPS_MAX; i += 1) {
      steps.push({ at: Date.now(), sets });
      await step(SETS_PER_STEP);
      const [first] = target.checkpoints(since);
      if (first === undefined) continue;
      return steps.findLast(({ at }) => at <= first.from)?.sets ?? sets;
    }
    throw new Error("no checkpoint came");
  };
  const first = await untilNext();
  // The others write theirs, which must not be taken for the next.
  await pause(SETTLE_MS);
  const second = await untilNext();
  await pause(SETTLE_MS);
  const next = second + Math.round((second - first) * SHARE_BEFORE);
  if (next > sets) await step(next - sets);
}

/** A follower, again. Others serve meanwhile, and take a write that it has to know. */
async function restartOne(target: Target, isEmpty: boolean): Promise<Start> {
  const leader = await target.leader();
  const [id = 0] = target.ids.filter((one) => one !== leader);
  const data = new TextEncoder().encode(`${Date.now()}`);
  await target.kill(id);
  if (isEmpty) target.wipe(id);
  await within(target.serverOf(leader), (client) =>
    client.must(ZkOp.setData, { path: MARKER, data, version: -1 }),
  );
  const from = performance.now();
  target.start(id);
  await untilAnswered([target.serverOf(id)], async (client) => {
    const { value } = await client.ask(ZkOp.getData, { path: MARKER, watch: false }, ANSWER_MS);
    const read = (value as { readonly data: Uint8Array } | null)?.data;
    return read !== undefined && Buffer.compare(read, data) === 0;
  });
  return startOf(from, [target.pidOf(id)]);
}

async function restartAll(target: Target): Promise<Start> {
  await target.untilReady();
  await target.kill(...target.ids);
  const from = performance.now();
  target.start(...target.ids);
  await untilAnswered(
    target.ids.map((id) => target.serverOf(id)),
    async (client) => {
      const set = { path: MARKER, data: new Uint8Array(1), version: -1 };
      return (await client.ask(ZkOp.setData, set, WAIT_MS)).err === 0;
    },
  );
  return startOf(
    from,
    target.ids.map((id) => target.pidOf(id)),
  );
}

function startOf(from: number, pids: readonly number[]): Start {
  const ms = performance.now() - from;
  const cpuSeconds = pids.reduce((sum, pid) => sum + costsOf(pid).cpuSeconds, 0);
  return { ms: Math.round(ms), cpuSeconds: Number(cpuSeconds.toFixed(2)) };
}

/** Tries, server by server, until one answers as it should. */
async function untilAnswered(
  servers: readonly string[],
  isRight: (client: PlainClient) => Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  // A server that does not serve yet refuses, hangs up or says nothing.
  const notYet = (): boolean => false;
  for (let i = 0; performance.now() < deadline; i += 1) {
    if (await within(servers[i % servers.length] ?? "", isRight).catch(notYet)) return;
    await pause(POLL_MS);
  }
  throw new Error(`${servers.join(", ")} do not serve`);
}

async function within<T>(server: string, use: (client: PlainClient) => Promise<T>): Promise<T> {
  const client = await PlainClient.open(server, SESSION_MS, ANSWER_MS);
  try {
    return await use(client);
  } finally {
    client.close();
  }
}
