import { setTimeout as pause } from "node:timers/promises";
import {
  ConnectResponse,
  JuteReader,
  ReplyHeader,
  WatcherEvent,
  ZkEventType,
  ZkOp,
  ZkXid,
} from "@quorate/zookeeper";
import { noPassword, RawConnection } from "../differential/raw-connection.js";
import { bodyOf } from "../differential/request-bytes.js";

/** In a storm of thousands a server answers who came last after all before. */
const ANSWER_MS = 20_000;
const RETRY_MS = 100;
/** As clients do: there is time for another ping, and for another server. */
const PINGS_PER_TIMEOUT = 3;
const OPEN_ACL = [{ perms: 31, id: { scheme: "world", id: "anyone" } }];

export interface IdleSessionOptions {
  readonly servers: readonly string[];
  readonly timeoutMs: number;
  /** Which server is asked first; the others follow in turn. */
  readonly first: number;
  /** Its own node, which ends with it. */
  readonly ephemeral: string;
  /** The node that it watches. */
  readonly watched: string;
}

/**
 * A client that holds one ephemeral and one watch, and does nothing but ping. It looks for a server
 * for ever, and brings its watch along, as ZooKeeper's own do.
 */
export class IdleSession {
  /** Connections that ended. */
  drops = 0;
  expiries = 0;
  /** Events of the watched node. */
  events = 0;
  /** `performance.now()` when it was last taken in by a server. */
  connectedAt = 0;
  readonly #options: IdleSessionOptions;
  #session = { id: 0n, password: noPassword as Uint8Array };
  #zxid = 0n;
  #connection: RawConnection | null = null;
  #pings: NodeJS.Timeout | null = null;
  #isClosed = false;
  #next: number;

  constructor(options: IdleSessionOptions) {
    this.#options = options;
    this.#next = options.first;
  }

  get isConnected(): boolean {
    return this.#connection !== null;
  }

  /** @throws (rejects) when there is no session, ephemeral or watch by then. */
  async open(deadline: number): Promise<void> {
    await this.#connect(deadline);
    const { ephemeral, watched } = this.#options;
    const created = { path: ephemeral, data: null, acl: OPEN_ACL, flags: 1 };
    await this.#must(ZkOp.create, created);
    await this.#must(ZkOp.getData, { path: watched, watch: true });
  }

  /** As a crash does: the session goes on until it expires. */
  close(): void {
    this.#isClosed = true;
    this.#connection?.drop();
  }

  async #connect(deadline: number): Promise<void> {
    while (!this.#isClosed) {
      if (await this.#attempt()) return;
      if (performance.now() > deadline) throw new Error("a session found no server");
      await pause(RETRY_MS);
    }
  }

  async #attempt(): Promise<boolean> {
    const { servers, timeoutMs } = this.#options;
    const server = servers[this.#next % servers.length] ?? "";
    this.#next += 1;
    let opened: RawConnection | null = null;
    let first: Uint8Array | null = null;
    try {
      const raw = await RawConnection.open(server, (arrival) => {
        if (arrival.kind === "closed") this.#onClosed(opened);
        else if (first === null) first = arrival.bytes;
        else this.#onPacket(arrival.bytes);
      });
      opened = raw;
      const { id: sessionId, password } = this.#session;
      const introduction = { sessionId, password, timeoutMs, readOnly: false };
      const how = await raw.introduce({ ...introduction, lastZxidSeen: this.#zxid }, ANSWER_MS);
      if (how !== "replied" || first === null || raw.isClosed || !this.#introduced(first)) {
        raw.drop();
        return false;
      }
      this.#connection = raw;
    } catch {
      // It does not run, or does not listen yet: the next one is asked.
      return false;
    }
    this.#connectedNow(this.#connection);
    return true;
  }

  #connectedNow(connection: RawConnection): void {
    this.connectedAt = performance.now();
    const { timeoutMs, watched } = this.#options;
    this.#pings = setInterval(
      () => connection.send(ZkOp.ping, noBody),
      timeoutMs / PINGS_PER_TIMEOUT,
    );
    if (this.drops === 0) return;
    const watches = { dataWatches: [watched], existWatches: [], childWatches: [] };
    connection.send(
      ZkOp.setWatches,
      bodyOf(ZkOp.setWatches, { relativeZxid: this.#zxid, ...watches }),
    );
  }

  /** False when the session is gone: it is counted, and not followed by another. */
  #introduced(packet: Uint8Array): boolean {
    const { sessionId, passwd } = ConnectResponse.read(new JuteReader(packet));
    if (sessionId === 0n) {
      this.expiries += 1;
      this.#isClosed = true;
      return false;
    }
    this.#session = { id: sessionId, password: passwd ?? noPassword };
    return true;
  }

  #onPacket(bytes: Uint8Array): void {
    const reader = new JuteReader(bytes);
    const { xid, zxid } = ReplyHeader.read(reader);
    if (zxid > this.#zxid) this.#zxid = zxid;
    if (xid !== ZkXid.notification) return;
    if (WatcherEvent.read(reader).type !== ZkEventType.none) this.events += 1;
  }

  #onClosed(connection: RawConnection | null): void {
    if (connection === null || connection !== this.#connection) return;
    this.#connection = null;
    if (this.#pings !== null) clearInterval(this.#pings);
    this.drops += 1;
    // Whoever runs it asks how many are connected, and bounds that.
    void this.#connect(Infinity);
  }

  async #must(type: number, value: unknown): Promise<void> {
    const how = await this.#connection?.request(type, bodyOf(type, value), ANSWER_MS);
    if (how !== "replied")
      throw new Error(`no answer to a request of type ${type}: ${how ?? "closed"}`);
  }
}

const noBody = new Uint8Array(0);
