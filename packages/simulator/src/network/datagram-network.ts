import {
  DATAGRAM_BYTES_MAX,
  errorCodeOf,
  type BallotDatagram,
  type NodeId,
  type PeerMessenger,
} from "@quorate/protocol";
import type { NodeHost } from "../engine/node-host.js";
import type { RandomStream } from "../engine/random-stream.js";
import type { Scheduler } from "../engine/scheduler.js";
import type { LinkMap } from "./link-map.js";
import type { WireCodec } from "./wire-codec.js";

const REMEMBERED_PER_NODE_MAX = 64;
const BASE_DELAY_MS = 0.1;
const DELAY_SPREAD_MS = 0.4;
const REORDER_DELAY_MS = 80;

export type DatagramFault = "drop" | "duplicate" | "reorder" | "corrupt" | "replay" | "spoof";

export interface DatagramObserver {
  onFault(kind: DatagramFault, from: NodeId, to: NodeId): void;
  onDatagramSent(from: NodeId, to: NodeId, datagram: BallotDatagram): void;
}

interface Endpoint {
  readonly host: NodeHost;
  readonly incarnation: number;
  receiver: ((datagram: BallotDatagram) => void) | null;
}

/** UDP between the nodes: loses, doubles, reorders, damages, replays and forges. */
export class DatagramNetwork {
  readonly #scheduler: Scheduler;
  readonly #random: RandomStream;
  readonly #links: LinkMap;
  readonly #codec: WireCodec;
  readonly #observer: DatagramObserver;
  readonly #endpoints = new Map<NodeId, Endpoint>();
  /** Bytes once sent to a node, for replays. */
  readonly #heard = new Map<NodeId, { from: NodeId; bytes: Uint8Array }[]>();

  constructor(
    deps: { scheduler: Scheduler; random: RandomStream; links: LinkMap; codec: WireCodec },
    observer: DatagramObserver,
  ) {
    this.#scheduler = deps.scheduler;
    this.#random = deps.random;
    this.#links = deps.links;
    this.#codec = deps.codec;
    this.#observer = observer;
  }

  /** The messenger of the host's current incarnation; it takes over from the one before. */
  messenger(host: NodeHost): PeerMessenger {
    const endpoint: Endpoint = { host, incarnation: host.incarnation, receiver: null };
    this.#endpoints.set(host.id, endpoint);
    return {
      send: (to, datagram) => {
        if (!host.mayCall(endpoint.incarnation)) return;
        if (this.#endpoints.get(host.id) === endpoint) this.#send(host.id, to, datagram);
      },
      onDatagram: (receiver) => {
        endpoint.receiver = receiver;
      },
      close: () => {
        endpoint.receiver = null;
        if (this.#endpoints.get(host.id) === endpoint) this.#endpoints.delete(host.id);
        return Promise.resolve();
      },
    };
  }

  /** F13: something once sent to `to` arrives again, from its old sender. */
  replay(to: NodeId): void {
    const heard = this.#heard.get(to) ?? [];
    if (heard.length === 0) return;
    const { from, bytes } = this.#random.pick(heard);
    this.#observer.onFault("replay", from, to);
    this.#deliver(to, bytes, 0);
  }

  /** F13: a forged datagram arrives. */
  spoof(from: NodeId, to: NodeId, datagram: BallotDatagram): void {
    this.#observer.onFault("spoof", from, to);
    this.#deliver(to, this.#codec.encodeDatagram(datagram), 0);
  }

  #send(from: NodeId, to: NodeId, datagram: BallotDatagram): void {
    this.#observer.onDatagramSent(from, to, datagram);
    const bytes = this.#codec.encodeDatagram(datagram);
    const heard = this.#heard.get(to) ?? [];
    heard.push({ from, bytes });
    if (heard.length > REMEMBERED_PER_NODE_MAX) heard.shift();
    this.#heard.set(to, heard);
    const link = this.#links.of(from, to);
    if (link.isCut) return;
    if (link.drop > 0 && this.#random.chance(link.drop)) {
      this.#observer.onFault("drop", from, to);
      return;
    }
    let delayMs = link.extraDelayMs + this.#random.next() * link.jitterMs;
    if (link.reorder > 0 && this.#random.chance(link.reorder)) {
      this.#observer.onFault("reorder", from, to);
      delayMs += this.#random.next() * REORDER_DELAY_MS;
    }
    if (link.duplicate > 0 && this.#random.chance(link.duplicate)) {
      this.#observer.onFault("duplicate", from, to);
      this.#deliver(to, bytes, delayMs + this.#random.next() * REORDER_DELAY_MS);
    }
    const isCorrupt = link.corrupt > 0 && this.#random.chance(link.corrupt);
    if (isCorrupt) this.#observer.onFault("corrupt", from, to);
    this.#deliver(to, isCorrupt ? this.#damage(bytes) : bytes, delayMs, isCorrupt);
  }

  #damage(bytes: Uint8Array): Uint8Array {
    const damaged = bytes.slice(
      0,
      this.#random.chance(0.3) ? this.#random.below(bytes.length) : bytes.length,
    );
    if (damaged.length > 0) {
      const at = this.#random.below(damaged.length);
      damaged[at] = (damaged[at] ?? 0) ^ (1 << this.#random.below(8));
    }
    return damaged;
  }

  #deliver(to: NodeId, bytes: Uint8Array, extraMs: number, isCorrupt = false): void {
    const delayMs = BASE_DELAY_MS + this.#random.next() * DELAY_SPREAD_MS + extraMs;
    this.#scheduler.after(delayMs, `datagram n${to}`, () => {
      const endpoint = this.#endpoints.get(to);
      if (endpoint === undefined || bytes.length > DATAGRAM_BYTES_MAX) return;
      let datagram: BallotDatagram;
      try {
        datagram = this.#codec.decodeDatagram(bytes);
      } catch (error) {
        // Bad bytes are weather; anything but a decoder's own refusal is a defect in it.
        if (this.#codec.refusesByCode && errorCodeOf(error) === undefined) throw error;
        return;
      }
      // What still decodes after damage falls to the checksum of UDP.
      if (isCorrupt) return;
      endpoint.host.enter(endpoint.incarnation, () => endpoint.receiver?.(datagram), true);
    });
  }
}
