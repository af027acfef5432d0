import { setTimeout as pause } from "node:timers/promises";
import { ZkOp } from "@quorate/zookeeper";
import { PlainClient } from "../differential/plain-client.js";
import { seededRandom } from "@quorate/load";
import { CheckedSession } from "./checked-session.js";
import type { Fault } from "./faults.js";
import { inflict } from "./faults.js";
import type { Victims } from "./victims.js";

export interface ConcurrentOptions {
  readonly victims: Victims;
  readonly sessions: number;
  /** Requests of each session that are on their way at once. */
  readonly outstanding: number;
  readonly rounds: number;
  /** Between one fault and the next. */
  readonly roundMs: number;
  readonly faults: readonly [Fault, ...Fault[]];
  readonly timeoutMs: number;
  readonly seed: number;
  onRound(done: number, text: string): void;
}

export interface ConcurrentResult {
  readonly answered: number;
  readonly unknown: number;
  readonly events: number;
  readonly reconnects: number;
  readonly expiries: number;
  /** What broke a promise; nothing, when all is well. */
  readonly problems: readonly string[];
}

const NODES = 8;
const OPEN_ACL = [{ perms: 31, id: { scheme: "world", id: "anyone" } }];
const EPHEMERAL = 1;
/** That no node of a run has. */
const NO_VERSION = 2_000_000_000;
const NODE_EXISTS = -110;
/** For a connection after a fault; an election of ZooKeeper's takes seconds. */
const CONNECT_MS = 60_000;

/**
 * Many sessions ask many things at once of a few nodes, while servers are killed or stopped; what
 * each session sees is held against the promises of its `SessionChecker`.
 */
export async function runConcurrently(options: ConcurrentOptions): Promise<ConcurrentResult> {
  const { victims, seed, rounds, roundMs, faults } = options;
  const random = seededRandom(seed);
  await makeNodes(victims.servers[0] ?? "");
  const counts = { answered: 0, unknown: 0 };
  const stop = new AbortController();
  const sessions = Array.from(
    { length: options.sessions },
    (_, i) =>
      new CheckedSession({
        name: `session ${i}`,
        servers: victims.servers,
        timeoutMs: options.timeoutMs,
        random: seededRandom(seed * 1000 + i),
      }),
  );
  const loads = sessions.map((session, i) =>
    load(session, i, seededRandom(seed * 2000 + i), options.outstanding, counts, stop.signal),
  );
  const done = Promise.all(loads);
  // Until it is awaited below, a failure must not end the process.
  done.catch(() => undefined);
  try {
    for (let round = 1; round <= rounds; round += 1) {
      await pause(roundMs);
      const fault = faults[Math.floor(random() * faults.length)] ?? faults[0];
      await inflict(victims, fault);
      options.onRound(round, `${fault}, ${counts.answered} answers`);
    }
    await pause(roundMs);
  } finally {
    stop.abort();
    await done;
    for (const session of sessions) session.close();
  }
  const sum = (of: (session: CheckedSession) => number): number =>
    sessions.reduce((total, session) => total + of(session), 0);
  return {
    ...counts,
    events: sum(({ events }) => events),
    reconnects: sum(({ connects }) => connects - 1),
    expiries: sum(({ expiries }) => expiries),
    problems: sessions.flatMap(({ problems }) => problems),
  };
}

async function makeNodes(server: string): Promise<void> {
  const client = await PlainClient.open(server);
  try {
    for (let i = 0; i < NODES; i += 1) {
      const value = { path: `/n${i}`, data: null, acl: OPEN_ACL, flags: 0 };
      const { err } = await client.ask(ZkOp.create, value);
      if (err !== 0 && err !== NODE_EXISTS) throw new Error(`cannot create /n${i}: ${err}`);
    }
  } finally {
    client.close();
  }
}

async function load(
  session: CheckedSession,
  index: number,
  random: () => number,
  outstanding: number,
  counts: { answered: number; unknown: number },
  stop: AbortSignal,
): Promise<void> {
  while (!stop.aborted) {
    if (!(await session.connect(performance.now() + CONNECT_MS))) {
      throw new Error(`session ${index} found no server in ${CONNECT_MS} ms`);
    }
    const lanes = Array.from({ length: outstanding }, async () => {
      while (!stop.aborted && session.isConnected) {
        const reply = await askSomething(session, index, random);
        if (reply) counts.answered += 1;
        else counts.unknown += 1;
      }
    });
    await Promise.all(lanes);
  }
}

async function askSomething(
  session: CheckedSession,
  index: number,
  random: () => number,
): Promise<boolean> {
  const path = `/n${Math.floor(random() * NODES)}`;
  const choice = random();
  if (choice < 0.3) {
    const data = new TextEncoder().encode(`${index} ${random()}`);
    const about = { kind: "set", path, watch: false } as const;
    // A third of them is refused: what is asked for behind it has its place all the same.
    const version = choice < 0.1 ? NO_VERSION : -1;
    return (await session.ask(ZkOp.setData, { path, data, version }, about)) !== null;
  }
  if (choice < 0.35) {
    // Its session's own: nobody else deletes it, and it must be there as long as the session is.
    const own = `/own-${index}-${session.expiries}`;
    const value = { path: own, data: null, acl: OPEN_ACL, flags: EPHEMERAL };
    const about = { kind: "create", path: own, watch: false } as const;
    await session.ask(ZkOp.create, value, about);
    const asked = { kind: "exists", path: own, watch: false } as const;
    return (await session.ask(ZkOp.exists, { path: own, watch: false }, asked)) !== null;
  }
  const watch = choice < 0.6;
  const about = { kind: "get", path, watch } as const;
  return (await session.ask(ZkOp.getData, { path, watch }, about)) !== null;
}
