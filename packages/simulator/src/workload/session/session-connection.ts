import type { NodeId } from "@quorate/protocol";
import { FrameDecoder, PACKET_BYTES_MAX, ZkError, ZkXid } from "@quorate/zookeeper";
import type { Watch } from "../../checkers/service/watch-oracle.js";
import type { RandomStream } from "../../engine/random-stream.js";
import { ByteLink } from "../../network/byte-link.js";
import type { World } from "../../world/world.js";
import type { SessionRequest } from "./request.js";
import {
  decodeConnect,
  decodePacket,
  encodeConnect,
  encodeRequest,
  encodeSetWatches,
  LOGIN,
  PING,
  type Credentials,
  type Granted,
  type Packet,
} from "./zk-wire.js";

export interface Outstanding {
  readonly xid: number;
  readonly asked: SessionRequest;
  /** What everybody had been answered when it was sent. */
  readonly acknowledged: bigint;
}

export type Reply = Extract<Packet, { kind: "reply" }>;
export type ToldPacket = Extract<Packet, { kind: "event" }>;

export interface ConnectionEvents {
  /** Null: the session is gone. */
  onConnected(granted: Granted | null): void;
  onEvent(event: ToldPacket): void;
  onReply(outstanding: Outstanding, reply: Reply): void;
  onPong(reply: Reply): void;
  onWatchesSet(sent: readonly Watch[], relative: bigint, reply: Reply): void;
  /** An answer that nothing has asked for, or out of turn. */
  onMisbehaved(what: string): void;
  /** The other side closed it. */
  onLost(): void;
}

export interface ConnectionOptions {
  readonly client: number;
  readonly number: number;
  readonly node: NodeId;
  readonly credentials: Credentials;
  readonly lastZxidSeen: bigint;
  readonly asksReadOnly: boolean;
}

/** One connection of a session client: packets in order, and what is under way. */
export class SessionConnection {
  readonly number: number;
  readonly node: NodeId;
  readonly link: ByteLink;
  readonly #world: World;
  readonly #events: ConnectionEvents;
  readonly #decoder = new FrameDecoder(PACKET_BYTES_MAX);
  readonly #outstanding: Outstanding[] = [];
  isReadOnly = false;
  #session: bigint | null = null;
  #xid = 0;
  #heardAtMs: number;
  #sentAtMs: number;
  #pings = 0;
  #setWatches: { readonly sent: readonly Watch[]; readonly relative: bigint } | null = null;

  /** The node must be alive. */
  constructor(
    world: World,
    options: ConnectionOptions,
    deps: { readonly random: RandomStream; readonly events: ConnectionEvents },
  ) {
    const { client, number, node } = options;
    const { host, server } = world.node(node);
    this.#world = world;
    this.#events = deps.events;
    this.number = number;
    this.node = node;
    this.#heardAtMs = world.scheduler.nowMs;
    this.#sentAtMs = world.scheduler.nowMs;
    this.link = new ByteLink(
      host,
      { id: client, port: number },
      {
        random: deps.random,
        events: {
          onData: (bytes) => this.#received(bytes),
          onClosed: () => deps.events.onLost(),
          onTaken: () => {
            // Of those who only read no leader is told, and they are told nothing of sessions.
            if (this.#session === null || this.isReadOnly) return;
            world.service.expiry.lives(this.#session, node, world.scheduler.nowMs);
          },
          onWritten: () => {
            if (this.#session === null || this.isReadOnly) return;
            const isServing = world.node(node).status()?.isReady === true;
            const { timerLateMs } = host.clock;
            const speaker = { node, isServing, goesOnSinceMs: host.resumedAtMs, timerLateMs };
            world.service.expiry.speaksTo(this.#session, speaker, world.scheduler.nowMs);
          },
        },
      },
    );
    host.enter(host.incarnation, () => {
      if (server?.accept?.(this.link) !== true) this.link.destroy();
    });
    const { credentials, lastZxidSeen, asksReadOnly } = options;
    this.#send(encodeConnect(credentials, lastZxidSeen, asksReadOnly));
  }

  get isConnected(): boolean {
    return this.#session !== null;
  }

  get outstanding(): readonly Outstanding[] {
    return this.#outstanding;
  }

  get silentMs(): number {
    return this.#world.scheduler.nowMs - this.#heardAtMs;
  }

  get idleMs(): number {
    return this.#world.scheduler.nowMs - this.#sentAtMs;
  }

  ask(asked: SessionRequest, acknowledged: bigint): void {
    this.#xid += 1;
    this.#outstanding.push({ xid: this.#xid, asked, acknowledged });
    this.#send(encodeRequest(this.#xid, asked));
  }

  setWatches(sent: readonly Watch[], relative: bigint): void {
    this.#setWatches = { sent, relative };
    this.#send(encodeSetWatches(relative, sent));
  }

  /** Proves who it is; holds for all that is asked behind it. */
  logIn(): void {
    this.#send(LOGIN);
  }

  ping(): void {
    this.#pings += 1;
    this.#send(PING);
  }

  #send(bytes: Uint8Array): void {
    this.#sentAtMs = this.#world.scheduler.nowMs;
    this.link.send(bytes);
  }

  #received(bytes: Uint8Array): void {
    this.#heardAtMs = this.#world.scheduler.nowMs;
    this.#decoder.push(bytes);
    for (let packet = this.#decoder.next(); packet !== null; packet = this.#decoder.next()) {
      if (this.#session === null) this.#connected(decodeConnect(packet));
      else this.#take(decodePacket(packet));
    }
  }

  #connected(granted: Granted | null): void {
    if (granted !== null) {
      this.#session = granted.session;
      this.isReadOnly = granted.isReadOnly;
    }
    this.#events.onConnected(granted);
  }

  #take(packet: Packet): void {
    if (packet.kind === "event") this.#events.onEvent(packet);
    else if (packet.xid === ZkXid.ping) this.#pong(packet);
    else if (packet.xid === ZkXid.auth) this.#loggedIn(packet);
    else if (packet.xid === ZkXid.setWatches) this.#watchesSet(packet);
    else this.#replied(packet);
  }

  #loggedIn({ err }: Reply): void {
    if (err !== ZkError.ok) this.#events.onMisbehaved(`is refused its login: ${err}`);
  }

  #pong(reply: Reply): void {
    if (this.#pings === 0) this.#events.onMisbehaved("is answered a ping that it did not send");
    this.#pings -= 1;
    this.#events.onPong(reply);
  }

  #watchesSet(reply: Reply): void {
    const set = this.#setWatches;
    this.#setWatches = null;
    if (set === null)
      this.#events.onMisbehaved("is told that watches are set which it did not set");
    else this.#events.onWatchesSet(set.sent, set.relative, reply);
  }

  #replied(reply: Reply): void {
    const [head] = this.#outstanding;
    if (head?.xid !== reply.xid || this.#setWatches !== null) {
      this.#events.onMisbehaved(`is answered ${reply.xid} before ${head?.xid ?? "nothing"}`);
      return;
    }
    this.#outstanding.shift();
    this.#events.onReply(head, reply);
  }
}
