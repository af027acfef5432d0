import type {
  BallotDatagram,
  Clock,
  NodeId,
  PeerMessenger,
  QuorumVerifier,
  VoteMsg,
} from "@quorate/protocol";
import { DoubleSuspicion, FOREIGN_SIGNS_MS, SILENT_RESENDS_MAX } from "./double-suspicion.js";
import { Envelope, type Arrival, type EnvelopeOptions } from "./envelope.js";

export interface BallotMessengerOptions extends EnvelopeOptions {
  readonly quorum: QuorumVerifier;
  readonly resendMsMax: number;
}

/** Sends and judges ballots: their envelope, and who may be heard. */
export class BallotMessenger {
  readonly #options: BallotMessengerOptions;
  readonly #messenger: PeerMessenger;
  readonly #envelope: Envelope;
  /** Of this very node. */
  readonly #ownDouble: DoubleSuspicion;

  constructor(options: BallotMessengerOptions, messenger: PeerMessenger, clock: Clock) {
    this.#options = options;
    this.#messenger = messenger;
    this.#envelope = new Envelope(options, clock);
    const silenceMsMax = SILENT_RESENDS_MAX * options.resendMsMax;
    this.#ownDouble = new DoubleSuspicion({ lastingMs: FOREIGN_SIGNS_MS, silenceMsMax }, clock);
  }

  judge(datagram: BallotDatagram): Arrival {
    const { sender, vote } = datagram;
    if (!this.#options.quorum.voterIds.includes(sender) && !vote.solicit) return "refused";
    const arrival = this.#envelope.judge(datagram);
    if (arrival === "unproved") this.#noteEcho(datagram);
    return arrival;
  }

  /**
   * Whether another node evidently sends ballots under this node's id: peers go on echoing one and
   * the same start that is not this one's. Says so once for each start.
   */
  takeDoubleSuspicion(): boolean {
    return this.#ownDouble.take();
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

  /**
   * A peer that has not heard this start goes on echoing the one before, for as long as what is
   * sent to it gets lost. One that has heard it has heard any other start since.
   */
  #noteEcho({ sender, bootId, sequence, echo }: BallotDatagram): void {
    if (echo === 0n || !this.#envelope.isHeardBy(sender)) return;
    this.#ownDouble.note({ start: echo, source: bootId, sequence });
  }

  #send(to: NodeId, vote: VoteMsg): void {
    this.#messenger.send(to, { ...this.#envelope.seal(to), vote });
  }
}
