import {
  BatchBuilder,
  DEFAULT_TIMINGS,
  LOG_START,
  majorityQuorum,
  makeTxnid,
  positionOf,
  toEpoch,
  toIdentity,
  toNodeId,
  TXNID_ZERO,
  type Chain,
  type EntryBatch,
  type Epoch,
  type LogPosition,
  type NodeId,
  type Txnid,
} from "@quorate/protocol";
import type { DiskImage } from "@quorate/testkit";
import { describe, expect, it } from "vitest";
import { checkHistory } from "../src/checkers/client-checker.js";
import { LeaseChecker } from "../src/checkers/lease-checker.js";
import { CommitChecker } from "../src/checkers/commit-checker.js";
import { DiskChecker } from "../src/checkers/disk-checker.js";
import { Violations } from "../src/checkers/violations.js";
import { LinkMap, NodeHost, RandomStream, Scheduler } from "../src/index.js";
import { History } from "../src/workload/history.js";

const nodes = [1, 2, 3].map((id) => toNodeId(id));
const [one, two] = nodes as [(typeof nodes)[0], (typeof nodes)[0]];

function at(ms: number): <T>(change: readonly [number, T]) => readonly [number, T] {
  return ([, isOpen]) => [ms, isOpen];
}

function batchAfter(previous: LogPosition, txnid: Txnid): EntryBatch {
  const builder = new BatchBuilder(() => (previous.chain + 1n) as Chain);
  builder.add(1, 1n, 1, "/k", new Uint8Array(1));
  return builder.finish(txnid, previous);
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
    voters = nodes,
  ) {
    const scheduler = new Scheduler();
    const host = new NodeHost(one, scheduler, new RandomStream(1), {
      onUncaught: () => undefined,
    });
    const links = new LinkMap(voters);
    const found = violations();
    const checker = new LeaseChecker(links, majorityQuorum(voters), DEFAULT_TIMINGS, found);
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

  it("counts an answer as of what had reached the voter, not of its way back (seed 1027)", async () => {
    // Out until 700, back from 900: proven as of 700, and by no later moment.
    const out: Changes = [...alone, [600, (_from, to) => to !== one], ...alone.map(at(700))];
    const back: Changes = [...out, [900, (from) => from !== one]];
    expect(await aloneFor(1800, undefined, back)).toEqual([]);
    expect(await aloneFor(1920, undefined, back)).toContain("leaseIsObeyed");
    // The ways in the other order: what went out at 600 was never answered.
    const wrongOrder: Changes = [
      ...alone,
      [400, (from) => from !== one],
      ...alone.map(at(500)),
      [600, (_from, to) => to !== one],
    ];
    expect(await aloneFor(1100, undefined, wrongOrder)).toEqual([]);
    expect(await aloneFor(1200, undefined, wrongOrder)).toContain("leaseIsObeyed");
  });

  it("asks for a quorum as of one time, whoever is in it (seed 1027)", async () => {
    // One of five needs two more: with 2 until 300 and with 3 until 600 it has them as of 300.
    const pair = (other: number) => (from: number, to: number) =>
      (from === one && to === other) || (from === other && to === one);
    const turns: Changes = [
      [1, pair(2)],
      [300, pair(3)],
      [600, () => false],
    ];
    const five = [1, 2, 3, 4, 5].map((id) => toNodeId(id));
    expect(await aloneFor(1400, undefined, turns, five)).toEqual([]);
    expect(await aloneFor(1500, undefined, turns, five)).toContain("leaseIsObeyed");
  });

  it("excuses one whose timers are late or that is stopped", async () => {
    expect(await aloneFor(1200, (host) => host.clock.set({ timerLateMs: 900 }))).toEqual([]);
    expect(await aloneFor(1200, (host) => host.pause())).toEqual([]);
  });
});

describe("the commit checker", () => {
  const identity = (id: number) => toIdentity(String(id).repeat(32));
  const [early, late] = [toEpoch(2), toEpoch(3)];
  const first = batchAfter(LOG_START, makeTxnid(late, 1));
  const second = batchAfter(positionOf(first), makeTxnid(late, 2));

  function imageOf(id: NodeId, items: readonly EntryBatch[]): DiskImage {
    return {
      sequence: 1,
      identity: identity(id),
      acceptedEpoch: { epoch: late, leader: one },
      currentEpoch: late,
      commitMark: TXNID_ZERO,
      members: new Map(),
      log: { items, from: 0, to: items.length, start: LOG_START },
      checkpoint: null,
      rows: new Map(),
      damage: null,
    } as unknown as DiskImage;
  }

  /** Nodes 1 and 2 log both batches, `between` happens, and node 1 commits them. */
  function commitAfter(between: (disks: DiskChecker, commits: CommitChecker) => void) {
    const found = violations();
    const disks = new DiskChecker(nodes, found);
    const commits = new CommitChecker(disks, majorityQuorum(nodes), found);
    for (const id of nodes) disks.committed(id, imageOf(id, []));
    for (const id of [one, two]) disks.committed(id, imageOf(id, [first, second]));
    between(disks, commits);
    commits.commit(one, late, second.last);
    return found.found.map(({ checker }) => checker);
  }

  const wipe = (disks: DiskChecker): void => disks.forget(two);
  const damage = (disks: DiskChecker): void => {
    disks.forget(two);
    disks.committed(two, { ...imageOf(two, []), identity: identity(9) });
  };

  it("is content with the disks of a quorum, and with nothing less", () => {
    expect(commitAfter(() => undefined)).toEqual([]);
    expect(commitAfter((disks) => disks.committed(two, imageOf(two, [first])))).toContain(
      "commitNeedsQuorum",
    );
  });

  it.each([
    ["wiped", wipe],
    ["damaged", damage],
  ])("lets an answer stand whose disk was %s after it was heard (seed 412)", (_how, lose) => {
    const heard = (commits: CommitChecker, epoch: Epoch, { last }: EntryBatch): void =>
      commits.heard(two, epoch, last);
    expect(
      commitAfter((disks, commits) => {
        heard(commits, late, second);
        lose(disks);
      }),
    ).toEqual([]);
    // It held both, but never said so; or not in this epoch; or not of the second.
    expect(commitAfter(lose)).toContain("commitNeedsQuorum");
    for (const [epoch, batch] of [
      [early, second],
      [late, first],
    ] as const) {
      // prettier-ignore
      const found = commitAfter((disks, commits) => {
        heard(commits, epoch, batch);
        lose(disks);
      });
      expect(found).toContain("commitNeedsQuorum");
    }
  });

  it("takes nobody's word for what was never on its disk", () => {
    const found = commitAfter((disks, commits) => {
      disks.committed(two, imageOf(two, []));
      commits.heard(two, late, second.last);
      wipe(disks);
    });
    expect(found).toContain("commitNeedsQuorum");
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
