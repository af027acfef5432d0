import {
  errorCodeOf,
  PIPE_QUEUE_BYTES_MAX,
  QuorateError,
  type NodeId,
  type PeerMsg,
  type PeerPipe,
  type PipeEvents,
} from "@quorate/protocol";
import type { NodeHost } from "../engine/node-host.js";
import type { Channel } from "./channel.js";
import type { WireCodec } from "./wire-codec.js";

/** Frames received before `attach`; a real socket would stop reading here. */
const EARLY_FRAMES_MAX = 10_000;
const DRAIN_MS = 2000;

export interface PipeObserver {
  onMessageSent(pipe: PipeEnd, message: PeerMsg): void;
  onMessagesReceived(pipe: PipeEnd, messages: readonly PeerMsg[]): void;
  onOverflow(pipe: PipeEnd): void;
}

/** One end of a pipe, in one incarnation of one node. */
export class PipeEnd implements PeerPipe {
  readonly peer: NodeId;
  readonly pipeId: number;
  readonly host: NodeHost;
  readonly incarnation: number;
  readonly #codec: WireCodec;
  readonly #observer: PipeObserver;
  readonly #out: Channel;
  readonly #early: (readonly PeerMsg[])[] = [];
  #turn: PeerMsg[] = [];
  #isFlushPlanned = false;
  #events: PipeEvents | null = null;
  #closeReason: QuorateError | null = null;
  #isCloseReported = false;
  /** The application closed it or heard of its end; what arrives later is dropped. */
  #isShut = false;
  #drainUntilMs = 0;

  constructor(
    options: { peer: NodeId; pipeId: number; host: NodeHost },
    deps: { codec: WireCodec; observer: PipeObserver; out: Channel },
  ) {
    this.peer = options.peer;
    this.pipeId = options.pipeId;
    this.host = options.host;
    this.incarnation = options.host.incarnation;
    this.#codec = deps.codec;
    this.#observer = deps.observer;
    this.#out = deps.out;
  }

  get isShut(): boolean {
    return this.#isShut;
  }

  /** Closed in good order: what still arrives is read and dropped, and nothing is reset by it. */
  get isDraining(): boolean {
    return this.host.scheduler.nowMs < this.#drainUntilMs;
  }

  /** Bytes that wait towards the peer. */
  get queuedBytes(): number {
    return this.#out.queuedBytes;
  }

  attach(events: PipeEvents): void {
    this.#events = events;
    if (this.#early.length === 0 && this.#closeReason === null) return;
    this.host.after(0, `pipe attach n${this.host.id}`, () => {
      for (const messages of this.#early.splice(0)) {
        if (this.#isShut) break;
        this.#deliver(messages);
      }
      this.#reportClose();
    });
  }

  send(message: PeerMsg): void {
    if (this.#isShut || !this.host.mayCall(this.incarnation)) return;
    this.#observer.onMessageSent(this, message);
    this.#turn.push(message);
    if (this.#isFlushPlanned) return;
    this.#isFlushPlanned = true;
    this.host.after(0, `pipe flush n${this.host.id}`, () => this.#flush());
  }

  close(reason: QuorateError): void {
    if (this.#isShut || !this.host.mayCall(this.incarnation)) return;
    this.#flush();
    this.#isShut = true;
    this.#drainUntilMs = this.host.scheduler.nowMs + DRAIN_MS;
    this.#out.finish(`closed by the peer: ${reason.code}`);
    this.#planClose(reason);
  }

  /** The kernel's side: the connection is gone. */
  reset(reason: QuorateError): void {
    if (this.#isShut) return;
    this.#isShut = true;
    this.#turn = [];
    this.#planClose(reason);
  }

  /** The peer's last byte has been read. */
  end(text: string): void {
    if (this.#isShut) return;
    this.#flush();
    this.#isShut = true;
    this.#out.finish("closed in answer");
    this.#planClose(new QuorateError("ERR_PROTOCOL_CLOSED", text));
  }

  /** A frame arrives, in the node. */
  receive(bytes: Uint8Array, isCorrupt: boolean): void {
    if (this.#isShut) return;
    let messages: readonly PeerMsg[];
    try {
      messages = this.#codec.decodeFrame(bytes);
    } catch (error) {
      if (this.#codec.refusesByCode && errorCodeOf(error) === undefined) throw error;
      this.#refuse(error);
      return;
    }
    // Damage that still decodes is caught by the checksum below us.
    if (isCorrupt) {
      this.#refuse(undefined);
      return;
    }
    if (this.#events === null || this.#early.length > 0) {
      if (this.#early.length >= EARLY_FRAMES_MAX) this.#refuse(undefined);
      else this.#early.push(messages);
      return;
    }
    this.#deliver(messages);
  }

  #deliver(messages: readonly PeerMsg[]): void {
    this.#observer.onMessagesReceived(this, messages);
    this.#events?.onMessages(messages);
  }

  #refuse(cause: unknown): void {
    this.#isShut = true;
    this.#out.kill("the peer refused a frame");
    this.#planClose(
      new QuorateError("ERR_PROTOCOL_DECODE", "a frame that cannot be read", { cause }),
    );
  }

  #flush(): void {
    this.#isFlushPlanned = false;
    if (this.#isShut || this.#turn.length === 0) return;
    const messages = this.#turn;
    this.#turn = [];
    const frames = this.#codec.encodeFrames(messages);
    const bytes = frames.reduce((sum, frame) => sum + frame.length, 0);
    if (this.#out.queuedBytes + bytes > Math.min(this.#out.queueBytesMax, PIPE_QUEUE_BYTES_MAX)) {
      this.#observer.onOverflow(this);
      this.#isShut = true;
      this.#out.kill("the peer's queue is full");
      this.#planClose(new QuorateError("ERR_PROTOCOL_OVERFLOW", "the queue of a pipe is full"));
      return;
    }
    for (const frame of frames) this.#out.write(frame);
  }

  #planClose(reason: QuorateError): void {
    if (this.#closeReason !== null) return;
    this.#closeReason = reason;
    const { host, incarnation } = this;
    host.scheduler.after(0, `pipe close n${host.id}`, () => {
      host.enter(incarnation, () => this.#reportClose());
    });
  }

  #reportClose(): void {
    if (this.#events === null || this.#closeReason === null || this.#isCloseReported) return;
    this.#isCloseReported = true;
    this.#events.onClose(this.#closeReason);
  }
}
