import type { WebSocket } from "ws";
import { decodeFrame, frameBytesOf, splitIntoFrames } from "@quorate/codec";
import {
  FRAME_BYTES_MAX,
  PIPE_QUEUE_BYTES_MAX,
  QuorateError,
  type NodeId,
  type PeerMsg,
  type PeerPipe,
  type PipeEvents,
} from "@quorate/protocol";
import { chainHash } from "./chain-hash.js";
import type { TransportDeps } from "./deps.js";
import type { SharedFrames } from "./shared-frames.js";
import { socketError } from "./socket-error.js";

/** Received before `attach` and kept. Beyond it the socket is paused, not the pipe closed. */
const UNATTACHED_BYTES_MAX = FRAME_BYTES_MAX;
/** For the last bytes and the closing handshake; then the socket is cut. */
const CLOSE_TIMEOUT_MS = 1000;
/** WebSocket's range for applications. The reason's code travels in the close frame's text. */
const CLOSE_STATUS = 4000;

let pipesCreated = 0;

/**
 * A pipe over one established WebSocket.
 *
 * Flush: messages leave when the turn of the event loop ends (`Clock.defer`), so all that the
 * arrivals of one turn cause leaves in one frame. Batches and commit marks leave at the end of the
 * running callback instead, and take what is queued along: a leader has deferred and gathered them
 * already, and deferring them a second time would delay every write by two turns. Measured with
 * scripts/bench-flush.ts on two cores: flushing at the end of every callback instead saves a lone
 * message 15 us of 75, and costs 30 busy sources a quarter more CPU per message.
 */
export class WebSocketPipe implements PeerPipe {
  readonly peer: NodeId;
  readonly pipeId: number;
  readonly #socket: WebSocket;
  readonly #frames: SharedFrames;
  readonly #deps: TransportDeps;
  readonly #sentBytesName: string;
  readonly #receivedBytesName: string;
  #queue: PeerMsg[] = [];
  #queuedBytes = 0;
  #isFlushDeferred = false;
  #isFlushSoon = false;
  #events: PipeEvents | null = null;
  /** Frames that came before `attach`, or behind such frames. */
  #held: (readonly PeerMsg[])[] = [];
  #heldBytes = 0;
  #isDraining = false;
  #reason: QuorateError | null = null;
  #isClosedByOwner = false;
  #isCloseReported = false;

  constructor(socket: WebSocket, peer: NodeId, frames: SharedFrames, deps: TransportDeps) {
    pipesCreated += 1;
    this.peer = peer;
    this.pipeId = pipesCreated;
    this.#socket = socket;
    this.#frames = frames;
    this.#deps = deps;
    this.#sentBytesName = `peer_${peer}_sent_bytes`;
    this.#receivedBytesName = `peer_${peer}_received_bytes`;
    socket.on("message", (data, isBinary) => {
      this.#onFrame(data as Buffer, isBinary);
    });
    socket.on("error", (error) => {
      this.#end(socketError(error));
    });
    socket.on("close", (_, text) => {
      const details = text.length > 0 ? { peerCode: text.toString() } : {};
      this.#end(new QuorateError("ERR_PROTOCOL_CLOSED", "the peer closed the pipe", { details }));
    });
  }

  get queuedBytes(): number {
    return this.#queuedBytes + this.#socket.bufferedAmount;
  }

  attach(events: PipeEvents): void {
    this.#events = events;
    this.#drainLater();
  }

  send(message: PeerMsg): void {
    if (this.#reason !== null) return;
    this.#queue.push(message);
    this.#queuedBytes += frameBytesOf(message);
    if (this.queuedBytes > PIPE_QUEUE_BYTES_MAX) {
      this.#deps.meter.count("peer_pipe_overflows");
      this.#cut(new QuorateError("ERR_PROTOCOL_OVERFLOW", "the peer does not keep up"));
      return;
    }
    this.#flushLater(isGathered(message));
  }

  close(reason: QuorateError): void {
    this.#isClosedByOwner = true;
    this.#closeSoftly(reason);
  }

  #closeSoftly(reason: QuorateError): void {
    if (this.#reason !== null) return;
    this.#flush();
    // Encoding may have failed in the flush and ended the pipe already.
    if (!this.#end(reason)) return;
    const socket = this.#socket;
    const timer = this.#deps.clock.setTimer(CLOSE_TIMEOUT_MS, () => {
      socket.terminate();
    });
    socket.once("close", () => {
      timer.cancel();
    });
    // A socket paused for want of a receiver would never see the peer's answer.
    socket.resume();
    socket.close(CLOSE_STATUS, reason.code);
  }

  #flushLater(isSoon: boolean): void {
    if (isSoon && !this.#isFlushSoon) {
      this.#isFlushSoon = true;
      queueMicrotask(() => {
        this.#isFlushSoon = false;
        this.#flush();
      });
    } else if (!isSoon && !this.#isFlushSoon && !this.#isFlushDeferred) {
      this.#isFlushDeferred = true;
      this.#deps.clock.defer(() => {
        this.#isFlushDeferred = false;
        this.#flush();
      });
    }
  }

  #flush(): void {
    if (this.#reason !== null || this.#queue.length === 0) return;
    const queue = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    try {
      for (const frame of splitIntoFrames(queue)) this.#sendFrame(this.#frames.encode(frame));
    } catch (error) {
      // A message of ours that no frame can hold: the stream would have a hole behind it.
      const cause = { cause: error };
      this.#cut(new QuorateError("ERR_PROTOCOL_CLOSED", "a message could not be encoded", cause));
    }
  }

  #sendFrame(bytes: Uint8Array): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    this.#deps.meter.count(this.#sentBytesName, bytes.length);
    this.#deps.meter.count("peer_sent_frames");
    this.#socket.send(bytes);
  }

  #onFrame(data: Buffer, isBinary: boolean): void {
    if (this.#reason !== null) return;
    this.#deps.meter.count(this.#receivedBytesName, data.length);
    let messages: readonly PeerMsg[];
    try {
      if (!isBinary) throw new QuorateError("ERR_PROTOCOL_DECODE", "a text frame");
      messages = decodeFrame(data, chainHash);
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error;
      this.#deps.meter.count("peer_bad_frames");
      this.#closeSoftly(error);
      return;
    }
    if (this.#events !== null && this.#held.length === 0) {
      this.#events.onMessages(messages);
      return;
    }
    this.#held.push(messages);
    this.#heldBytes += data.length;
    if (this.#heldBytes > UNATTACHED_BYTES_MAX) this.#socket.pause();
  }

  /** Hands over what was held, and the end, in the order in which they came. */
  #drainLater(): void {
    if (this.#events === null || this.#isDraining) return;
    if (this.#held.length === 0 && this.#reason === null) return;
    this.#isDraining = true;
    this.#deps.clock.defer(() => {
      this.#isDraining = false;
      const held = this.#held;
      this.#held = [];
      this.#heldBytes = 0;
      for (const messages of held) {
        if (this.#isClosedByOwner) break;
        this.#events?.onMessages(messages);
      }
      if (this.#reason !== null) this.#reportClose(this.#reason);
      else if (this.#socket.isPaused) this.#socket.resume();
    });
  }

  /** Cuts the socket at once: what is queued is lost, and the peer syncs again. */
  #cut(reason: QuorateError): void {
    this.#end(reason);
    this.#socket.terminate();
  }

  /** The first reason stands. Returns whether this was the first. */
  #end(reason: QuorateError): boolean {
    if (this.#reason !== null) return false;
    this.#reason = reason;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#drainLater();
    return true;
  }

  #reportClose(reason: QuorateError): void {
    if (this.#isCloseReported) return;
    this.#isCloseReported = true;
    this.#events?.onClose(reason);
  }
}

function isGathered({ kind }: PeerMsg): boolean {
  return kind === "proposal" || kind === "commit" || kind === "history" || kind === "inform";
}
