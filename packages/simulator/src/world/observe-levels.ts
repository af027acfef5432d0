import {
  BATCH_BYTES_MAX,
  BATCH_ENTRIES_MAX,
  FRAME_MESSAGES_MAX,
  HISTORY_CHUNKS_IN_FLIGHT_MAX,
  PIPE_QUEUE_BYTES_MAX,
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
    ["history chunks in flight", HISTORY_CHUNKS_IN_FLIGHT_MAX],
    ["pipe queue bytes", PIPE_QUEUE_BYTES_MAX],
  ]);
}

/** Sees from outside what is sent and not answered yet. */
export class LevelObserver {
  readonly #bounds: BoundsChecker;
  readonly #historySent = new Map<number, number>();
  readonly #historyAnswered = new Map<number, number>();

  constructor(bounds: BoundsChecker) {
    this.#bounds = bounds;
  }

  sent({ host, pipeId, queuedBytes }: PipeEnd, message: PeerMsg): void {
    this.#bounds.level(host.id, "pipe queue bytes", queuedBytes);
    if (message.kind === "history" || message.kind === "snapshotChunk") {
      const sent = (this.#historySent.get(pipeId) ?? 0) + 1;
      this.#historySent.set(pipeId, sent);
      const inFlight = sent - (this.#historyAnswered.get(pipeId) ?? 0);
      this.#bounds.level(host.id, "history chunks in flight", inFlight);
    }
    if (message.kind === "history" || message.kind === "proposal") {
      this.#bounds.level(host.id, "batch entries", message.batch.count);
      this.#bounds.level(host.id, "batch bytes", message.batch.bytes.length);
    }
  }

  received({ host, pipeId }: PipeEnd, messages: readonly PeerMsg[]): void {
    this.#bounds.level(host.id, "frame messages", messages.length);
    for (const message of messages) {
      if (message.kind === "syncProgress") this.#historyAnswered.set(pipeId, message.received);
      // What was sent before is void.
      if (message.kind === "snapshotRequest") this.#historySent.delete(pipeId);
    }
  }
}
