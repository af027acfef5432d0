import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ConnectedClient } from "@quorate/client";
import { CuttingProxy } from "./cutting-proxy.js";
import { bytes, Ensemble, text, until } from "./support.js";

const ROOT = "/watched";
const NAMES = ["a", "b", "c"] as const;
const nodeOf = (name: string): string => `${ROOT}/${name}`;

type Step =
  | { readonly kind: "write"; readonly name: (typeof NAMES)[number] }
  | { readonly kind: "delete"; readonly name: (typeof NAMES)[number] }
  | { readonly kind: "hold" }
  | { readonly kind: "cut" }
  | { readonly kind: "wait" };
const names = fc.constantFrom(...NAMES);
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("write" as const), name: names }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("delete" as const), name: names }) },
    {
      weight: 3,
      arbitrary: fc
        .constantFrom("hold" as const, "cut" as const, "wait" as const)
        .map((kind): Step => ({ kind })),
    },
  ),
  { minLength: 3, maxLength: 15 },
);

type State = Record<string, string | null>;
let ensemble: Ensemble;

beforeAll(async () => {
  ensemble = await Ensemble.start(1);
}, 60_000);

afterAll(async () => {
  await ensemble[Symbol.asyncDispose]();
});

async function read(client: ConnectedClient, name: string): Promise<string | null> {
  return client.get(nodeOf(name)).then(
    ({ data }) => text(data),
    () => null,
  );
}

/** Reads anew whenever a watch says so, and only then. */
class Cache {
  readonly byData: State = {};
  readonly byAll: State = {};
  byChildren: readonly string[] = [];
  readonly #client: ConnectedClient;
  readonly #stop = new AbortController();

  /** Two clients: what the watches of one are told must not help those of the other. */
  constructor(client: ConnectedClient, other: ConnectedClient) {
    this.#client = client;
    for (const name of NAMES) this.#run(() => this.#followData(name));
    this.#run(() => this.#followChildren());
    this.#run(() => this.#followAll(other));
  }

  stop(): void {
    this.#stop.abort();
  }

  async #followData(name: string): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const events = this.#client.watch(nodeOf(name), { kind: "data", signal });
      this.byData[name] = await read(this.#client, name);
      await events.next();
    }
  }

  async #followChildren(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const events = this.#client.watch(ROOT, { kind: "children", signal });
      this.byChildren = (await this.#client.children(ROOT)).children;
      await events.next();
    }
  }

  async #followAll(client: ConnectedClient): Promise<void> {
    const kind = "persistentRecursive";
    const events = client.watch(ROOT, { kind, signal: this.#stop.signal });
    const readAll = async (): Promise<void> => {
      for (const name of NAMES) this.byAll[name] = await read(client, name);
    };
    await readAll();
    for await (const { path, kind: what } of events) {
      const name = NAMES.find((one) => nodeOf(one) === path);
      if (what === "rearmed") await readAll();
      else if (name !== undefined) this.byAll[name] = await read(client, name);
    }
  }

  #run(follow: () => Promise<void>): void {
    // It ends when it is stopped.
    void follow().catch(() => undefined);
  }
}

test("whatever is cut off, no watch misses a change (invariant 9)", async () => {
  const [node] = ensemble.nodes;
  if (node === undefined) throw new Error("there is no node");
  await node.client.create(ROOT);
  await using proxy = await CuttingProxy.to(node.requestAddress.port);
  let counter = 0;
  let cuts = 0;
  const take = async (step: Step, actual: State): Promise<void> => {
    if (step.kind === "hold") proxy.hold();
    else if (step.kind === "cut") proxy.cut();
    else if (step.kind === "wait") await new Promise((resolve) => setImmediate(resolve));
    else if (step.kind === "delete") {
      if (actual[step.name] !== null) await node.client.delete(nodeOf(step.name));
      actual[step.name] = null;
    } else {
      counter += 1;
      const data = bytes(String(counter));
      if (actual[step.name] === null) await node.client.create(nodeOf(step.name), data);
      else await node.client.set(nodeOf(step.name), data);
      actual[step.name] = String(counter);
    }
  };
  await fc.assert(
    fc.asyncProperty(steps, fc.boolean(), async (plan, hasSession) => {
      using client = ensemble.client({ servers: [proxy.url] });
      const user = hasSession ? await client.session() : client;
      const actual: State = {};
      for (const name of NAMES) actual[name] = await read(node.client as ConnectedClient, name);
      using second = ensemble.client({ servers: [proxy.url] });
      const other = hasSession ? await second.session() : second;
      const cache = new Cache(user, other);
      for (const step of plan) await take(step, actual);
      cuts += proxy.cuts;
      // What is held would otherwise be held for good.
      proxy.cut();
      const children = NAMES.filter((name) => actual[name] !== null);
      await until(
        () =>
          NAMES.every((name) => cache.byData[name] === actual[name]) &&
          NAMES.every((name) => cache.byAll[name] === actual[name]) &&
          cache.byChildren.join() === children.join(),
      );
      await until(() => user.state === "connected");
      cache.stop();
    }),
    { numRuns: 25 },
  );
  expect(cuts).toBeGreaterThan(0);
}, 120_000);
