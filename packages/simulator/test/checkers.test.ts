import { DEFAULT_TIMINGS, majorityQuorum, toNodeId, type Txnid } from "@quorate/protocol";
import { describe, expect, it } from "vitest";
import { checkHistory } from "../src/checkers/client-checker.js";
import { LeaseChecker } from "../src/checkers/lease-checker.js";
import type { CommitChecker } from "../src/checkers/commit-checker.js";
import { Violations } from "../src/checkers/violations.js";
import { LinkMap, NodeHost, RandomStream, Scheduler } from "../src/index.js";
import { History } from "../src/workload/history.js";

const nodes = [1, 2, 3].map((id) => toNodeId(id));
const [one, two] = nodes as [(typeof nodes)[0], (typeof nodes)[0]];

function at(ms: number): <T>(change: readonly [number, T]) => readonly [number, T] {
  return ([, isOpen]) => [ms, isOpen];
}

function violations(): Violations {
  return new Violations(
    () => 0,
    () => undefined,
  );
}

describe("the lease checker", () => {
  /** How the links of node 1 change, by the time. */
  type Changes = readonly (readonly [
    atMs: number,
    isOpen: (from: number, to: number) => boolean,
  ])[];
  const alone: Changes = [[1, (from, to) => from !== one && to !== one]];

  async function aloneFor(
    ms: number,
    prepare: (host: NodeHost) => void = () => undefined,
    changes = alone,
  ) {
    const scheduler = new Scheduler();
    const host = new NodeHost(one, scheduler, new RandomStream(1), {
      onUncaught: () => undefined,
    });
    const links = new LinkMap(nodes);
    const found = violations();
    const checker = new LeaseChecker(links, majorityQuorum(nodes), DEFAULT_TIMINGS, found);
    host.boot();
    prepare(host);
    for (let at = 0; at <= ms; at += 20) {
      scheduler.after(at, "look", () => checker.look(host, true));
    }
    for (const [at, isOpen] of changes) {
      scheduler.after(at, "cut", () => links.partition(isOpen));
    }
    await scheduler.run(ms + 1);
    return found.found.map(({ checker: name }) => name);
  }

  it("finds a leader that outlives its lease without a quorum in reach", async () => {
    expect(await aloneFor(1100)).toEqual([]);
    expect(await aloneFor(1200)).toContain("leaseIsObeyed");
  });

  it("lets an answer count that came when only the way back was open (seed 1027)", async () => {
    const outwards: Changes = [...alone, [600, (_from, to) => to !== one], ...alone.map(at(700))];
    const back = [
      ...outwards,
      [900, (from: number) => from !== one] as const,
      ...alone.map(at(1000)),
    ];
    expect(await aloneFor(1200, undefined, outwards)).toContain("leaseIsObeyed");
    expect(await aloneFor(1200, undefined, back)).toEqual([]);
    // It tells of what was sent by 700, and of nothing later.
    expect(await aloneFor(2000, undefined, back)).toContain("leaseIsObeyed");
  });

  it("excuses one whose timers are late or that is stopped", async () => {
    expect(await aloneFor(1200, (host) => host.clock.set({ timerLateMs: 900 }))).toEqual([]);
    expect(await aloneFor(1200, (host) => host.pause())).toEqual([]);
  });
});

describe("Invariant 8", () => {
  function readsOf(client: number, seen: readonly (readonly [node: typeof one, at: bigint])[]) {
    const history = new History();
    const key = "/k";
    const write = { type: "create", value: "v" } as const;
    const wrote = history.invoke(
      { client: 9, node: one, incarnation: 1, key, operation: write },
      0,
    );
    history.end(wrote, 0, { outcome: "unknown", error: "timeout" });
    for (const [node, mzxid] of seen) {
      const operation = { type: "get", isLinearizable: false } as const;
      const item = history.invoke({ client, node, incarnation: 1, key, operation }, 1);
      const answer = { result: "value", value: "v", version: 0, mzxid } as const;
      history.end(item, 1, { outcome: "ok", answer });
    }
    const found = violations();
    const commits = { isCommitted: (_txnid: Txnid) => true } as CommitChecker;
    checkHistory(history, commits, found);
    return found.found.map(({ checker }) => checker);
  }

  it("is broken by an older state at another server", () => {
    expect(readsOf(1, [[one, 5n], [two, 5n]])).toEqual([]); // prettier-ignore
    expect(readsOf(1, [[one, 5n], [two, 4n]])).toEqual(["monotonicReads"]); // prettier-ignore
  });
});
