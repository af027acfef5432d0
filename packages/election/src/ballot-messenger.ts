import type {
  BallotDatagram,
  Clock,
  NodeId,
  PeerMessenger,
  QuorumVerifier,
  VoteMsg,
} from "@quorate/protocol";
import { Envelope, type Arrival, type EnvelopeOptions } from "./envelope.js";

export interface BallotMessengerOptions extends EnvelopeOptions {
  readonly quorum: QuorumVerifier;
}

/** Sends and judges ballots: their envelope, and who may be heard. */
export class BallotMessenger {
  readonly #options: BallotMessengerOptions;
  readonly #messenger: PeerMessenger;
  readonly #envelope: Envelope;

  constructor(options: BallotMessengerOptions, messenger: PeerMessenger, clock: Clock) {
    this.#options = options;
    this.#messenger = messenger;
    this.#envelope = new Envelope(options, clock);
  }

  judge(datagram: BallotDatagram): Arrival {
    const { sender, vote } = datagram;
    if (!this.#options.quorum.voterIds.includes(sender) && !vote.solicit) return "refused";
    return this.#envelope.judge(datagram);
  }

  /** See {@link Envelope.takeDoubleSuspicion}. */
  takeDoubleSuspicion(): boolean {
    return this.#envelope.takeDoubleSuspicion();
  }

  /** To every other configured voter. */
  multicast(vote: VoteMsg): void {
    for (const voter of this.#options.quorum.voterIds) {
      if (voter !== this.#options.self) this.#send(voter, vote);
    }
  }

  /** To one peer, which asked in some way. False when it has had its answers for now. */
  answer(to: NodeId, vote: VoteMsg): boolean {
    if (!this.#envelope.takeAnswer(to)) return false;
    this.#send(to, vote);
    return true;
  }

  hasEchoed(peer: NodeId): boolean {
    return this.#envelope.hasEchoed(peer);
  }

  bootOf(peer: NodeId): bigint {
    return this.#envelope.bootOf(peer);
  }

  #send(to: NodeId, vote: VoteMsg): void {
    this.#messenger.send(to, { ...this.#envelope.seal(to), vote });
  }
}
