import { setTimeout as pause } from "node:timers/promises";
import {
  ConnectResponse,
  JuteReader,
  ReplyHeader,
  responseRecords,
  WatcherEvent,
  ZkEventType,
  ZkOp,
  ZkXid,
} from "@quorate/zookeeper";
import { noPassword, RawConnection } from "../differential/raw-connection.js";
import { bodyOf } from "../differential/request-bytes.js";
import { SessionChecker, type Asked } from "./session-checker.js";

const CONNECT_MS = 5_000;
const RETRY_MS = 50;

export interface Reply {
  readonly err: number;
  readonly zxid: bigint;
  readonly value: unknown;
}

export interface CheckedSessionOptions {
  readonly name: string;
  readonly servers: readonly string[];
  readonly timeoutMs: number;
  /** Uniform in [0, 1): which server is next. */
  readonly random: () => number;
}

/**
 * A client of the wire that looks for a server for ever, takes its session up again, asks many
 * things at once, and has all that it sees checked. A session that expired is followed by another.
 */
export class CheckedSession {
  /** Of every session that this one had. */
  readonly problems: string[] = [];
  expiries = 0;
  /** Connections that were accepted. */
  connects = 0;
  events = 0;
  /** Where it is, or was last. */
  server = "";
  #checker: SessionChecker;
  #session = { id: 0n, password: noPassword as Uint8Array };
  #connection: RawConnection | null = null;
  #isClosed = false;
  #replies = new Map<number, { readonly type: number; settle(reply: Reply | null): void }>();
  readonly #options: CheckedSessionOptions;

  constructor(options: CheckedSessionOptions) {
    this.#options = options;
    this.#checker = new SessionChecker(options.name);
  }

  get name(): string {
    return this.#options.name;
  }

  get isConnected(): boolean {
    return this.#connection !== null;
  }

  /** Waits for a connection, at some server. False when there is none in time. */
  async connect(deadline: number): Promise<boolean> {
    while (!this.#isClosed && performance.now() < deadline) {
      if (this.isConnected || (await this.#attempt())) return true;
      await pause(RETRY_MS);
    }
    return false;
  }

  /** Null when its outcome is unknown: the connection ended first. Needs a connection. */
  ask(type: number, value: unknown, about?: Omit<Asked, "xid">): Promise<Reply | null> {
    const connection = this.#connection;
    if (connection === null) return Promise.resolve(null);
    const xid = connection.send(type, bodyOf(type, value));
    // What is not checked by itself is checked for its place and its zxid.
    this.#checker.asked({ kind: "exists", path: "", watch: false, ...about, xid });
    return new Promise((resolve) => this.#replies.set(xid, { type, settle: resolve }));
  }

  /** Leaves its server; `connect` looks for another one, and takes the session there. */
  move(): void {
    this.#connection?.drop();
  }

  /** Ends the connection as a crash does. */
  close(): void {
    this.#isClosed = true;
    this.#connection?.drop();
    this.problems.push(...this.#checker.problems);
  }

  async #attempt(): Promise<boolean> {
    const { servers, random, timeoutMs } = this.#options;
    const server = servers[Math.floor(random() * servers.length)] ?? "";
    let first: Uint8Array | null = null;
    let opened: RawConnection | null = null;
    try {
      const raw = await RawConnection.open(server, (arrival) => {
        if (arrival.kind === "closed") this.#onClosed(opened);
        else if (first === null) first = arrival.bytes;
        else this.#onPacket(arrival.bytes);
      });
      opened = raw;
      const { id: sessionId, password } = this.#session;
      const lastZxidSeen = this.#checker.zxid;
      const introduction = { sessionId, password, lastZxidSeen, timeoutMs, readOnly: false };
      const how = await raw.introduce(introduction, CONNECT_MS);
      if (how === "replied" && first !== null && this.#onIntroduced(first) && !raw.isClosed) {
        this.#connection = raw;
        this.connects += 1;
        this.server = server;
        return true;
      }
      raw.drop();
      return false;
    } catch {
      // It does not run, or does not listen yet: the next one is asked.
      return false;
    }
  }

  #onIntroduced(packet: Uint8Array): boolean {
    const { sessionId, passwd } = ConnectResponse.read(new JuteReader(packet));
    if (sessionId === 0n) {
      // It has expired; what the next one sees starts anew.
      this.expiries += 1;
      this.problems.push(...this.#checker.problems);
      this.#checker = new SessionChecker(`${this.#options.name} after ${this.expiries} expiries`);
      this.#session = { id: 0n, password: noPassword };
      return false;
    }
    this.#session = { id: sessionId, password: passwd ?? noPassword };
    return true;
  }

  #onPacket(bytes: Uint8Array): void {
    const reader = new JuteReader(bytes);
    const { xid, zxid, err } = ReplyHeader.read(reader);
    if (xid === ZkXid.notification) {
      const { path, type } = WatcherEvent.read(reader);
      // The others are about the session.
      if (type === ZkEventType.none) return;
      this.events += 1;
      this.#checker.told({ path: path ?? "", zxid });
      return;
    }
    const waiting = this.#replies.get(xid);
    this.#replies.delete(xid);
    const type = waiting?.type ?? ZkOp.error;
    const record = err === 0 ? (responseRecords.get(type) ?? null) : null;
    const value = record?.read(reader) ?? null;
    this.#checker.answered({ xid, zxid, err, mzxid: mzxidOf(value) });
    waiting?.settle({ err, zxid, value });
  }

  #onClosed(connection: RawConnection | null): void {
    if (connection === null || connection !== this.#connection) return;
    this.#connection = null;
    this.#checker.disconnected();
    const lost = [...this.#replies.values()];
    this.#replies.clear();
    for (const { settle } of lost) settle(null);
  }
}

function mzxidOf(value: unknown): bigint | null {
  if (typeof value !== "object" || value === null || !("stat" in value)) return null;
  return (value.stat as { readonly mzxid: bigint }).mzxid;
}
