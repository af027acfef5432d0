import {
  majorityQuorum,
  makeTxnid,
  OpCode,
  toEpoch,
  toNodeId,
  type LogEntryMsg,
  type Txnid,
} from "@quorate/protocol";
import { describe, expect, it } from "vitest";
import { ExpiryChecker } from "../src/checkers/service/expiry-checker.js";
import { ServiceModel } from "../src/checkers/service/service-model.js";
import {
  SessionWitness,
  type Seen,
  type ToldEvent,
} from "../src/checkers/service/session-witness.js";
import type { Watch } from "../src/checkers/service/watch-oracle.js";
import { WriteOrderChecker } from "../src/checkers/service/write-order-checker.js";
import { Violations } from "../src/checkers/violations.js";

const SESSION = 0x0100_0000_0000_0007n;

/** Contents as the state machine writes them, laid out here by hand. */
class Bytes {
  readonly #parts: number[] = [];

  int(value: number, bytes: 1 | 2 | 4): this {
    for (let i = bytes - 1; i >= 0; i -= 1) this.#parts.push((value >>> (8 * i)) & 0xff);
    return this;
  }

  long(value: bigint): this {
    for (let i = 7n; i >= 0n; i -= 1n) this.#parts.push(Number((value >> (8n * i)) & 0xffn));
    return this;
  }

  raw(bytes: Uint8Array): this {
    this.#parts.push(...bytes);
    return this;
  }

  get all(): Uint8Array {
    return new Uint8Array(this.#parts);
  }
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

function create(value: string, owner = 0n): Uint8Array {
  const bytes = new Bytes()
    .int(1, 1)
    .int(owner === 0n ? 0 : 1, 1)
    .int(0, 2)
    .int(1, 4)
    .long(9n);
  return (owner === 0n ? bytes : bytes.long(owner)).raw(text(value)).all;
}

const set = (value: string): Uint8Array =>
  new Bytes().int(0x0100_0000, 4).int(1, 4).long(9n).raw(text(value)).all;
const deleted = new Bytes().int(0x0100_0000, 4).all;

function open(id: bigint, timeoutMs: number): Uint8Array {
  return new Bytes().int(0x0100_0000, 4).long(id).int(timeoutMs, 4).raw(new Uint8Array(16)).all;
}

function close(id: bigint, paths: readonly string[]): Uint8Array {
  const bytes = new Bytes().int(0x0100_0000, 4).long(id).int(paths.length, 4);
  for (const path of paths) bytes.int(path.length, 2).raw(text(path));
  return bytes.all;
}

function multi(parts: readonly (readonly [op: number, path: string, content: Uint8Array])[]) {
  const bytes = new Bytes().int(0x0100_0000, 4).int(parts.length, 4);
  for (const [op, path, content] of parts) {
    bytes.int(op, 1).int(path.length, 2).raw(text(path)).int(content.length, 4).raw(content);
  }
  return bytes.all;
}

const at = (counter: number): Txnid => makeTxnid(toEpoch(1), counter);

class History {
  nowMs = 0;
  readonly violations = new Violations(
    () => this.nowMs,
    () => undefined,
  );
  readonly model = new ServiceModel(this.violations, () => this.nowMs);
  readonly witness = new SessionWitness("client", {
    model: this.model,
    violations: this.violations,
    acknowledged: { newest: 0n, acls: new Set() },
    identities: new Set(["ip:10.0.0.1"]),
  });
  #counter = 0;

  /** The next transaction; counters rise by one. */
  apply(op: number, key: string, content: Uint8Array): this {
    this.#counter += 1;
    const entry: LogEntryMsg = { txnid: at(this.#counter), fid: "1", reqId: 1n, op, key, content };
    this.model.apply(entry);
    return this;
  }

  /** A read of `path` as of a transaction, with all that an answer is. */
  read(path: string, counter: number, seen: Seen, watch: Watch | null = null): this {
    this.witness.answered(at(counter));
    this.witness.read(path, at(counter), seen, watch);
    return this;
  }

  told(kind: ToldEvent["kind"], path: string, counter: number | null): this {
    this.witness.told({ kind, path, txnid: counter === null ? null : at(counter) });
    return this;
  }

  get found(): readonly string[] {
    return this.violations.found.map(({ checker }) => checker);
  }
}

/** /q0 is made at 1, set at 2 and 3. */
function threeStates(): History {
  return new History()
    .apply(OpCode.add, "/q0", create("one"))
    .apply(OpCode.set, "/q0", set("two"))
    .apply(OpCode.set, "/q0", set("three"));
}

describe("Invariant 8: a session's answers", () => {
  it("show the state of the transaction that they name, and nothing else", () => {
    expect(threeStates().read("/q0", 2, { data: "two", version: 1 }).found).toEqual([]);
    expect(threeStates().read("/q0", 2, { data: "one" }).found).toEqual(["readIsTheState"]);
    expect(threeStates().read("/q0", 2, null).found).toEqual(["readIsTheState"]);
    expect(threeStates().read("/q1", 2, null).found).toEqual([]);
  });

  it("never go back, also after a move", () => {
    const moved = (counter: number): readonly string[] => {
      const history = threeStates().read("/q0", 2, { data: "two" });
      history.witness.disconnected();
      return history.read("/q0", counter, {}).found;
    };
    expect(moved(2)).toEqual([]);
    expect(moved(1)).toEqual(["sessionGoesForward"]);
  });

  it("show nothing of a write that was asked for behind them", () => {
    const deed = { kind: "set", path: "/q0", value: "three", owner: 0n } as const;
    const readAt = (counter: number, data: string): readonly string[] => {
      const history = threeStates().read("/q0", counter, { data });
      history.witness.wrote([deed], at(3));
      return history.found;
    };
    expect(readAt(2, "two")).toEqual([]);
    expect(readAt(3, "three")).toEqual(["readInPlace"]);
  });

  it("tell of a write that was done, whole, and by then", () => {
    const deed = { kind: "set", path: "/q0", value: "two", owner: 0n } as const;
    const wrote = (deeds: Parameters<SessionWitness["wrote"]>[0], counter: number) => {
      const history = threeStates();
      history.witness.wrote(deeds, at(counter));
      return history.found;
    };
    expect(wrote([deed], 2)).toEqual([]);
    expect(wrote([deed], 1)).toEqual(["writeIsWhole"]);
    expect(wrote([{ ...deed, value: "lost" }], 2)).toEqual(["writeIsWhole"]);
    expect(wrote([{ ...deed, path: "/q1" }], 2)).toEqual(["writeIsWhole"]);
    // Two parts of one multi at two transactions.
    expect(wrote([deed, { ...deed, value: "three" }], 3)).toEqual(["writeIsWhole"]);
  });

  it("are as new as all that was acknowledged, after a sync", () => {
    const synced = (counter: number): readonly string[] => {
      const history = threeStates();
      history.witness.synced(at(counter), at(2));
      return history.found;
    };
    expect(synced(2)).toEqual([]);
    expect(synced(1)).toEqual(["syncIsCurrent"]);
  });
});

describe("a write that was refused", () => {
  const deed = { kind: "set", path: "/q0", value: "three", owner: 0n } as const;

  it("is never done, neither before its refusal nor after", () => {
    const before = threeStates();
    before.witness.refused([deed]);
    expect(before.found).toEqual(["refusedIsNotDone"]);
    const after = new History().apply(OpCode.add, "/q0", create("one"));
    after.witness.refused([deed]);
    expect(after.apply(OpCode.set, "/q0", set("two")).found).toEqual([]);
    expect(after.apply(OpCode.set, "/q0", set("three")).found).toEqual(["refusedIsNotDone"]);
  });

  it("of a multi leaves nothing of any part", () => {
    const history = new History();
    history.witness.refused([{ ...deed, kind: "create", value: "s1.1.1.2" }]);
    const parts = [
      [OpCode.add, "/q0", create("s1.1.1.1")],
      [OpCode.add, "/q1", create("s1.1.1.2")],
    ] as const;
    expect(history.apply(OpCode.multi, "", multi(parts)).found).toEqual(["refusedIsNotDone"]);
  });
});

describe("Invariant 9: a watch", () => {
  const data: Watch = { list: "data", path: "/q0" };
  const watched = (watch: Watch = data): History =>
    new History().apply(OpCode.add, "/q0", create("one")).read("/q0", 1, { data: "one" }, watch);

  it("is told before any answer that is as new as the change", () => {
    const changed = (): History => watched().apply(OpCode.set, "/q0", set("two"));
    expect(changed().told("dataChanged", "/q0", 2).read("/q0", 2, {}).found).toEqual([]);
    // An answer of before the change asks for no event.
    expect(changed().read("/q0", 1, {}).found).toEqual([]);
    expect(changed().read("/q0", 2, {}).found).toEqual(["eventBeforeAnswer"]);
  });

  it("fires once, for the change that it is for, in order", () => {
    const twice = (): History =>
      watched().apply(OpCode.set, "/q0", set("two")).apply(OpCode.set, "/q0", set("three"));
    expect(twice().told("dataChanged", "/q0", 2).read("/q0", 3, {}).found).toEqual([]);
    const again = twice().told("dataChanged", "/q0", 2).told("dataChanged", "/q0", 3);
    expect(again.found).toEqual(["eventIsDue"]);
    expect(twice().told("dataChanged", "/q0", 3).found).toEqual(["eventIsDue"]);
    expect(twice().told("deleted", "/q0", 2).found).toEqual(["eventIsDue"]);
    expect(twice().told("dataChanged", "/q1", 2).found).toEqual(["eventIsDue"]);
  });

  it("that is persistent fires each time", () => {
    const twice = watched({ list: "persistentRecursive", path: "/q0" })
      .apply(OpCode.set, "/q0", set("two"))
      .apply(OpCode.add, "/q0/a", create("below"))
      .told("dataChanged", "/q0", 2);
    expect(twice.told("created", "/q0/a", 3).read("/q0", 3, {}).found).toEqual([]);
  });

  describe("that is set again", () => {
    /** The client was lost as of 1, and sets its watches again as of 2. */
    const again = (told: (history: History) => void, watch = data): readonly string[] => {
      const history = watched(watch).apply(OpCode.set, "/q0", set("two"));
      history.witness.disconnected();
      history.witness.setsWatches();
      told(history);
      history.witness.answered(at(2));
      history.witness.watchesSet([watch], at(1), at(2));
      return history.found;
    };

    it("is told of what it missed, once, before anything else", () => {
      expect(again((history) => history.told("dataChanged", "/q0", null))).toEqual([]);
      expect(again(() => undefined)).toEqual(["missedIsTold"]);
      const twice = (history: History): void =>
        void history.told("dataChanged", "/q0", null).told("dataChanged", "/q0", null);
      expect(again(twice)).toEqual(["missedIsTold"]);
      expect(again((history) => history.told("deleted", "/q0", null))).toEqual(["missedIsTold"]);
    });

    it("and has missed nothing is armed, and told of what follows", () => {
      const history = watched({ list: "child", path: "/q0" });
      history.witness.disconnected();
      history.witness.setsWatches();
      history.witness.watchesSet([{ list: "child", path: "/q0" }], at(1), at(1));
      history.apply(OpCode.add, "/q0/a", create("below"));
      expect(history.found).toEqual([]);
      history.witness.answered(at(2));
      expect(history.found).toEqual(["eventBeforeAnswer"]);
    });
  });
});

describe("Invariant 10: an ephemeral", () => {
  const owned = (): History =>
    new History()
      .apply(OpCode.createSession, "", open(SESSION, 1000))
      .apply(OpCode.add, "/q0", create("one", SESSION));

  it("is deleted with its session, in one transaction", () => {
    expect(owned().apply(OpCode.closeSession, "", close(SESSION, ["/q0"])).found).toEqual([]);
    const left = owned().apply(OpCode.closeSession, "", close(SESSION, []));
    expect(left.found).toEqual(["ephemeralHasSession"]);
    const late = owned()
      .apply(OpCode.delete, "/q0", deleted)
      .apply(OpCode.closeSession, "", close(SESSION, []));
    expect(late.found).toEqual([]);
  });

  it("needs a session that is open", () => {
    const closed = new History()
      .apply(OpCode.createSession, "", open(SESSION, 1000))
      .apply(OpCode.closeSession, "", close(SESSION, []))
      .apply(OpCode.add, "/q0", create("one", SESSION));
    expect(closed.found).toEqual(["ephemeralHasSession"]);
    const never = new History().apply(OpCode.add, "/q0", create("one", SESSION));
    expect(never.found).toEqual(["ephemeralHasSession"]);
  });
});

describe("Invariant 10: a session", () => {
  const [one, two, three] = [1, 2, 3].map((id) => toNodeId(id)) as [
    ReturnType<typeof toNodeId>,
    ReturnType<typeof toNodeId>,
    ReturnType<typeof toNodeId>,
  ];
  const quorum = majorityQuorum([one, two, three]);

  /**
   * Node 1 leads from 0 on, and the session of 1000 ms begins then. Nodes 2 and 3 answer every
   * 100 ms from 100 on, until they are told to be silent. Closed at `endMs`.
   */
  function ended(
    endMs: number,
    more: {
      readonly lives?: readonly (readonly [node: typeof one, atMs: number])[];
      readonly silentFromMs?: number;
      readonly leadsFromMs?: number;
      readonly isAsked?: boolean;
      /** How long an answer of node 2 is on its way. */
      readonly arrivesMs?: number;
    } = {},
  ): readonly string[] {
    const history = new History();
    const checker = new ExpiryChecker({ violations: history.violations, quorum }, history.model);
    history.model.listen(checker);
    checker.established(one, 0);
    history.apply(OpCode.createSession, "", open(SESSION, 1000));
    for (let nowMs = 0; nowMs < endMs; nowMs += 50) {
      history.nowMs = nowMs;
      for (const [node, atMs] of more.lives ?? []) {
        if (atMs === nowMs) checker.lives(SESSION, node, nowMs);
      }
      if (nowMs === more.leadsFromMs) checker.established(one, nowMs);
      if (nowMs % 100 !== 0) continue;
      checker.asked(one, nowMs);
      if (nowMs === 0) continue;
      for (const [index, node] of [two, three].entries()) {
        checker.answered(node, one, index, nowMs, true);
        const isHeard = nowMs < (more.silentFromMs ?? Number.POSITIVE_INFINITY);
        const underWayMs = node === two ? (more.arrivesMs ?? 0) : 0;
        if (isHeard && nowMs + underWayMs < endMs) {
          checker.answerArrived(one, node, index);
        }
      }
    }
    if (more.isAsked === true) checker.closeAsked(SESSION);
    checker.proposed(one, at(2), SESSION, endMs);
    history.apply(OpCode.closeSession, "", close(SESSION, []));
    return history.found;
  }

  it("ends when nobody was heard for its timeout, as fast as a clock may be", () => {
    expect(ended(1010)).toEqual([]);
    expect(ended(790)).toEqual(["expiryIsProven"]);
  });

  it("ends at any time when its client asks for it", () => {
    expect(ended(90, { isAsked: true })).toEqual([]);
  });

  it("lives on from its last sign of life anywhere, also when its node is not the leader", () => {
    for (const node of [one, two, three]) {
      expect(ended(1510, { lives: [[node, 550]] })).toEqual([]);
      expect(ended(1310, { lives: [[node, 550]] })).toEqual(["expiryIsProven"]);
    }
  });

  it("may be ended when its signs of life cannot have reached the leader", () => {
    const lives = [[two, 850]] as const;
    expect(ended(1210, { lives })).toEqual(["expiryIsProven"]);
    // What node 2 said from 800 on is still on its way. A quorum has told: the others.
    expect(ended(1210, { lives, arrivesMs: 350 })).toEqual([]);
  });

  it("is not ended by a leader that a quorum has not told of its clients since", () => {
    expect(ended(1210, { silentFromMs: 1000 })).toEqual([]);
    expect(ended(1210, { silentFromMs: 750 })).toEqual(["expiryIsProven"]);
  });

  it("that was decided to end, ends though its client is heard of while that waits", () => {
    const waiting = (decidedMs: number) => {
      const history = new History();
      const alone = majorityQuorum([one]);
      const checker = new ExpiryChecker(
        { violations: history.violations, quorum: alone },
        history.model,
      );
      history.model.listen(checker);
      checker.established(one, 0);
      history.apply(OpCode.createSession, "", open(SESSION, 1000));
      checker.asked(one, decidedMs);
      checker.decided(one, decidedMs);
      checker.lives(SESSION, one, 1100);
      checker.asked(one, 1200);
      checker.proposed(one, at(2), SESSION, 1500);
      history.apply(OpCode.closeSession, "", close(SESSION, []));
      return history.found;
    };
    expect(waiting(1000)).toEqual([]);
    expect(waiting(700)).toEqual(["expiryIsProven"]);
  });

  describe("that has ended", () => {
    /** Ended at 0; node 2 speaks to its client at each of these, serving or not. */
    const spoken = (
      atMs: readonly (readonly [nowMs: number, isServing: boolean])[],
      goesOnSinceMs = 0,
    ): readonly string[] => {
      const history = new History();
      const checker = new ExpiryChecker({ violations: history.violations, quorum }, history.model);
      history.apply(OpCode.createSession, "", open(SESSION, 3000));
      history.apply(OpCode.closeSession, "", close(SESSION, []));
      for (const [nowMs, isServing] of atMs) {
        checker.speaksTo(SESSION, { node: two, isServing, goesOnSinceMs, timerLateMs: 0 }, nowMs);
      }
      return history.found;
    };

    it("is told to its client when its node has noticed that it is alone or late", () => {
      expect(spoken([[4900, true]])).toEqual([]);
      expect(spoken([[5100, true]])).toEqual(["endIsTold"]);
      // It stood still.
      expect(spoken([[5600, true]], 5000)).toEqual([]);
    });

    it("is not kept from its client for longer than two thirds of its timeout by one that is", () => {
      const alone = (ms: number) =>
        spoken([
          [3000, false],
          [3000 + ms, false],
        ]);
      expect(alone(2500)).toEqual([]);
      expect(alone(2700)).toEqual(["endIsTold"]);
      const isBackBetween = [
        [1000, false],
        [2000, true],
        [5000, false],
      ] as const;
      expect(spoken(isBackBetween)).toEqual([]);
    });
  });

  it("has its whole timeout again under a new leader", () => {
    expect(ended(1510, { leadsFromMs: 500 })).toEqual([]);
    expect(ended(1210, { leadsFromMs: 500 })).toEqual(["expiryIsProven"]);
  });
});

describe("a session's writes", () => {
  function applied(
    values: readonly string[],
    prepare: (checker: WriteOrderChecker) => void = () => undefined,
  ): readonly string[] {
    const history = new History();
    const checker = new WriteOrderChecker(history.violations);
    history.model.listen(checker);
    prepare(checker);
    for (const [index, value] of values.entries()) {
      history.apply(OpCode.add, `/q${index}`, create(value));
    }
    return history.found;
  }

  it("take effect in the order in which they were sent", () => {
    expect(applied(["s1.1.1", "s2.1.1", "s1.1.4"])).toEqual([]);
    expect(applied(["s1.1.2", "s1.1.1"])).toEqual(["fifoOrder"]);
  });

  it("of a connection that was left are proposed before the move was told, or never", () => {
    const moved = (proposedAtMs: number, node = 2) => {
      return applied(["s1.1.1"], (checker) => {
        checker.connected(1, { number: 1, node: 1 }, 10);
        checker.connected(1, { number: 2, node }, 20);
        checker.proposed(at(1), proposedAtMs);
      });
    };
    expect(moved(15)).toEqual([]);
    expect(moved(25)).toEqual(["moveIsObeyed"]);
    // To the same server it is no move.
    expect(moved(25, 1)).toEqual([]);
  });
});
