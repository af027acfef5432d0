import {
  BATCH_BYTES_MAX,
  BATCH_ENTRIES_MAX,
  FRAME_MESSAGES_MAX,
  HISTORY_CHUNK_BYTES_MAX,
  HISTORY_CHUNKS_IN_FLIGHT_MAX,
  HISTORY_MESSAGES_IN_FLIGHT_MAX,
  PIPE_QUEUE_BYTES_MAX,
  type NodeId,
  type PeerMsg,
} from "@quorate/protocol";
import type { BoundsChecker } from "../checkers/bounds-checker.js";
import type { PipeEnd } from "../network/pipe-end.js";

/** Bounds of the levels that nodes report or that are seen on their pipes. */
export function levelLimits(nodeCount: number): ReadonlyMap<string, number> {
  return new Map([
    ["active_ensemble", nodeCount],
    ["batch entries", BATCH_ENTRIES_MAX],
    ["batch bytes", BATCH_BYTES_MAX],
    ["frame messages", FRAME_MESSAGES_MAX],
    ["history messages before an answer", HISTORY_CHUNKS_IN_FLIGHT_MAX],
    ["history messages in flight", HISTORY_MESSAGES_IN_FLIGHT_MAX],
    ["history bytes in flight", HISTORY_CHUNKS_IN_FLIGHT_MAX * HISTORY_CHUNK_BYTES_MAX],
    ["pipe queue bytes", PIPE_QUEUE_BYTES_MAX],
  ]);
}

/** What is on its way on a pipe: bytes of each message, and how many were answered before those. */
interface Window {
  readonly underWay: number[];
  answered: number;
}

/** Sees from outside what is sent and not answered yet. */
export class LevelObserver {
  readonly #bounds: BoundsChecker;
  readonly #windows = new Map<number, Window>();

  constructor(bounds: BoundsChecker) {
    this.#bounds = bounds;
  }

  sent({ host, pipeId, queuedBytes }: PipeEnd, message: PeerMsg): void {
    this.#bounds.level(host.id, "pipe queue bytes", queuedBytes);
    if (message.kind === "history") this.#historySent(host.id, pipeId, message.batch.bytes.length);
    if (message.kind === "snapshotChunk") {
      this.#historySent(host.id, pipeId, HISTORY_CHUNK_BYTES_MAX);
    }
    if (message.kind === "history" || message.kind === "proposal") {
      this.#bounds.level(host.id, "batch entries", message.batch.count);
      this.#bounds.level(host.id, "batch bytes", message.batch.bytes.length);
    }
  }

  received({ host, pipeId }: PipeEnd, messages: readonly PeerMsg[]): void {
    this.#bounds.level(host.id, "frame messages", messages.length);
    for (const message of messages) {
      if (message.kind === "syncProgress") {
        const window = this.#windowOf(pipeId);
        window.underWay.splice(0, message.received - window.answered);
        window.answered = message.received;
      }
      // What was sent before is void.
      if (message.kind === "snapshotRequest") this.#windows.delete(pipeId);
    }
  }

  #historySent(host: NodeId, pipeId: number, bytes: number): void {
    const { underWay, answered } = this.#windowOf(pipeId);
    underWay.push(bytes);
    const { length } = underWay;
    if (answered === 0) this.#bounds.level(host, "history messages before an answer", length);
    this.#bounds.level(host, "history messages in flight", length);
    // So few may be on their way however large they are.
    if (length <= HISTORY_CHUNKS_IN_FLIGHT_MAX) return;
    const sum = underWay.reduce((total, each) => total + each, 0);
    this.#bounds.level(host, "history bytes in flight", sum);
  }

  #windowOf(pipeId: number): Window {
    const window = this.#windows.get(pipeId) ?? { underWay: [], answered: 0 };
    this.#windows.set(pipeId, window);
    return window;
  }
}
