import { createClient, type QuorateClient } from "@quorate/client";
import { errorCodeOf } from "@quorate/protocol";

export interface WriteLoadOptions {
  /** One client for each; each is a list of servers that the client may use. */
  readonly clients: readonly (readonly string[])[];
  /** Writes that each client keeps outstanding. Default 4. */
  readonly outstanding?: number;
  readonly dataBytes?: number;
  readonly timeoutMs?: number;
}

/** What became of the writes below one parent. */
export interface ParentRecord {
  readonly path: string;
  readonly acknowledged: Set<string>;
  /** Those of which the client said that nothing happened. */
  readonly refused: Set<string>;
  unknownCount: number;
}

export interface Acknowledged {
  /** When the write was asked for and acknowledged, by performance.now(). */
  readonly from: number;
  readonly at: number;
}

/**
 * Clients that create nodes without pause and remember what they were told of each.
 */
export class WriteLoad {
  readonly parents: ParentRecord[] = [];
  readonly errors = new Map<string, number>();
  readonly #clients: QuorateClient[];
  readonly #data: Uint8Array;
  readonly #outstanding: number;
  readonly #watchers = new Set<(write: Acknowledged) => void>();
  #running: Promise<unknown> | null = null;
  #isStopping = false;
  #acknowledgedCount = 0;

  constructor(options: WriteLoadOptions) {
    const { timeoutMs = 20_000 } = options;
    this.#clients = options.clients.map((servers) => createClient({ servers, timeoutMs }));
    this.#data = new Uint8Array(options.dataBytes ?? 100).fill(120);
    this.#outstanding = options.outstanding ?? 4;
  }

  get acknowledgedCount(): number {
    return this.#acknowledgedCount;
  }

  /** Starts to write below new parents of that name; they are made first. */
  async start(name: string): Promise<void> {
    const parents = this.#clients.map((_, i) => record(`/${name}-${i}`));
    this.#isStopping = false;
    await Promise.all(
      parents.map(({ path }, i) => this.#client(i).create(path, new Uint8Array(0))),
    );
    this.parents.push(...parents);
    const workers = parents.flatMap((parent, i) =>
      Array.from({ length: this.#outstanding }, (_, worker) =>
        this.#write(this.#client(i), parent, worker),
      ),
    );
    this.#running = Promise.all(workers);
  }

  /** Lets what is outstanding end. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  /** Tells every acknowledged write; returns how to stop it. */
  watch(watcher: (write: Acknowledged) => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** Resolves with the first acknowledged write that satisfies the condition. */
  next(condition: (write: Acknowledged) => boolean = () => true): Promise<Acknowledged> {
    return new Promise((resolve) => {
      const stop = this.watch((write) => {
        if (!condition(write)) return;
        stop();
        resolve(write);
      });
    });
  }

  /** Resolves when so many writes have been acknowledged since the call. */
  more(count: number): Promise<Acknowledged> {
    const goal = this.#acknowledgedCount + count;
    return this.next(() => this.#acknowledgedCount >= goal);
  }

  /** What the ensemble now has against what the clients were told; empty when it is right. */
  async verify(reader: QuorateClient, parents = this.parents): Promise<string[]> {
    const problems: string[] = [];
    for (const { path, acknowledged, refused, unknownCount } of parents) {
      const { children } = await reader.children(path, { linearizable: true });
      const present = new Set(children);
      for (const name of acknowledged) {
        if (!present.has(name)) problems.push(`lost: ${path}/${name} was acknowledged`);
      }
      for (const name of refused) {
        if (present.has(name)) problems.push(`ghost: ${path}/${name} was said not to exist`);
      }
      if (present.size > acknowledged.size + unknownCount) {
        problems.push(`ghosts: ${path} has ${present.size} children`);
      }
    }
    return problems;
  }

  #client(i: number): QuorateClient {
    const client = this.#clients[i];
    if (client === undefined) throw new Error(`there is no client ${i}`);
    return client;
  }

  async #write(client: QuorateClient, parent: ParentRecord, worker: number): Promise<void> {
    for (let i = 0; !this.#isStopping; i += 1) {
      const name = `${worker}-${i}`;
      const from = performance.now();
      try {
        await client.create(`${parent.path}/${name}`, this.#data);
      } catch (error) {
        const code = errorCodeOf(error) ?? String(error);
        this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
        if (code === "ERR_CLIENT_OUTCOME_UNKNOWN") parent.unknownCount += 1;
        else parent.refused.add(name);
        continue;
      }
      parent.acknowledged.add(name);
      this.#acknowledgedCount += 1;
      const write = { from, at: performance.now() };
      for (const watcher of [...this.#watchers]) watcher(write);
    }
  }
}

function record(path: string): ParentRecord {
  return { path, acknowledged: new Set(), refused: new Set(), unknownCount: 0 };
}
