import type { QuorateError } from "../errors.js";
import type { NodeId } from "../ids.js";
import type { BallotDatagram, LeaseDatagram, PeerMsg } from "../messages.js";

/**
 * Ballot datagrams: may be lost, repeated, reordered. Delivery is never synchronous from `send`.
 * The adapter drops what is oversized, malformed, of another cluster or version, or carries a
 * wrong HMAC, and counts it; what arrives here is well-formed, from an authentic sender id.
 */
export interface PeerMessenger {
  /** Best effort. Unknown ids and transport errors are dropped and counted. */
  send(to: NodeId, datagram: BallotDatagram): void;
  /** At most one receiver; null removes it. */
  onDatagram(receiver: ((datagram: BallotDatagram) => void) | null): void;
  close(): Promise<void>;
}

/** Datagrams of candidates' leases: as ballots, over the same port, apart from them. */
export interface LeaseMessenger {
  send(to: NodeId, datagram: LeaseDatagram): void;
  /**
   * At most one receiver; null removes it. `reply` sends to where this very datagram came from,
   * which is how a second process under a configured id is told: `send` would reach the first.
   */
  onDatagram(
    receiver: ((datagram: LeaseDatagram, reply: (datagram: LeaseDatagram) => void) => void) | null,
  ): void;
}

export interface PipeEvents {
  /** The messages of one frame, in the order sent. */
  onMessages(messages: readonly PeerMsg[]): void;
  /** Once; nothing follows. The reason is for the log. */
  onClose(reason: QuorateError): void;
}

/**
 * An ordered, reliable byte pipe to one authenticated peer: what arrives is a prefix of what was
 * sent, in order. All that is sent in one turn of the event loop leaves as few frames as possible.
 */
export interface PeerPipe {
  readonly peer: NodeId;
  /** Unique per process; tells apart two pipes of one peer. */
  readonly pipeId: number;
  /** Bytes sent that the network has not taken yet; at most about PIPE_QUEUE_BYTES_MAX. */
  readonly queuedBytes: number;
  /** Messages that arrive before `attach` are kept (bounded) and delivered after it, not in it. */
  attach(events: PipeEvents): void;
  /**
   * Never throws and never blocks. After `close` it does nothing. Above PIPE_QUEUE_BYTES_MAX the
   * pipe closes with ERR_PROTOCOL_OVERFLOW.
   */
  send(message: PeerMsg): void;
  /** Sends what is queued, then closes; idempotent. `onClose` is still called, never within it. */
  close(reason: QuorateError): void;
}

/** Accepts pipes whose handshake succeeded. Open before the first ballot. */
export interface PeerListener {
  /** At most one acceptor. Pipes that come while none is set wait, at most PENDING_PIPES_MAX. */
  onPipe(acceptor: ((pipe: PeerPipe) => void) | null): void;
  close(): Promise<void>;
}

export interface PeerConnector {
  /**
   * One attempt, names resolved anew.
   * @throws (rejects) ERR_PROTOCOL_CLOSED when refused or reset, ERR_PROTOCOL_TIMEOUT,
   * ERR_PROTOCOL_HANDSHAKE and its kin when turned away, ERR_SERVER_CLOSED when aborted.
   */
  connect(to: NodeId, options: { readonly signal: AbortSignal }): Promise<PeerPipe>;
}
