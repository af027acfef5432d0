import { formatTxnid, QuorateError, toTxnid } from "@quorate/protocol";
import type { ConnectionHost } from "./connection-host.js";
import {
  establish,
  establishReadOnly,
  negotiateTimeout,
  type ConnectPacket,
  type Established,
} from "./handshake.js";

export interface SessionStartEvents {
  /** Null: the session is gone, or the password is wrong. */
  settled(packet: ConnectPacket, established: Established | null): void;
  /** The connection must close without a word; its client tries another server. */
  refused(reason: string, data: Readonly<Record<string, unknown>>): void;
}

/** From a connect request to the session, or to the reason why there is none. */
export class SessionStart {
  readonly #host: ConnectionHost;
  readonly #events: SessionStartEvents;
  /** Waits for the node to serve. */
  #waiting: { readonly packet: ConnectPacket; readonly since: number } | null = null;

  constructor(host: ConnectionHost, events: SessionStartEvents) {
    this.#host = host;
    this.#events = events;
  }

  /** Since when it waits for the node to serve, and how long it would be worth; or null. */
  get waiting(): { readonly since: number; readonly timeoutMs: number } | null {
    if (this.#waiting === null) return null;
    const { packet, since } = this.#waiting;
    return { since, timeoutMs: negotiateTimeout(packet.request.timeOut, this.#host.options) };
  }

  begin(packet: ConnectPacket): void {
    const { options, isServing, service, clock } = this.#host;
    if (packet.request.lastZxidSeen > BigInt.asIntN(64, service.lastApplied)) {
      // Another server may be as new as what the client has seen.
      this.#events.refused("the client has seen more than this node", {
        applied: formatTxnid(toTxnid(service.lastApplied)),
      });
    } else if (isServing) {
      this.#establish(packet);
    } else if (options.isReadOnlyEnabled && packet.asksReadOnly) {
      this.#readOnly(packet);
    } else {
      this.#waiting = { packet, since: clock.now() };
    }
  }

  /** The node serves. */
  goOn(): void {
    if (this.#waiting !== null) this.#establish(this.#waiting.packet);
  }

  #readOnly(packet: ConnectPacket): void {
    const established = establishReadOnly(this.#host, packet);
    if (established === "unknown") {
      this.#events.refused("without a quorum nobody can tell of this session", {});
    } else {
      this.#events.settled(packet, established);
    }
  }

  #establish(packet: ConnectPacket): void {
    this.#waiting = null;
    const { sessionId, passwd } = packet.request;
    if (sessionId !== 0n) this.#host.service.takeOver(BigInt.asUintN(64, sessionId), passwd);
    establish(this.#host, packet, (result) => {
      if (result instanceof QuorateError) {
        this.#events.refused("no session could be had", { code: result.code });
      } else {
        this.#events.settled(packet, result);
      }
    });
  }
}
