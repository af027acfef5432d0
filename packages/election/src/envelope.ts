import type { Clock, DatagramEnvelope, NodeId } from "@quorate/protocol";

/** Starts remembered per peer, with the sequence that each has reached. The oldest is forgotten. */
export const BOOTS_PER_PEER_MAX = 16;
/** Answers to one peer within one answer window. More are not given: the peer asks again. */
export const ANSWERS_PER_WINDOW_MAX = 8;

/**
 * - `fresh`: proved to be of the peer's present start, and newer than all before. May be counted.
 * - `unproved`: does not echo this site's boot id, so it may be a recording. May be answered.
 * - `refused`: of another cluster, of a stranger, or no newer than one before.
 */
export type Arrival = "fresh" | "unproved" | "refused";

interface PeerRecord {
  /** The highest sequence of each start that echoed this site's boot id, the latest last. */
  readonly sequences: Map<bigint, bigint>;
  /** The latest start heard of, proved or not: what to echo. */
  heardBoot: bigint;
  /** What the last datagram to this peer echoed. */
  echoSent: bigint;
  windowStart: number;
  windowAnswers: number;
}

export interface EnvelopeOptions {
  readonly self: NodeId;
  readonly cluster: string;
  readonly bootId: bigint;
  readonly answerWindowMs: number;
}

/**
 * What every datagram has around its message: puts it on, and judges it on arrival.
 *
 * Freshness is a handshake without a message of its own: every datagram echoes the receiver's
 * boot id as last heard. One that echoes mine was sent after I started, and one whose sequence is
 * the highest of its boot id is the newest. What fails the first test is answered (the answer
 * echoes it, so that the next one passes), what fails the second is dropped.
 */
export class Envelope {
  readonly #options: EnvelopeOptions;
  readonly #clock: Clock;
  /** At most one record per node id. */
  readonly #peers = new Map<NodeId, PeerRecord>();
  #sequence = 0n;

  constructor(options: EnvelopeOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  /** Judges one arrival and remembers what it proves. Whether its sender is heard is not asked. */
  judge(datagram: DatagramEnvelope): Arrival {
    const { self, cluster, bootId } = this.#options;
    const { sender } = datagram;
    if (datagram.cluster !== cluster || sender === self || datagram.bootId === 0n) {
      return "refused";
    }
    const peer = this.#peer(sender);
    // A start that seems over is not refused as such: of two starts, the datagram that comes last
    // may be the one that was sent first, and the living one must get through again.
    const reached = peer.sequences.get(datagram.bootId);
    if (reached !== undefined && datagram.sequence <= reached) return "refused";
    peer.heardBoot = datagram.bootId;
    if (datagram.echo !== bootId) return "unproved";
    peer.sequences.delete(datagram.bootId);
    peer.sequences.set(datagram.bootId, datagram.sequence);
    if (peer.sequences.size > BOOTS_PER_PEER_MAX) {
      const [oldest] = peer.sequences.keys();
      if (oldest !== undefined) peer.sequences.delete(oldest);
    }
    return "fresh";
  }

  /** The envelope of the next datagram to a peer. */
  seal(to: NodeId): DatagramEnvelope {
    const peer = this.#peer(to);
    peer.echoSent = peer.heardBoot;
    this.#sequence += 1n;
    const { cluster, self, bootId } = this.#options;
    return { cluster, sender: self, bootId, sequence: this.#sequence, echo: peer.heardBoot };
  }

  /** Takes one of the answers that a peer may have within a window; false when it had them. */
  takeAnswer(to: NodeId): boolean {
    const peer = this.#peer(to);
    const now = this.#clock.now();
    if (now - peer.windowStart >= this.#options.answerWindowMs) {
      peer.windowStart = now;
      peer.windowAnswers = 0;
    }
    if (peer.windowAnswers >= ANSWERS_PER_WINDOW_MAX) return false;
    peer.windowAnswers += 1;
    return true;
  }

  /** Whether the peer could count what was last sent to it. */
  hasEchoed(peer: NodeId): boolean {
    const record = this.#peer(peer);
    return record.echoSent === record.heardBoot;
  }

  /** Whether the peer has ever echoed this start. */
  isHeardBy(peer: NodeId): boolean {
    return this.#peer(peer).sequences.size > 0;
  }

  /** The peer's present start; 0 when unknown. */
  bootOf(peer: NodeId): bigint {
    return this.#peer(peer).heardBoot;
  }

  #peer(id: NodeId): PeerRecord {
    let peer = this.#peers.get(id);
    if (peer === undefined) {
      peer = {
        sequences: new Map(),
        heardBoot: 0n,
        echoSent: 0n,
        windowStart: this.#clock.now(),
        windowAnswers: 0,
      };
      this.#peers.set(id, peer);
    }
    return peer;
  }
}
