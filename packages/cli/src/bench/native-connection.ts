import { createClient, type QuorateClient } from "@quorate/client";
import { freshPath, keyPath, Kind, valueOf, type LoadOpener, type LoadSink } from "@quorate/load";
import { errorCodeOf } from "@quorate/protocol";

/** The client's own; a request that takes longer ends with an error. */
const ANSWER_MS = 30_000;

export interface NativeConnectionOptions {
  readonly index: number;
  readonly servers: readonly string[];
  readonly root: string;
  readonly valueBytes: number;
}

/** One client of Quorate's native port as a connection of a load. */
export class NativeConnection implements LoadOpener {
  readonly #options: NativeConnectionOptions;
  readonly #sink: LoadSink;
  readonly #client: QuorateClient;
  readonly #value: Uint8Array;
  #inFlight = 0;
  #isOpen = false;

  constructor(options: NativeConnectionOptions, sink: LoadSink) {
    const { index, servers, valueBytes } = options;
    this.#options = options;
    this.#sink = sink;
    this.#value = valueOf(valueBytes);
    const server = servers[index % servers.length] ?? "";
    this.#client = createClient({ servers: [server], timeoutMs: ANSWER_MS });
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  async open(): Promise<void> {
    await this.#client.exists(this.#options.root);
    this.#isOpen = true;
    this.#sink.opened(this.#options.index);
  }

  send(kind: Kind, key: number, startedAt: number): void {
    this.#inFlight += 1;
    const settle = (error: string | null): void => {
      this.#inFlight -= 1;
      const at = performance.now();
      this.#sink.answered(this.#options.index, kind, key, startedAt, at, error);
    };
    this.#ask(kind, key).then(
      () => settle(null),
      (error: unknown) => settle(errorCodeOf(error) ?? String(error)),
    );
  }

  flush(): void {
    // The client sends what a turn asked for by itself.
  }

  close(): Promise<void> {
    this.#isOpen = false;
    this.#client.close();
    return Promise.resolve();
  }

  #ask(kind: Kind, key: number): Promise<unknown> {
    const { root } = this.#options;
    switch (kind) {
      case Kind.set:
        return this.#client.set(keyPath(root, key), this.#value);
      case Kind.get:
        return this.#client.get(keyPath(root, key));
      case Kind.create:
        return this.#client.create(freshPath(root, key), this.#value);
      case Kind.remove:
        return this.#client.delete(freshPath(root, key));
    }
  }
}
