import { createClient, type CommittedEvent, type QuorateClient } from "@quorate/client";
import { TXNID_ZERO, type Txnid } from "@quorate/protocol";
import { WriteLoad } from "@quorate/testkit/processes";
import { describe, expect, it } from "vitest";
import { others, startEnsemble, verdict } from "./support.js";

const ENTRIES = 10_000;
const DEATHS = 3;

/** Follows from the very first entry and keeps what it hears. */
class Follower {
  readonly events: CommittedEvent[] = [];
  readonly client: QuorateClient;
  readonly prefix: string;
  error: unknown = null;

  constructor(servers: readonly string[], prefix: string) {
    this.client = createClient({ servers });
    this.prefix = prefix;
    this.#follow().catch((error: unknown) => (this.error = error));
  }

  get last(): Txnid {
    return this.events.at(-1)?.txnid ?? TXNID_ZERO;
  }

  get paths(): string[] {
    return this.events.flatMap(({ operations }) => operations.map(({ path }) => path));
  }

  async #follow(): Promise<void> {
    const from = TXNID_ZERO;
    for await (const event of this.client.subscribe({ prefix: this.prefix, from })) {
      this.events.push(event);
    }
  }
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited too long for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe("a subscription, across the deaths of leaders", () => {
  it("misses and repeats nothing of ten thousand entries", async () => {
    await using started = await startEnsemble();
    const { ensemble } = started;
    const { servers } = ensemble;
    const followers = [
      ...Array.from({ length: 6 }, () => new Follower(servers, "/")),
      ...Array.from({ length: 4 }, (_, i) => new Follower(servers, `/w-${i}`)),
    ];
    const clients = [...servers.map((server) => [server]), servers];
    const load = new WriteLoad({ clients, outstanding: 64 });
    await load.start("w");
    let { leader } = started;
    for (let death = 0; death < DEATHS; death += 1) {
      await load.more(ENTRIES / (DEATHS + 1));
      await ensemble.kill("SIGKILL", leader);
      const next = await ensemble.untilReady(others(ensemble, leader));
      ensemble.start(leader);
      await ensemble.untilReady();
      leader = next;
    }
    await load.more(ENTRIES / (DEATHS + 1));
    expect(await verdict(load, ensemble)).toEqual([]);

    // Whoever begins now hears from the log what the others heard live.
    const late = new Follower(servers, "/");
    const [first, ...alike] = followers.filter(({ prefix }) => prefix === "/");
    const written = load.parents.flatMap(({ path, acknowledged }) =>
      [...acknowledged].map((name) => `${path}/${name}`),
    );
    const all = [late, ...followers];
    await until("all to have heard everything", () => {
      const newest = all.reduce((max, { last }) => (last > max ? last : max), TXNID_ZERO);
      const whole = [late, first, ...alike];
      return late.paths.length >= written.length && whole.every((one) => one?.last === newest);
    });
    for (const follower of all) {
      expect(follower.error).toBeNull();
      const txnids = follower.events.map(({ txnid }) => txnid);
      expect(txnids.every((txnid, i) => i === 0 || txnid > (txnids[i - 1] ?? 0n))).toBe(true);
      const expected = late.events.filter(({ operations }) =>
        operations.every(
          ({ path }) =>
            follower.prefix === "/" ||
            path === follower.prefix ||
            path.startsWith(`${follower.prefix}/`),
        ),
      );
      await until("the last events", () => follower.events.length >= expected.length);
      expect(txnidsOf(follower.events)).toEqual(txnidsOf(expected));
      follower.client.close();
    }
    // Each acknowledged write exactly once.
    const heard = new Set(late.paths);
    expect(heard.size).toBe(late.paths.length);
    expect(written.filter((path) => !heard.has(path))).toEqual([]);
    expect(written.length).toBeGreaterThanOrEqual(ENTRIES);
  });
});

function txnidsOf(events: readonly CommittedEvent[]): Txnid[] {
  return events.map(({ txnid }) => txnid);
}
