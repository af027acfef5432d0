import { setTimeout as pause } from "node:timers/promises";
import { ZkOp } from "@quorate/zookeeper";
import { PlainClient } from "../differential/plain-client.js";
import { seededRandom } from "@quorate/load";
import { CheckedSession } from "./checked-session.js";
import { inflict, type Fault } from "./faults.js";
import type { Victims } from "./victims.js";

export interface SyncReadOptions {
  readonly victims: Victims;
  readonly readers: number;
  readonly rounds: number;
  readonly roundMs: number;
  readonly faults: readonly [Fault, ...Fault[]];
  readonly timeoutMs: number;
  readonly seed: number;
  onRound(done: number, text: string): void;
}

export interface SyncReadResult {
  readonly writes: number;
  readonly reads: number;
  /** Answers to nothing: the connection ended first. */
  readonly unknown: number;
  /** Reads behind a sync that showed less than was acknowledged before the sync was sent. */
  readonly stale: readonly string[];
  readonly problems: readonly string[];
}

const PATH = "/counter";
const OPEN_ACL = [{ perms: 31, id: { scheme: "world", id: "anyone" } }];
const NODE_EXISTS = -110;
const CONNECT_MS = 60_000;
const STALE_SHOWN_MAX = 20;
/**
 * Between an answer and the next write: at most moments nothing is on its way, and a leader that is
 * stopped then has nothing that a sync would have to wait for when it wakes up.
 */
const WRITE_PACE_MS = 20;
const WRITE_MS = 1_000;
/** A reader asks so often, whether it was answered or not. */
const PACE_MS = 5;
/** Of a reader, unanswered: those of the longest sleep. */
const OUTSTANDING_MAX = 2_000;
/** A reader moves on to another server after so many answers. */
const READS_PER_SERVER = 400;

/**
 * One session counts upwards, others do `sync` and read at whatever server they are. What was
 * acknowledged before a sync was sent must be in the answer to the read behind it, also when the
 * server asked is a leader that was deposed in its sleep. Readers go on asking a server that does
 * not answer: what waits in its socket is what it reads first when it wakes up, still in its term.
 */
export async function runSyncReads(options: SyncReadOptions): Promise<SyncReadResult> {
  const { victims, seed, rounds, roundMs, faults } = options;
  const random = seededRandom(seed);
  await makeCounter(victims.servers[0] ?? "");
  const state: State = { acknowledged: 0, next: 1, reads: 0, unknown: 0, stale: [] };
  const stop = new AbortController();
  const session = (name: string, i: number): CheckedSession => {
    const { servers } = victims;
    const own = seededRandom(seed * 1000 + i);
    return new CheckedSession({ name, servers, timeoutMs: options.timeoutMs, random: own });
  };
  const writer = session("writer", 0);
  const readers = Array.from({ length: options.readers }, (_, i) => session(`reader ${i}`, i + 1));
  const done = Promise.all([
    write(writer, state, stop.signal),
    ...readers.map((reader) => read(reader, state, stop.signal)),
  ]);
  // Until it is awaited below, a failure must not end the process.
  done.catch(() => undefined);
  try {
    for (let round = 1; round <= rounds; round += 1) {
      await pause(roundMs);
      const fault = faults[Math.floor(random() * faults.length)] ?? faults[0];
      await inflict(victims, fault);
      options.onRound(round, `${fault}, ${state.reads} reads, ${state.stale.length} stale`);
    }
    await pause(roundMs);
  } finally {
    stop.abort();
    await done;
    for (const one of [writer, ...readers]) one.close();
  }
  const { reads, unknown, stale, acknowledged } = state;
  const problems = [writer, ...readers].flatMap((one) => one.problems);
  return { writes: acknowledged, reads, unknown, stale, problems };
}

interface State {
  /** The greatest value whose write was answered. */
  acknowledged: number;
  next: number;
  reads: number;
  unknown: number;
  readonly stale: string[];
}

async function makeCounter(server: string): Promise<void> {
  const client = await PlainClient.open(server);
  try {
    const value = { path: PATH, data: bytesOf(0), acl: OPEN_ACL, flags: 0 };
    const { err } = await client.ask(ZkOp.create, value);
    if (err === NODE_EXISTS) {
      await client.must(ZkOp.setData, { path: PATH, data: bytesOf(0), version: -1 });
    } else if (err !== 0) {
      throw new Error(`cannot create ${PATH}: ${err}`);
    }
  } finally {
    client.close();
  }
}

async function write(session: CheckedSession, state: State, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    await connected(session);
    const value = state.next;
    state.next += 1;
    const request = { path: PATH, data: bytesOf(value), version: -1 };
    const about = { kind: "set", path: PATH, watch: false } as const;
    const answer = session.ask(ZkOp.setData, request, about);
    // A server that sleeps does not keep the others from being written to.
    const patience = pause(WRITE_MS).then(() => "late" as const);
    if ((await Promise.race([answer, patience])) === "late") session.move();
    const reply = await answer;
    if (reply?.err === 0) state.acknowledged = value;
    else state.unknown += 1;
    await pause(WRITE_PACE_MS);
  }
}

async function read(session: CheckedSession, state: State, stop: AbortSignal): Promise<void> {
  const open = new Set<Promise<void>>();
  let answers = 0;
  while (!stop.aborted) {
    await connected(session);
    if (answers >= READS_PER_SERVER && open.size === 0) {
      answers = 0;
      session.move();
      continue;
    }
    if (answers < READS_PER_SERVER && open.size < OUTSTANDING_MAX) {
      const one = readOnce(session, state).then(() => {
        open.delete(one);
        answers += 1;
      });
      open.add(one);
    }
    await pause(PACE_MS);
  }
  // Whoever closes the session settles what is open.
}

async function readOnce(session: CheckedSession, state: State): Promise<void> {
  const due = state.acknowledged;
  const { name, server } = session;
  // Both at once: the read is behind the sync on the same connection, which is all that counts.
  const synced = session.ask(ZkOp.sync, { path: PATH });
  const about = { kind: "get", path: PATH, watch: false } as const;
  const reply = await session.ask(ZkOp.getData, { path: PATH, watch: false }, about);
  if (reply?.err !== 0 || (await synced)?.err !== 0) {
    state.unknown += 1;
    return;
  }
  state.reads += 1;
  const shown = valueOf((reply.value as { readonly data: Uint8Array }).data);
  if (shown < due && state.stale.length < STALE_SHOWN_MAX) {
    state.stale.push(`${name} at ${server} read ${shown}, due was ${due}`);
  }
}

async function connected(session: CheckedSession): Promise<void> {
  if (await session.connect(performance.now() + CONNECT_MS)) return;
  throw new Error(`${session.name} found no server in ${CONNECT_MS} ms`);
}

function bytesOf(value: number): Uint8Array {
  return new TextEncoder().encode(String(value));
}

function valueOf(data: Uint8Array): number {
  return Number(new TextDecoder().decode(data));
}
