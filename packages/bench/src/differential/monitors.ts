import { ZkOp } from "@quorate/zookeeper";
import { passwords } from "./generate-values.js";
import { PlainClient, type Answer } from "./plain-client.js";
import type { Baseline, Counters } from "./trace.js";

const EXPIRY_MS = 60_000;
const POLL_MS = 20;
const OK = 0;
const NO_NODE = -101;
/** A server that forgot a request is asked again after so long. */
export const PATIENCE_MS = 3_000;
export const ATTEMPTS_MAX = 4;
/** Nodes that no client can delete. */
const LASTING: readonly string[] = ["/", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"];

interface Content {
  readonly data: unknown;
  readonly acl: unknown;
}

/** A connection to each server beside those that are compared: it waits, looks and tidies up. */
export class Monitors {
  /** Times that something was asked for again. */
  retries = 0;
  readonly #servers: readonly string[];
  readonly #connections: PlainClient[];

  /** What the nodes that stay held at first. */
  readonly #lasting: ReadonlyMap<string, Content>;

  private constructor(
    servers: readonly string[],
    connections: PlainClient[],
    lasting: ReadonlyMap<string, Content>,
  ) {
    this.#servers = servers;
    this.#connections = connections;
    this.#lasting = lasting;
  }

  static async open(servers: readonly string[]): Promise<Monitors> {
    const clients = await Promise.all(servers.map(openAsSuper));
    const [first] = clients;
    const lasting = new Map<string, Content>();
    for (const path of LASTING) {
      const data = (await first?.must(ZkOp.getData, { path, watch: false }))?.value;
      const acl = (await first?.must(ZkOp.getAcl, { path }))?.value;
      lasting.set(path, {
        data: (data as Content).data,
        acl: (acl as Content).acl,
      });
    }
    return new Monitors(servers, clients, lasting);
  }

  /** Afterwards every server has applied whatever was committed before, and sent what fires. */
  async settle(): Promise<bigint> {
    const zxids = await Promise.all(this.#servers.map((_server, i) => this.#sync(i)));
    return zxids.reduce((greatest, zxid) => (zxid > greatest ? zxid : greatest), 0n);
  }

  async #sync(i: number): Promise<bigint> {
    const answer = await this.#persistent(i, () =>
      this.#connections[i]?.ask(ZkOp.sync, { path: "/" }, PATIENCE_MS),
    );
    return answer?.zxid ?? 0n;
  }

  /**
   * A server of ZooKeeper 3.8 forgets a request now and then, and answers the next one: what is
   * asked for here may be done twice.
   */
  async #persistent<T>(i: number, attempt: () => T | Promise<T>): Promise<T> {
    for (let attempts = 1; ; attempts += 1) {
      try {
        return await attempt();
      } catch (error) {
        if (attempts === ATTEMPTS_MAX) throw error;
        this.retries += 1;
        this.#connections[i]?.close();
        this.#connections[i] = await openAsSuper(this.#servers[i] ?? "");
      }
    }
  }

  /** Waits until a node is gone that only its session's end takes away. */
  async untilGone(path: string): Promise<void> {
    const deadline = performance.now() + EXPIRY_MS;
    while ((await this.#first.ask(ZkOp.exists, { path, watch: false })).err !== NO_NODE) {
      if (performance.now() > deadline) throw new Error(`the session of ${path} does not expire`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /**
   * Takes away all that was left. The nodes that stay are given their first data and ACL again, so
   * that a fresh ensemble and a used one show the same but for counters, which are told.
   */
  reset(): Promise<Baseline> {
    return this.#persistent(0, () => this.#resetOnce());
  }

  async #resetOnce(): Promise<Baseline> {
    // Without limits first: nothing may stand in the way of what follows.
    await this.#deleteBelow("/zookeeper/quota");
    await this.#deleteBelow("/");
    const baseline: Record<string, Counters> = {};
    for (const [path, { data, acl }] of this.#lasting) {
      await this.#mark(path);
      await this.#must(ZkOp.setAcl, { path, acl, version: -1 });
      await this.#must(ZkOp.setData, { path, data, version: -1 });
    }
    for (const path of this.#lasting.keys()) {
      const { value } = await this.#must(ZkOp.getData, { path, watch: false });
      const { version, cversion, aversion } = (value as { readonly stat: Counters }).stat;
      baseline[path] = { version, cversion, aversion };
    }
    return baseline;
  }

  /** Changes the children, and leaves none. */
  async #mark(path: string): Promise<void> {
    const mark = path === "/" ? "/mark" : `${path}/mark`;
    const acl = [{ perms: 31, id: { scheme: "world", id: "anyone" } }];
    await this.#must(ZkOp.create, { path: mark, data: null, acl, flags: 0 });
    await this.#must(ZkOp.delete, { path: mark, version: -1 });
  }

  close(): void {
    for (const one of this.#connections) one.close();
  }

  get #first(): PlainClient {
    const [first] = this.#connections;
    if (first === undefined) throw new Error("a target has at least one server");
    return first;
  }

  #must(type: number, value: unknown): Promise<Answer> {
    return this.#first.must(type, value, PATIENCE_MS);
  }

  async #deleteBelow(path: string): Promise<void> {
    const { err, value } = await this.#first.ask(
      ZkOp.getChildren2,
      { path, watch: false },
      PATIENCE_MS,
    );
    if (err === NO_NODE) return;
    if (err !== OK) throw new Error(`cannot read the children of ${path}: ${err}`);
    for (const name of (value as { children: readonly string[] }).children) {
      const child = path === "/" ? `/${name}` : `${path}/${name}`;
      await this.#deleteBelow(child);
      if (LASTING.includes(child)) continue;
      const deleted = await this.#first.ask(ZkOp.delete, { path: child, version: -1 }, PATIENCE_MS);
      if (deleted.err !== OK && deleted.err !== NO_NODE) {
        throw new Error(`cannot delete ${child}: ${deleted.err}`);
      }
    }
  }
}

async function openAsSuper(server: string): Promise<PlainClient> {
  const client = await PlainClient.open(server);
  const auth = new TextEncoder().encode(`super:${passwords.super ?? ""}`);
  await client.must(ZkOp.auth, { type: 0, scheme: "digest", auth });
  return client;
}
