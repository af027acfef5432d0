import type { NodeId } from "@quorate/protocol";
import { SessionWitness } from "../../checkers/service/session-witness.js";
import type { Watch } from "../../checkers/service/watch-oracle.js";
import type { RandomStream } from "../../engine/random-stream.js";
import type { World } from "../../world/world.js";
import { BetweenWrites, judgeReply } from "./judge-reply.js";
import type { SessionRequest } from "./request.js";
import { SessionConnection, type Outstanding, type Reply } from "./session-connection.js";
import { WATCH_LISTS, type Credentials } from "./zk-wire.js";

export interface SessionClientOptions {
  readonly id: number;
  readonly timeoutMs: number;
  /** Those that it may ask for when it comes anew; none: it keeps its own. */
  readonly otherTimeoutsMs: readonly number[];
}

const NO_SESSION = { session: 0n, password: new Uint8Array(16) } as const;
const POLLS_PER_TIMEOUT = 6;
const RETRY_MS = [5, 150] as const;

/**
 * One client of ZooKeeper, as Java's is: keeps a session over connections to one node or another,
 * sends without waiting, pings when it has nothing to say, and sets its watches again.
 */
export class SessionClient {
  readonly id: number;
  /** What it was granted last. */
  timeoutMs: number;
  readonly witness: SessionWitness;
  /** Persistent nodes with numbered names that it has made, to be deleted again. */
  readonly numbered: string[] = [];
  readonly betweenWrites = new BetweenWrites();
  readonly #world: World;
  readonly #random: RandomStream;
  readonly #otherTimeoutsMs: readonly number[];
  readonly #timeoutRandom: RandomStream;
  #credentials: Credentials;
  #connection: SessionConnection | null = null;
  #connections = 0;
  #writes = 0;
  /** Of the newest answer: what its next server must have reached. */
  #lastZxid = 0n;
  /** As they were when the connection was lost. */
  #watches: readonly Watch[] = [];
  #frozenUntilMs = 0;
  #isClosing = false;
  /** Wants no session any more. */
  #isOver = false;
  #servers: NodeId[] = [];

  constructor(world: World, { id, timeoutMs, otherTimeoutsMs }: SessionClientOptions) {
    this.id = id;
    this.timeoutMs = timeoutMs;
    this.#otherTimeoutsMs = otherTimeoutsMs;
    // A stream of its own: what else the client does is as without it.
    this.#timeoutRandom = world.random.split(`timeouts of session client ${id}`);
    this.#world = world;
    this.#random = world.random.split(`session client ${id}`);
    const { model, acknowledged } = world.service;
    const { violations } = world;
    this.witness = new SessionWitness(`client s${id}`, { model, violations, acknowledged });
    this.#credentials = { ...NO_SESSION, timeoutMs };
  }

  start(): void {
    this.#connect();
    this.#poll();
  }

  // ---- for the script, and for faults ----

  get isConnected(): boolean {
    return this.#connection?.isConnected === true && !this.#isFrozen && !this.#isClosing;
  }

  get node(): NodeId | null {
    return this.#connection?.node ?? null;
  }

  get session(): bigint {
    return this.#credentials.session;
  }

  get outstanding(): number {
    return this.#connection?.outstanding.length ?? 0;
  }

  /** A value that nobody else writes, and that says who wrote it. */
  value(): string {
    this.#writes += 1;
    return `s${this.id}.${this.#connections}.${this.#writes}`;
  }

  ask(asked: SessionRequest): void {
    if (!this.isConnected) return;
    if (asked.kind === "closeSession") {
      this.#isClosing = true;
      this.#world.service.expiry.closeAsked(this.session);
    }
    this.#connection?.ask(asked, this.#world.service.acknowledged.newest);
  }

  /** Its process stands still. */
  freeze(ms: number): void {
    const { scheduler } = this.#world;
    this.#frozenUntilMs = Math.max(this.#frozenUntilMs, scheduler.nowMs + ms);
    this.#connection?.link.setStalled(true);
    scheduler.after(ms, "thaw", () => {
      if (!this.#isFrozen) this.#connection?.link.setStalled(false);
    });
  }

  /** The path to its server is cut for so long; it goes elsewhere when it notices. */
  cut(ms: number, lateMsMax?: number): void {
    this.#world.scheduler.after(ms, "uncut", this.cutUntil(lateMsMax));
  }

  /** The same, until what is returned is called; more often does nothing. */
  cutUntil(lateMsMax?: number): () => void {
    let link = this.#connection?.link;
    link?.setCut(true);
    return () => {
      link?.setCut(false, lateMsMax);
      link = undefined;
    };
  }

  /** Leaves its server for another, or for this one, whatever is under way. */
  move(to?: NodeId): void {
    if (this.#connection === null || this.#isFrozen) return;
    if (to !== undefined) this.#servers.push(to);
    this.#leave(this.#connection);
  }

  /** No more sessions: closes the one that it has, or leaves it to its timeout. */
  finish(how: "close" | "vanish"): void {
    this.#isOver = true;
    if (how === "close" && this.isConnected) this.ask({ kind: "closeSession" });
    else if (this.#connection !== null) this.#leave(this.#connection);
  }

  // ---- the connection ----

  get #isFrozen(): boolean {
    return this.#world.scheduler.nowMs < this.#frozenUntilMs;
  }

  /** Each in turn, in an order that is drawn again and again. */
  #nextServer(): NodeId {
    const { nodes } = this.#world.options;
    if (this.#servers.length === 0) this.#servers = this.#random.shuffle(nodes);
    return this.#servers.pop() ?? this.#random.pick(nodes);
  }

  #connect(): void {
    if (this.#isOver) return;
    const node = this.#nextServer();
    const mustWait = this.#isFrozen || this.#world.pace === "quiet";
    if (mustWait || this.#world.node(node).server === null) {
      this.#retry();
      return;
    }
    this.#connections += 1;
    const credentials = { ...this.#credentials, timeoutMs: this.#nextTimeoutMs() };
    const connection: SessionConnection = new SessionConnection(
      this.#world,
      {
        client: this.id,
        number: this.#connections,
        node,
        credentials,
        lastZxidSeen: this.#lastZxid,
      },
      {
        random: this.#random.split(`link ${this.#connections}`),
        events: {
          onConnected: (granted) => this.#connected(connection, granted, credentials.timeoutMs),
          onEvent: ({ change, ...event }) => {
            this.#world.coverage.event(event.txnid === null ? "missed event told" : "watch event");
            this.witness.told({ ...event, kind: change });
          },
          onReply: (outstanding, reply) => this.#replied(connection, outstanding, reply),
          onPong: ({ txnid }) => this.witness.answered(txnid),
          onWatchesSet: (sent, relative, reply) => {
            this.witness.answered(reply.txnid);
            this.witness.watchesSet(sent, relative, reply.txnid);
            this.#world.coverage.event("watches set again");
          },
          onMisbehaved: (what) => this.witness.misbehaved("repliesInOrder", what),
          onLost: () => this.#lost(connection),
        },
      },
    );
    this.#connection = connection;
  }

  #nextTimeoutMs(): number {
    const others = this.#otherTimeoutsMs;
    if (this.session === 0n || others.length === 0) return this.timeoutMs;
    return this.#timeoutRandom.chance(0.4) ? this.#timeoutRandom.pick(others) : this.timeoutMs;
  }

  #retry(): void {
    this.#world.scheduler.after(this.#random.between(...RETRY_MS), "connect", () => {
      if (this.#connection === null) this.#connect();
    });
  }

  #connected(
    connection: SessionConnection,
    credentials: Credentials | null,
    askedMs: number,
  ): void {
    const { coverage, service, scheduler } = this.#world;
    const hadSession = this.session !== 0n;
    if (credentials === null) {
      coverage.event("session found expired");
      const isOpen = service.model.sessions.get(this.session)?.closedBy === null;
      if (isOpen) this.witness.misbehaved("sessionIsKept", "is told that its open session is gone");
      this.#forgetSession();
      this.#leave(connection);
      return;
    }
    if (hadSession && credentials.session !== this.session) {
      this.witness.misbehaved("sessionIsKept", "is given another session than its own");
    }
    const { timeoutMs } = credentials;
    if (timeoutMs !== askedMs) {
      this.witness.misbehaved(
        "sessionIsKept",
        `asks for ${askedMs} ms and is granted ${timeoutMs}`,
      );
    }
    if (timeoutMs !== this.timeoutMs) coverage.event("session's timeout changed");
    this.timeoutMs = timeoutMs;
    this.#credentials = credentials;
    service.writeOrder.connected(this.id, connection, scheduler.nowMs);
    coverage.event(hadSession ? "session moved" : "session opened");
    if (this.#watches.length === 0) return;
    const sent = [...this.#watches].sort(
      (a, b) => WATCH_LISTS.indexOf(a.list) - WATCH_LISTS.indexOf(b.list),
    );
    this.witness.setsWatches();
    connection.setWatches(sent, this.#lastZxid);
  }

  #replied(connection: SessionConnection, outstanding: Outstanding, reply: Reply): void {
    if (reply.txnid > 0n) this.#lastZxid = reply.txnid;
    const { witness, session } = this;
    const { coverage } = this.#world;
    const onCreated = (path: string, isNumbered: boolean, isEphemeral: boolean): void => {
      if (isNumbered && !isEphemeral) this.numbered.push(path);
    };
    const { betweenWrites } = this;
    judgeReply({ witness, coverage, session, betweenWrites, onCreated }, outstanding, reply);
    if (outstanding.asked.kind !== "closeSession" || reply.err !== 0) return;
    coverage.event("session closed");
    this.#forgetSession();
    this.#leave(connection);
  }

  #forgetSession(): void {
    this.#credentials = { ...NO_SESSION, timeoutMs: this.timeoutMs };
    this.#lastZxid = 0n;
    this.witness.renewed();
    this.#watches = [];
  }

  #leave(connection: SessionConnection): void {
    connection.link.hangUp();
    this.#lost(connection);
  }

  #lost(connection: SessionConnection): void {
    if (this.#connection !== connection) return;
    this.#connection = null;
    this.#isClosing = false;
    // Those that could not be set again are still to be.
    const { isSettingWatches, oracle } = this.witness;
    if (connection.isConnected && !isSettingWatches) this.#watches = oracle.watches;
    this.witness.disconnected();
    if (!this.#isOver) this.#retry();
  }

  /** Pings, and looks whether the server is there. */
  #poll(): void {
    const everyMs = this.timeoutMs / POLLS_PER_TIMEOUT;
    this.#world.scheduler.after(everyMs, "session client", () => this.#poll());
    const connection = this.#connection;
    if (connection === null || this.#isFrozen) return;
    const patienceMs = connection.isConnected ? (this.timeoutMs * 2) / 3 : this.timeoutMs / 3;
    if (connection.silentMs > Math.max(patienceMs, everyMs * 2)) this.#leave(connection);
    else if (connection.isConnected && connection.idleMs >= this.timeoutMs / 3) connection.ping();
  }
}
