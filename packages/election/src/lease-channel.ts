import {
  EPOCH_ZERO,
  type Clock,
  type LeaseDatagram,
  type LeaseMessenger,
  type LeaseMsg,
  type NodeId,
  type QuorumVerifier,
} from "@quorate/protocol";
import { BOOTS_PER_PEER_MAX, Envelope, type EnvelopeOptions } from "./envelope.js";

/** What is heard of a start so long after another began is hardly a straggler of a restart... */
export const DUPLICATE_AFTER_MS = 1000;
/** ...and so many datagrams are none. One that leads or follows a leader sends as many in 0.5 s. */
export const DUPLICATE_PROOFS_MIN = 5;
/** An older start that was silent for so long may be over. */
export const DUPLICATE_RECENT_MS = 3000;

export interface LeaseArrival {
  readonly from: NodeId;
  readonly bootId: bigint;
  readonly lease: LeaseMsg;
  /** This start of the sender became known only now: what was sent to it before did not count. */
  readonly isNewlyKnown: boolean;
}

interface Start {
  readonly firstHeard: number;
  /** Datagrams that proved to be of an older start, DUPLICATE_AFTER_MS and more after that. */
  olderProofs: number;
  olderProvedAt: number;
}

/** Sends and judges lease datagrams: their envelope, and two processes under one id. */
export class LeaseChannel {
  readonly #options: EnvelopeOptions & { readonly quorum: QuorumVerifier };
  readonly #messenger: LeaseMessenger;
  readonly #clock: Clock;
  readonly #envelope: Envelope;
  readonly #starts = new Map<NodeId, Map<bigint, Start>>();

  constructor(
    options: EnvelopeOptions & { readonly quorum: QuorumVerifier },
    messenger: LeaseMessenger,
    clock: Clock,
    onArrival: (arrival: LeaseArrival) => void,
  ) {
    this.#options = options;
    this.#messenger = messenger;
    this.#clock = clock;
    this.#envelope = new Envelope(options, clock);
    messenger.onDatagram((datagram, reply) => this.#receive(datagram, reply, onArrival));
  }

  multicast(lease: LeaseMsg): void {
    for (const voter of this.#options.quorum.voterIds) {
      if (voter !== this.#options.self) this.send(voter, lease);
    }
  }

  send(to: NodeId, lease: LeaseMsg): void {
    this.#messenger.send(to, { ...this.#envelope.seal(to), lease });
  }

  /** As `send`, of a bounded number within a time: what asks may be anyone's recording. */
  answer(to: NodeId, lease: LeaseMsg): void {
    if (this.#envelope.takeAnswer(to)) this.send(to, lease);
  }

  close(): void {
    this.#messenger.onDatagram(null);
  }

  #receive(
    datagram: LeaseDatagram,
    reply: (answer: LeaseDatagram) => void,
    onArrival: (arrival: LeaseArrival) => void,
  ): void {
    const { sender, bootId, lease } = datagram;
    if (!this.#options.quorum.voterIds.includes(sender)) return;
    const arrival = this.#envelope.judge(datagram);
    if (arrival === "refused") return;
    if (this.#isYoungerDouble(sender, bootId, arrival === "fresh")) {
      if (!this.#envelope.takeAnswer(sender)) return;
      const told: LeaseMsg = { ...NOTE, act: "duplicate" };
      reply({ ...this.#envelope.seal(sender), lease: told });
      return;
    }
    if (arrival === "unproved") {
      this.answer(sender, NOTE);
      return;
    }
    const isNewlyKnown = !this.#envelope.hasEchoed(sender);
    onArrival({ from: sender, bootId, lease, isNewlyKnown });
  }

  /**
   * Whether another start of the sender is alive that was heard of before this one. A restart
   * shows the older start first and then never again, apart from stragglers. Only what is proved
   * counts for the older one: a recording must not shut the living one out.
   */
  #isYoungerDouble(sender: NodeId, bootId: bigint, isFresh: boolean): boolean {
    const now = this.#clock.now();
    const starts = this.#startsOf(sender);
    let start = starts.get(bootId);
    if (start === undefined) {
      start = { firstHeard: now, olderProofs: 0, olderProvedAt: now };
      starts.set(bootId, start);
      if (starts.size > BOOTS_PER_PEER_MAX) {
        const [oldest] = starts.keys();
        if (oldest !== undefined) starts.delete(oldest);
      }
    }
    if (isFresh) {
      // In the order in which they were first heard.
      const all = [...starts.values()];
      for (const younger of all.slice(all.indexOf(start) + 1)) {
        if (now - younger.firstHeard < DUPLICATE_AFTER_MS) continue;
        younger.olderProofs += 1;
        younger.olderProvedAt = now;
      }
    }
    const isRecent = now - start.olderProvedAt <= DUPLICATE_RECENT_MS;
    return isRecent && start.olderProofs >= DUPLICATE_PROOFS_MIN;
  }

  #startsOf(sender: NodeId): Map<bigint, Start> {
    let starts = this.#starts.get(sender);
    if (starts === undefined) this.#starts.set(sender, (starts = new Map<bigint, Start>()));
    return starts;
  }
}

const NOTE: LeaseMsg = { kind: "lease", act: "note", term: EPOCH_ZERO, beat: 0, leaseMs: 0 };
