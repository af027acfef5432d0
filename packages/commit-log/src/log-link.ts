import type { Worker } from "node:worker_threads";
import { QuorateError, type EntryBatch, type Ticket } from "@quorate/protocol";
import { BlockBuffers } from "./block-buffers.js";
import { startThread } from "./worker-threads.js";
import type { BlockList, FromLogWorker, LogWrite, ToLogWorker } from "./worker-messages.js";

export interface LogLinkEvents {
  onMessage(message: FromLogWorker): void;
  onLost(error: unknown): void;
}

/** A write on its way, or a gate that holds back all behind it until it is opened. */
type Waiting = {
  readonly ticket: Ticket;
  write: LogWrite | null;
  readonly batches: readonly EntryBatch[];
};

/**
 * Sends writes to the log worker: all of one callback in one message with one buffer. The blocks
 * are copied once, because the caller goes on reading its batches.
 */
export class LogLink {
  readonly #worker: Worker;
  readonly #buffers = new BlockBuffers();
  #waiting: Waiting[] = [];
  #isFlushing = false;
  #events: LogLinkEvents | null = null;
  #isEnded = false;
  /** Resolves when the thread is gone, for whatever reason. */
  readonly exited: Promise<void>;

  constructor() {
    this.#worker = startThread("log-worker");
    this.#worker.on("message", (message: FromLogWorker) => {
      if (message.kind === "persisted") this.#buffers.give(message.spent);
      this.#events?.onMessage(message);
    });
    this.exited = new Promise((resolve) => {
      this.#worker.once("exit", () => resolve());
    });
    const lost = (error: unknown): void => {
      if (this.#isEnded) return;
      this.#isEnded = true;
      this.#events?.onLost(error);
    };
    this.#worker.on("error", lost);
    this.#worker.on("exit", lost);
  }

  /** The events go to this receiver from here on. */
  listen(events: LogLinkEvents): void {
    this.#events = events;
  }

  send(message: ToLogWorker): void {
    this.#worker.postMessage(message);
  }

  write(ticket: Ticket, write: LogWrite, batches: readonly EntryBatch[] = []): void {
    this.#waiting.push({ ticket, write, batches });
    this.#flushLater();
  }

  /** Keeps the place of a write that is not known yet; the returned function supplies it. */
  gate(ticket: Ticket): (write: LogWrite) => void {
    const waiting: Waiting = { ticket, write: null, batches: [] };
    this.#waiting.push(waiting);
    return (write) => {
      waiting.write = write;
      this.#flushLater();
    };
  }

  /** The thread ends on its own from here on. */
  expectEnd(): void {
    this.#isEnded = true;
  }

  async terminate(): Promise<void> {
    this.#isEnded = true;
    await this.#worker.terminate();
  }

  #flushLater(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    // At the end of the running callback: who writes batches has gathered them by turns already,
    // and one turn more would delay the own disk behind those of others.
    queueMicrotask(() => {
      this.#isFlushing = false;
      if (!this.#isEnded) this.flush();
    });
  }

  flush(): void {
    const writes: LogWrite[] = [];
    const blocks: Uint8Array[] = [];
    let size = 0;
    let upTo: Ticket = 0;
    let sent = 0;
    for (const { ticket, write, batches } of this.#waiting) {
      if (write === null) break;
      writes.push(write);
      for (const { bytes } of batches) {
        blocks.push(bytes);
        size += bytes.length;
      }
      upTo = ticket;
      sent += 1;
    }
    if (sent === 0) return;
    this.#waiting = this.#waiting.slice(sent);
    const bytes = this.#buffers.take(size);
    const joined = new Uint8Array(bytes);
    let at = 0;
    for (const block of blocks) {
      joined.set(block, at);
      at += block.length;
    }
    const message: ToLogWorker = { kind: "write", writes, bytes, length: size, upTo };
    this.#worker.postMessage(message, [bytes]);
  }
}

export function blockListOf(batches: readonly EntryBatch[]): BlockList {
  return {
    lengths: batches.map(({ bytes }) => bytes.length),
    chains: batches.map(({ chain }) => chain),
  };
}

export function linkLost(cause: unknown): QuorateError {
  return new QuorateError("ERR_STORE_IO", "the log thread is lost", { cause });
}
