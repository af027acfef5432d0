import { setTimeout as pause } from "node:timers/promises";
import { ZkOp } from "@quorate/zookeeper";
import { PlainClient } from "../differential/plain-client.js";
import { costsOf } from "../load/process-costs.js";
import { IdleSession } from "./idle-session.js";
import { inflict } from "./faults.js";
import type { Victims } from "./victims.js";

export interface IdleOptions {
  readonly victims: Victims;
  readonly sessions: number;
  /** Deaths of the leader. */
  readonly rounds: number;
  /** How long the idle servers' CPU time is measured. */
  readonly idleMs: number;
  /** What opening them, or a death, set off has ended by then: collections, checkpoints. */
  readonly settleMs: number;
  readonly timeoutMs: number;
  /** Within which all hear of a change. */
  readonly notifiedMs: number;
  onRound(done: number, text: string): void;
}

export interface IdleResult {
  readonly sessions: number;
  /** Of all servers together, while nothing but pings came. */
  readonly cores: number;
  readonly residentMiB: readonly number[];
  /** At each death of the leader: how many lost their connection. */
  readonly dropped: readonly number[];
  /** Seconds from each death until the last of them was back. */
  readonly lastBack: readonly number[];
  readonly expired: number;
  readonly ephemeralsLeft: number;
  /** How many were told, once, of the one change at the end. */
  readonly notified: number;
  readonly problems: readonly string[];
}

const ROOT = "/idle-sessions";
const WATCHED = `${ROOT}/watched`;
const EPHEMERALS = `${ROOT}/ephemerals`;
const OPEN_ACL = [{ perms: 31, id: { scheme: "world", id: "anyone" } }];
const OPEN_AT_ONCE = 50;
const OPEN_MS = 300_000;
/** From a death until all are back; beyond it they expire. */
const BACK_MS = 60_000;
const POLL_MS = 20;

/**
 * Many sessions that do nothing, each with an ephemeral and a watch: what they cost, and that none
 * of it is lost when leaders die.
 */
export async function runIdle(options: IdleOptions): Promise<IdleResult> {
  const { victims, rounds, timeoutMs, sessions: count } = options;
  const { servers } = victims;
  await prepare(servers[0] ?? "");
  const sessions = Array.from({ length: count }, (_, i) => {
    const ephemeral = `${EPHEMERALS}/${i}`;
    return new IdleSession({ servers, timeoutMs, first: i, ephemeral, watched: WATCHED });
  });
  const dropped: number[] = [];
  const lastBack: number[] = [];
  try {
    await openAll(sessions);
    await pause(options.settleMs);
    const { cores, residentMiB } = await costsWhileIdle(options);
    for (let round = 1; round <= rounds; round += 1) {
      const dropsBefore = sum(sessions, ({ drops }) => drops);
      const from = performance.now();
      await inflict(victims, "kill leader");
      await untilAll(sessions, ({ isConnected, expiries }) => isConnected || expiries > 0, BACK_MS);
      // Who was not dropped has been connected since before.
      const last = sessions.reduce(
        (latest, { connectedAt }) => Math.max(latest, connectedAt),
        from,
      );
      lastBack.push(Number(((last - from) / 1000).toFixed(2)));
      dropped.push(sum(sessions, ({ drops }) => drops) - dropsBefore);
      options.onRound(round, `${dropped.at(-1) ?? 0} dropped`);
      await pause(options.settleMs);
    }
    const { ephemeralsLeft, notified } = await lookAround(options, sessions);
    const expired = sum(sessions, ({ expiries }) => expiries);
    const found = { expired, ephemeralsLeft, notified };
    const problems = problemsOf(found, count);
    return { sessions: count, cores, residentMiB, dropped, lastBack, ...found, problems };
  } finally {
    for (const session of sessions) session.close();
  }
}

function problemsOf(
  found: { readonly expired: number; readonly ephemeralsLeft: number; readonly notified: number },
  count: number,
): string[] {
  const problems: string[] = [];
  if (found.expired > 0) problems.push(`${found.expired} sessions expired`);
  if (found.ephemeralsLeft !== count) problems.push(`${found.ephemeralsLeft} ephemerals are left`);
  if (found.notified !== count) problems.push(`${found.notified} watches told of the change once`);
  return problems;
}

async function prepare(server: string): Promise<void> {
  const client = await PlainClient.open(server);
  try {
    for (const path of [ROOT, WATCHED, EPHEMERALS]) {
      await client.must(ZkOp.create, { path, data: null, acl: OPEN_ACL, flags: 0 });
    }
  } finally {
    client.close();
  }
}

async function openAll(sessions: readonly IdleSession[]): Promise<void> {
  const deadline = performance.now() + OPEN_MS;
  const waiting = [...sessions];
  const openSome = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      await next.open(deadline);
    }
  };
  await Promise.all(Array.from({ length: OPEN_AT_ONCE }, openSome));
}

async function costsWhileIdle({
  victims,
  idleMs,
}: IdleOptions): Promise<Pick<IdleResult, "cores" | "residentMiB">> {
  const look = (): { cpuSeconds: number; residentMiB: number }[] => victims.pids().map(costsOf);
  const cpuOf = (costs: ReturnType<typeof look>): number => sum(costs, (one) => one.cpuSeconds);
  const from = performance.now();
  const before = look();
  await pause(idleMs);
  const after = look();
  const seconds = (performance.now() - from) / 1000;
  return {
    cores: Number(((cpuOf(after) - cpuOf(before)) / seconds).toFixed(3)),
    residentMiB: after.map(({ residentMiB }) => residentMiB),
  };
}

async function lookAround(
  { victims, notifiedMs, settleMs }: IdleOptions,
  sessions: readonly IdleSession[],
): Promise<Pick<IdleResult, "ephemeralsLeft" | "notified">> {
  const client = await PlainClient.open(victims.servers[0] ?? "");
  try {
    await client.must(ZkOp.sync, { path: EPHEMERALS });
    const { value } = await client.must(ZkOp.getChildren, { path: EPHEMERALS, watch: false });
    await client.must(ZkOp.setData, { path: WATCHED, data: null, version: -1 });
    await untilAll(sessions, ({ events }) => events > 0, notifiedMs);
    // Whoever is told twice is told soon.
    await pause(settleMs);
    const { length } = (value as { readonly children: readonly string[] }).children;
    return {
      ephemeralsLeft: length,
      notified: sum(sessions, ({ events }) => Number(events === 1)),
    };
  } finally {
    client.close();
  }
}

/** Or until that time has passed: what is missing is counted afterwards. */
async function untilAll(
  sessions: readonly IdleSession[],
  holds: (session: IdleSession) => boolean,
  ms: number,
): Promise<void> {
  const deadline = performance.now() + ms;
  while (performance.now() < deadline && !sessions.every(holds)) await pause(POLL_MS);
}

function sum<T>(all: readonly T[], of: (one: T) => number): number {
  return all.reduce((total, one) => total + of(one), 0);
}
