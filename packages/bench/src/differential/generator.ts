import { ZkOp } from "@quorate/zookeeper";
import { Dice } from "./dice.js";
import {
  badAuthOf,
  createOf,
  goodAuthOf,
  malformedOf,
  plainRequestOf,
  setWatchesOf,
  unknownTypes,
  type Request,
} from "./generate-requests.js";
import { QUOTA_NODES, quotaOf, someLimits, someTop } from "./generate-values.js";
import { bodyOf } from "./request-bytes.js";
import type { SessionWish, Step } from "./steps.js";

const CONNECTIONS_MAX = 5;
const SERVERS = 3;
/** So long that a slow machine expires nobody. */
const TIMEOUT_MS = 60_000;
/** Of a session that is meant to expire. */
const TIMEOUT_SHORT_MS = 3_000;
/** More than any server gives. */
const TIMEOUT_MS_MAX = 2_147_483_647;
/** Sessions without a connection that may be taken up again. */
const DROPPED_MAX = 4;

/** Makes a sequence of steps: the same for the same seed. */
export function generate(seed: number, count: number): readonly Step[] {
  return new Generator(seed).steps(count);
}

/**
 * Chooses without knowing any answer, so that both sides are asked the same whatever they say. It
 * keeps in mind which connections should be open, no more.
 */
class Generator {
  readonly #dice: Dice;
  readonly #steps: Step[] = [];
  /** Those that should be open. */
  #open: { readonly connection: number; readonly session: number }[] = [];
  /** The last connections of sessions that have none, or whose end is likely. */
  #dropped: { readonly connection: number; readonly session: number }[] = [];
  #connections = 0;
  #sessions = 0;

  constructor(seed: number) {
    this.#dice = new Dice(seed);
  }

  steps(count: number): readonly Step[] {
    for (let server = 0; server < SERVERS; server += 1) this.#openNew(server);
    while (this.#steps.length < count) this.#one();
    return this.#steps.slice(0, count);
  }

  #one(): void {
    const dice = this.#dice;
    if (this.#open.length === 0) {
      this.#openNew();
      return;
    }
    dice.weighted<() => void>([
      [100, () => this.#request(plainRequestOf(dice))],
      [1, () => this.#openNew()],
      [1.2, () => this.#drop()],
      [2, () => this.#resume()],
      [0.4, () => this.#steal()],
      [0.4, () => this.#resumeBadly()],
      [0.4, () => this.#close()],
      [0.5, () => this.#malformed()],
      [0.15, () => this.#unknown()],
      [0.3, () => this.#badAuth()],
      [0.6, () => this.#quota()],
      [0.15, () => this.#expire()],
    ])();
  }

  #some(): { readonly connection: number; readonly session: number } {
    const found = this.#dice.ofAny(this.#open);
    if (found === null) throw new Error("no connection is open");
    return found;
  }

  #request({ type, value }: Request, connection = this.#some().connection): void {
    this.#steps.push({ do: "request", connection, type, value });
  }

  #openNew(server = this.#dice.below(SERVERS), timeoutMs = TIMEOUT_MS): number | null {
    if (this.#open.length >= CONNECTIONS_MAX) return null;
    this.#sessions += 1;
    const wished = timeoutMs === TIMEOUT_MS && this.#dice.chance(0.1) ? TIMEOUT_MS_MAX : timeoutMs;
    const connection = this.#pushOpen(server, { kind: "new" }, wished);
    this.#open.push({ connection, session: this.#sessions });
    if (this.#dice.chance(0.4)) this.#request(goodAuthOf(this.#dice), connection);
    return connection;
  }

  #pushOpen(server: number, session: SessionWish, timeoutMs = TIMEOUT_MS): number {
    const connection = this.#connections;
    this.#connections += 1;
    const readOnly = this.#dice.of([false, false, true, null]);
    this.#steps.push({ do: "open", connection, server, session, timeoutMs, readOnly });
    return connection;
  }

  #drop(): void {
    const one = this.#some();
    this.#steps.push({ do: "drop", connection: one.connection });
    this.#forget(one);
  }

  /** It has no connection any more; its session may be taken up again. */
  #forget(one: { readonly connection: number; readonly session: number }): void {
    this.#open = this.#open.filter(({ connection }) => connection !== one.connection);
    this.#dropped = [...this.#dropped, one].slice(-DROPPED_MAX);
  }

  #resume(): void {
    const dice = this.#dice;
    const one = dice.ofAny(this.#dropped);
    if (one === null || this.#open.length >= CONNECTIONS_MAX) return;
    this.#dropped = this.#dropped.filter((other) => other !== one);
    const connection = this.#pushOpen(dice.below(SERVERS), {
      kind: "resume",
      of: one.connection,
      password: "right",
      zxid: dice.of(["seen", "seen", "none"]),
    });
    this.#open.push({ connection, session: one.session });
    if (!dice.chance(0.7)) return;
    const { type, value } = setWatchesOf(dice);
    const relative = dice.chance(0.8) ? { relativeZxid: "seenAtDrop" as const } : {};
    this.#steps.push({ do: "request", connection, type, value, ...relative });
  }

  /**
   * Takes a session from a connection that is open: its server is not told. Of what the old one may
   * still do, only a write is asked for: the rest depends on whether ZooKeeper's server leads.
   */
  #steal(): void {
    const { connection: of, session } = this.#some();
    const wish = { kind: "resume", of, password: "right", zxid: "seen" } as const;
    const connection = this.#pushOpen(this.#dice.below(SERVERS), wish);
    if (this.#dice.chance(0.7)) this.#request(createOf(this.#dice), of);
    this.#steps.push({ do: "drop", connection: of });
    this.#open = this.#open.filter((one) => one.connection !== of);
    this.#open.push({ connection, session });
  }

  #resumeBadly(): void {
    const dice = this.#dice;
    const one = dice.ofAny(this.#dropped);
    if (one === null) return;
    const password = dice.of(["wrong", "wrong", "empty", "null", "right"] as const);
    // With the right password it is the zxid that is refused.
    const zxid = password === "right" ? "future" : dice.of(["seen", "none"] as const);
    this.#pushOpen(dice.below(SERVERS), {
      kind: "resume",
      of: one.connection,
      password,
      zxid,
    });
  }

  #close(): void {
    const one = this.#some();
    this.#request({ type: ZkOp.closeSession, value: null }, one.connection);
    this.#open = this.#open.filter(({ session }) => session !== one.session);
    // A session that was closed is asked for once more, some of the time.
    this.#dropped = [...this.#dropped, one].slice(-DROPPED_MAX);
  }

  #malformed(): void {
    const one = this.#some();
    this.#steps.push({ do: "raw", connection: one.connection, ...malformedOf(this.#dice) });
  }

  #unknown(): void {
    const one = this.#some();
    const { connection } = one;
    const bytes = bodyOf(ZkOp.exists, { path: "/a", watch: false });
    this.#steps.push({ do: "raw", connection, type: this.#dice.of([...unknownTypes]), bytes });
    this.#forget(one);
  }

  #badAuth(): void {
    const one = this.#some();
    this.#request(badAuthOf(this.#dice), one.connection);
    this.#forget(one);
  }

  /** Gives a subtree limits, changes them, or asks for what is counted. */
  #quota(): void {
    const dice = this.#dice;
    const { connection } = this.#some();
    const path = quotaOf(someTop(dice));
    const create = (at: string, data: Uint8Array): void => {
      const acl = [{ perms: 31, id: { scheme: "world", id: "anyone" } }];
      this.#request({ type: ZkOp.create, value: { path: at, data, acl, flags: 0 } }, connection);
    };
    const [limits, stats] = [`${path}/${QUOTA_NODES[0]}`, `${path}/${QUOTA_NODES[1]}`];
    dice.weighted<() => void>([
      [
        3,
        () => {
          create(path, new Uint8Array(0));
          create(limits, someLimits(dice));
          if (dice.chance(0.8)) create(stats, new TextEncoder().encode("count=0,bytes=0"));
        },
      ],
      [2, () => this.#setLimits(limits, connection)],
      [
        3,
        () => {
          const value = { path: stats, watch: dice.chance(0.3) };
          this.#request({ type: ZkOp.getData, value }, connection);
        },
      ],
      [1, () => this.#request({ type: ZkOp.delete, value: { path: limits, version: -1 } })],
      [1, () => this.#request({ type: ZkOp.delete, value: { path: stats, version: -1 } })],
    ])();
  }

  #setLimits(path: string, connection: number): void {
    const value = { path, data: someLimits(this.#dice), version: -1 };
    this.#request({ type: ZkOp.setData, value }, connection);
  }

  /** A session of its own, with ephemeral nodes that others watch, until it expires. */
  #expire(): void {
    const dice = this.#dice;
    const connection = this.#openNew(dice.below(SERVERS), TIMEOUT_SHORT_MS);
    if (connection === null) return;
    const others = this.#open.filter((one) => one.connection !== connection);
    for (let i = 0; i < 1 + dice.below(3); i += 1) {
      const { value } = createOf(dice);
      const { path, data, acl } = value as { path: string | null; data: null; acl: null };
      const created = { path, data, acl, flags: 1 };
      this.#request({ type: ZkOp.create, value: created }, connection);
      const other = dice.ofAny(others);
      if (other === null) continue;
      const watched = { path, watch: true };
      this.#request({ type: ZkOp.exists, value: watched }, other.connection);
    }
    this.#steps.push({ do: "expire", connection });
    this.#open = others;
    this.#dropped = [...this.#dropped, { connection, session: this.#sessions }].slice(-DROPPED_MAX);
  }
}
