import type { Worker } from "node:worker_threads";
import { QuorateError } from "@quorate/protocol";
import { startThread } from "./worker-threads.js";
import type {
  FromStateWorker,
  StateAnswers,
  StateRequest,
  ToStateWorker,
} from "./worker-messages.js";

interface Open {
  resolve(answer: unknown): void;
  reject(error: QuorateError): void;
}

/** Requests to the state worker and their answers. */
export class StateLink {
  readonly #worker: Worker;
  readonly #open = new Map<number, Open>();
  #nextId = 1;
  #ended: QuorateError | null = null;

  #onLost: (error: QuorateError) => void = () => undefined;

  constructor() {
    this.#worker = startThread("state-worker");
    this.#worker.on("message", (message: FromStateWorker) => this.#answered(message));
    const lost = (error: unknown): void => {
      this.#fail(new QuorateError("ERR_STORE_IO", "the state thread is lost", { cause: error }));
    };
    this.#worker.on("error", lost);
    this.#worker.on("exit", lost);
  }

  /** Called when the thread ends without being asked to, or fails on its own. */
  listen(onLost: (error: QuorateError) => void): void {
    this.#onLost = onLost;
  }

  request<O extends StateRequest["op"]>(
    request: Extract<StateRequest, { readonly op: O }>,
    moved: readonly ArrayBuffer[] = [],
  ): Promise<StateAnswers[O]> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    const id = this.#nextId;
    this.#nextId += 1;
    const message: ToStateWorker = { id, request };
    return new Promise((resolve, reject) => {
      this.#open.set(id, { resolve: (answer) => resolve(answer as StateAnswers[O]), reject });
      this.#worker.postMessage(message, moved);
    });
  }

  /** Refuses everything open and everything to come. */
  end(error: QuorateError): void {
    this.#ended ??= error;
    for (const { reject } of this.#open.values()) reject(error);
    this.#open.clear();
  }

  /** Closes its files, then ends the thread. */
  async close(error: QuorateError): Promise<void> {
    if (this.#ended !== null) return;
    const closed = this.request({ op: "close" });
    this.#ended = error;
    await closed;
  }

  async terminate(error: QuorateError): Promise<void> {
    this.end(error);
    await this.#worker.terminate();
  }

  #fail(reason: QuorateError): void {
    if (this.#ended !== null) return;
    this.end(reason);
    this.#onLost(reason);
  }

  #answered(message: FromStateWorker): void {
    if (message.kind === "failed") {
      const { code, retryable } = message;
      this.#fail(new QuorateError(code, message.message, { retryable }));
      return;
    }
    const open = this.#open.get(message.id);
    if (open === undefined) return;
    this.#open.delete(message.id);
    if (message.kind === "answer") open.resolve(message.answer);
    else {
      const { retryable } = message;
      open.reject(new QuorateError(message.code, message.message, { retryable }));
    }
  }
}
