import { ConnectResponse, JuteReader, ReplyHeader, ZkOp, ZkXid } from "@quorate/zookeeper";
import { isCreateOfNoMode } from "./known-differences.js";
import { ATTEMPTS_MAX, Monitors, PATIENCE_MS } from "./monitors.js";
import { ANSWER_MS } from "./plain-client.js";
import { noPassword, RawConnection, type Arrival, type Awaited } from "./raw-connection.js";
import { bodyOf } from "./request-bytes.js";
import { stepToJson, type RequestStep, type SessionWish, type Step } from "./steps.js";
import type { Item, Outcome, Trace } from "./trace.js";

/** So often at least everything is quiet, and every connection hears a ping. */
const SETTLE_STEPS = 10;
const FUTURE_ZXID = 0x7000_0000_0000_0000n;
const NO_BODY = new Uint8Array(0);
const EPHEMERAL = 1;
const SHOWN_CHARS_MAX = 400;
/** With more requests without an answer the servers have failed: each is waited for long. */
const SILENT_MAX = 2;

/** What cannot change anything, nor make a watch of another connection fire. */
const quietTypes: ReadonlySet<number> = new Set<number>([
  ZkOp.exists,
  ZkOp.getData,
  ZkOp.getAcl,
  ZkOp.getChildren,
  ZkOp.getChildren2,
  ZkOp.getEphemerals,
  ZkOp.getAllChildrenNumber,
  ZkOp.multiRead,
  ZkOp.ping,
  ZkOp.whoAmI,
]);

interface Session {
  id: bigint;
  password: Uint8Array;
  /** The greatest zxid that a reply told any of its connections, as ZooKeeper's clients count. */
  seen: bigint;
  /** What `seen` was when a connection of it was last cut. */
  seenAtDrop: bigint;
}

interface Connection {
  readonly raw: RawConnection;
  readonly session: Session;
  readonly arrivals: Arrival[];
  /** Answers to pings of the bench's own that have not been taken out yet. */
  pingsOwed: number;
  /**
   * Another connection has its session now. When its server notices is up to the server, so that
   * only the answers to its own requests count.
   */
  isMoved: boolean;
}

/** Does the steps of a sequence, one after another, and writes down all that comes. */
export class SequenceRunner {
  readonly #servers: readonly string[];
  readonly #monitors: Monitors;
  readonly #connections = new Map<number, Connection>();
  #pingsAgain = 0;

  private constructor(servers: readonly string[], monitors: Monitors) {
    this.#servers = servers;
    this.#monitors = monitors;
  }

  static async create(servers: readonly string[]): Promise<SequenceRunner> {
    return new SequenceRunner(servers, await Monitors.open(servers));
  }

  /** Starts with an empty tree. */
  async run(seed: number, steps: readonly Step[], until?: AbortSignal): Promise<Trace> {
    const baseline = await this.#monitors.reset();
    const startZxid = await this.#monitors.settle();
    const outcomes: Outcome[] = [];
    let silent = 0;
    try {
      for (const [i, step] of steps.entries()) {
        until?.throwIfAborted();
        const outcome = await this.#stepOrSay(step, i, seed);
        outcomes.push(outcome);
        if (outcome.some(({ what }) => what === "silent")) silent += 1;
        if (silent > SILENT_MAX) throw new Error(`seed ${seed}, step ${i}: nothing is answered`);
      }
    } finally {
      await this.#closeAll();
    }
    return { seed, steps, outcomes, startZxid, baseline };
  }

  /** Requests beside those of the sequences that had to be made again. */
  get retries(): number {
    return this.#monitors.retries + this.#pingsAgain;
  }

  /** Leaves nothing behind, as far as the servers still answer. */
  async close(): Promise<void> {
    for (const { raw } of this.#connections.values()) raw.drop();
    try {
      await this.#monitors.reset();
    } finally {
      this.#monitors.close();
    }
  }

  async #stepOrSay(step: Step, at: number, seed: number): Promise<Outcome> {
    try {
      return await this.#step(step, at);
    } catch (error) {
      const where = `seed ${seed}, step ${at}: ${stepToJson(step).slice(0, SHOWN_CHARS_MAX)}`;
      throw new Error(`${where}: ${String(error)}`, { cause: error });
    }
  }

  async #step(step: Step, at: number): Promise<Outcome> {
    const how = await this.#do(step, at);
    if (this.#connections.get(step.connection)?.isMoved === true) return this.#ofMoved(step, how);
    await this.#quiet(step, at);
    const items = this.#drain();
    const silent: Item = { connection: step.connection, what: "silent" };
    return how === "silent" ? [...items, silent] : items;
  }

  #ofMoved(step: Step, how: Awaited | null): Outcome {
    const { connection } = step;
    if (isCreateOfNoMode(step)) {
      this.#drain(connection);
      return [];
    }
    if (how === "closed" || how === "silent") return [{ connection, what: how }];
    return this.#drain(connection).filter(
      ({ connection: one, what }) => one === connection && typeof what !== "string",
    );
  }

  /** Null when the step has no connection to be done on. */
  async #do(step: Step, at: number): Promise<Awaited | null> {
    switch (step.do) {
      case "open":
        return this.#open(step);
      case "drop":
        this.#drop(step.connection);
        return null;
      case "expire":
        await this.#expire(step.connection, `/expires${at}`);
        return null;
      case "request":
      case "raw": {
        const found = this.#connections.get(step.connection);
        if (found === undefined) return null;
        const body = step.do === "raw" ? step.bytes : requestBody(step, found.session);
        return found.raw.request(step.type, body, ANSWER_MS);
      }
    }
  }

  async #open(step: Step & { do: "open" }): Promise<Awaited | null> {
    const session = this.#sessionOf(step.session);
    if (session === null) return null;
    const server = this.#servers[step.server % this.#servers.length] ?? "";
    const arrivals: Arrival[] = [];
    const raw = await RawConnection.open(server, (arrival) => arrivals.push(arrival));
    this.#connections.set(step.connection, {
      raw,
      session,
      arrivals,
      pingsOwed: 0,
      isMoved: false,
    });
    const { timeoutMs, readOnly } = step;
    const how = await raw.introduce(
      {
        ...introductionOf(step.session, session),
        timeoutMs,
        readOnly,
      },
      ANSWER_MS,
    );
    const [first] = arrivals;
    if (first?.kind === "packet") this.#onIntroduced(step.connection, session, first.bytes);
    return how;
  }

  #onIntroduced(number: number, session: Session, packet: Uint8Array): void {
    const { sessionId, passwd } = ConnectResponse.read(new JuteReader(packet));
    if (sessionId === 0n) return;
    session.id = sessionId;
    session.password = passwd ?? noPassword;
    for (const [other, connection] of this.#connections) {
      if (other !== number && connection.session === session) connection.isMoved = true;
    }
  }

  #sessionOf(wish: SessionWish): Session | null {
    if (wish.kind === "new") return { id: 0n, password: noPassword, seen: 0n, seenAtDrop: 0n };
    return this.#connections.get(wish.of)?.session ?? null;
  }

  #drop(connection: number): void {
    const found = this.#connections.get(connection);
    if (found === undefined) return;
    if (!found.isMoved) found.session.seenAtDrop = found.session.seen;
    found.raw.drop();
    // Its end is our own doing.
    found.arrivals.length = 0;
  }

  /** A node of the session's own tells when it has expired. */
  async #expire(connection: number, path: string): Promise<void> {
    const found = this.#connections.get(connection);
    if (found === undefined || found.raw.isClosed) return;
    const acl = [{ perms: 31, id: { scheme: "world", id: "anyone" } }];
    const body = bodyOf(ZkOp.create, { path, data: null, acl, flags: EPHEMERAL });
    const how = await found.raw.request(ZkOp.create, body, ANSWER_MS);
    await this.#monitors.settle();
    this.#drop(connection);
    if (how === "replied") await this.#monitors.untilGone(path);
  }

  /**
   * Waits, without waiting for a time, until all that the step causes has come: every server has
   * applied it, then every connection has answered a ping, which comes behind its events.
   */
  async #quiet(step: Step, at: number): Promise<void> {
    const isQuiet = step.do === "request" && quietTypes.has(step.type);
    const isWhole = !isQuiet || at % SETTLE_STEPS === 0;
    if (isWhole) await this.#monitors.settle();
    const pinged = [...this.#connections].filter(
      ([number, { raw, isMoved }]) =>
        !raw.isClosed && !isMoved && (isWhole || number === step.connection),
    );
    await Promise.all(pinged.map(([number, connection]) => this.#ping(number, connection)));
  }

  /** A server of ZooKeeper 3.8 forgets a ping now and then, and answers it with the next one. */
  async #ping(number: number, connection: Connection): Promise<void> {
    for (let attempts = 1; ; attempts += 1) {
      connection.pingsOwed += 1;
      const how = await connection.raw.request(ZkOp.ping, NO_BODY, PATIENCE_MS);
      if (how !== "silent") return;
      if (attempts === ATTEMPTS_MAX) throw new Error(`connection ${number} answers no ping`);
      this.#pingsAgain += 1;
    }
  }

  /** Of a connection whose session has moved only when it is the one asked for. */
  #drain(asked?: number): Item[] {
    const items: Item[] = [];
    for (const [connection, found] of this.#connections) {
      const { arrivals, session, isMoved } = found;
      takePings(found);
      for (const arrival of arrivals.splice(0)) {
        if (isMoved && connection !== asked) continue;
        if (arrival.kind === "closed") {
          session.seenAtDrop = session.seen;
          items.push({ connection, what: "closed" });
        } else {
          items.push({ connection, what: arrival.bytes });
          noteSeen(session, arrival.bytes);
        }
      }
    }
    return items;
  }

  /** Sessions that live on would keep their nodes, and their watches would fire in the next one. */
  async #closeAll(): Promise<void> {
    const sessions = new Set([...this.#connections.values()].map(({ session }) => session));
    for (const { raw } of this.#connections.values()) raw.drop();
    this.#connections.clear();
    for (const session of sessions) {
      if (session.id === 0n) continue;
      const raw = await RawConnection.open(this.#servers[0] ?? "", () => undefined);
      const how = await raw.introduce(
        {
          lastZxidSeen: 0n,
          timeoutMs: ANSWER_MS,
          sessionId: session.id,
          password: session.password,
          readOnly: false,
        },
        ANSWER_MS,
      );
      // One that has ended already is refused, and that is as good.
      if (how === "replied") await raw.request(ZkOp.closeSession, NO_BODY, ANSWER_MS);
      raw.drop();
    }
  }
}

function introductionOf(
  wish: SessionWish,
  session: Session,
): { lastZxidSeen: bigint; sessionId: bigint; password: Uint8Array | null } {
  if (wish.kind === "new") return { lastZxidSeen: 0n, sessionId: 0n, password: noPassword };
  const passwords = {
    right: session.password,
    wrong: session.password.map((byte) => byte ^ 0x55),
    empty: NO_BODY,
    null: null,
  };
  const zxids = { none: 0n, seen: session.seen, future: FUTURE_ZXID };
  return {
    lastZxidSeen: zxids[wish.zxid],
    sessionId: session.id,
    password: passwords[wish.password],
  };
}

function requestBody(step: RequestStep, session: Session): Uint8Array {
  if (step.relativeZxid === undefined) return bodyOf(step.type, step.value);
  const value = { ...(step.value as object), relativeZxid: session.seenAtDrop };
  return bodyOf(step.type, value);
}

/** The answers to the bench's own pings are nobody's business; they come behind all else. */
function takePings(connection: Connection): void {
  const { arrivals } = connection;
  for (let i = arrivals.length - 1; i >= 0 && connection.pingsOwed > 0; i -= 1) {
    const arrival = arrivals[i];
    if (arrival?.kind !== "packet") continue;
    const { xid } = ReplyHeader.read(new JuteReader(arrival.bytes));
    if (xid !== ZkXid.ping) continue;
    arrivals.splice(i, 1);
    connection.pingsOwed -= 1;
  }
}

/**
 * The zxid up to which a client of ZooKeeper's has seen everything once it has this packet: that of
 * a reply. Null where the packet tells none. Events have one since ZooKeeper 3.9, which is no sign
 * that all of its change was told: other events of the same transaction follow.
 */
export function seenIn(packet: Uint8Array): bigint | null {
  // A connect response is no reply; its first bytes are 0, its second field a time.
  if (packet.length < 16) return null;
  const { xid, zxid } = ReplyHeader.read(new JuteReader(packet));
  return xid === 0 || xid === ZkXid.notification ? null : zxid;
}

function noteSeen(session: Session, packet: Uint8Array): void {
  const zxid = seenIn(packet);
  if (zxid !== null && zxid > session.seen) session.seen = zxid;
}
