import { describe, expect, it } from "vitest";
import { makeTxnid, TXNID_ZERO, type Txnid } from "@quorate/protocol";
import {
  AHEAD_MS_MAX,
  BOOKMARK_MS,
  STALL_MS,
  UNSERVED_MS_MAX,
  WINDOW_BYTES,
  WINDOW_EVENTS,
} from "../src/feed/limits.js";
import { SubscriptionMachine, type PageInfo } from "../src/feed/subscription-machine.js";

const at = (counter: number): Txnid => makeTxnid(1, counter);

function page(after: Txnid, upTo: Txnid, over: Partial<PageInfo> = {}): PageInfo {
  return { after, upTo, eventCount: 1, bytes: 10, ...over };
}

function begun(after: Txnid, head: Txnid): SubscriptionMachine<PageInfo> {
  const machine = new SubscriptionMachine<PageInfo>(after, head, 0);
  machine.start();
  machine.step({ kind: "taken", upTo: after, now: 0 });
  return machine;
}

const tick = (now: number, isServing = true) => ({
  kind: "tick" as const,
  now,
  isServing,
  staysUnserved: false,
});

describe("a subscription", () => {
  it("says where it starts, and asks for what lies above", () => {
    const machine = new SubscriptionMachine<PageInfo>(at(3), at(5), 0);
    expect(machine.start()).toEqual([
      { kind: "bookmark", upTo: at(3) },
      { kind: "read", after: at(3) },
    ]);
  });

  it("delivers a page and goes on behind it, until it is at the head", () => {
    const machine = begun(at(0), at(5));
    const first = page(at(0), at(3));
    expect(machine.step({ kind: "page", page: first, now: 0 })).toEqual([
      { kind: "deliver", page: first },
      { kind: "read", after: at(3) },
    ]);
    const second = page(at(3), at(5));
    const effects = machine.step({ kind: "page", page: second, now: 0 });
    expect(effects).toEqual([{ kind: "deliver", page: second }]);
    expect(machine.step({ kind: "head", head: at(6) })).toEqual([{ kind: "read", after: at(5) }]);
  });

  it("passes over what does not match without a word", () => {
    const machine = begun(at(0), at(5));
    const nothing = page(at(0), at(3), { eventCount: 0, bytes: 0 });
    expect(machine.step({ kind: "page", page: nothing, now: 0 })).toEqual([
      { kind: "read", after: at(3) },
    ]);
  });

  it("refuses a page that leaves a hole or repeats", () => {
    const machine = begun(at(2), at(9));
    const step = (after: Txnid) => () =>
      machine.step({ kind: "page", page: page(after, at(9)), now: 0 });
    expect(step(at(3))).toThrow(/starts at the cursor/);
    expect(step(at(1))).toThrow(/starts at the cursor/);
  });

  it.each([
    ["bytes", { bytes: WINDOW_BYTES }],
    ["events", { eventCount: WINDOW_EVENTS }],
  ])("asks for no more while its window of %s is full, and again when it was taken", (_, full) => {
    const machine = begun(at(0), at(5));
    const big = page(at(0), at(3), full);
    expect(machine.step({ kind: "page", page: big, now: 0 })).toEqual([
      { kind: "deliver", page: big },
    ]);
    expect(machine.step({ kind: "head", head: at(6) })).toEqual([]);
    expect(machine.step({ kind: "taken", upTo: at(3), now: 1 })).toEqual([
      { kind: "release", page: big },
      { kind: "read", after: at(3) },
    ]);
  });

  it("is cut off when it takes nothing of a full window, and not as long as it takes some", () => {
    const machine = begun(at(0), at(5));
    const big = page(at(0), at(3), { bytes: WINDOW_BYTES });
    machine.step({ kind: "page", page: big, now: 0 });
    machine.step({ kind: "taken", upTo: at(1), now: STALL_MS - 1 });
    expect(machine.step(tick(STALL_MS))).toEqual([]);
    // The same again is no progress.
    machine.step({ kind: "taken", upTo: at(1), now: STALL_MS + 1 });
    expect(machine.step(tick(2 * STALL_MS))).toEqual([
      { kind: "release", page: big },
      { kind: "end", reason: "tooSlow" },
    ]);
    expect(machine.step({ kind: "head", head: at(9) })).toEqual([]);
  });

  it("may think about what it has as long as it likes, if nothing more waits for it", () => {
    const machine = begun(at(0), at(5));
    machine.step({ kind: "page", page: page(at(0), at(5), { bytes: WINDOW_BYTES }), now: 0 });
    expect(machine.step(tick(100 * STALL_MS))).toEqual([]);
  });

  it("is told how far it has come while nothing matches, not too often, one at a time", () => {
    const machine = begun(at(0), at(0));
    const passBy = (from: number, to: number): void => {
      machine.step({ kind: "head", head: at(to) });
      const nothing = page(at(from), at(to), { eventCount: 0, bytes: 0 });
      machine.step({ kind: "page", page: nothing, now: 0 });
    };
    passBy(0, 1);
    expect(machine.step(tick(BOOKMARK_MS - 1))).toEqual([]);
    expect(machine.step(tick(BOOKMARK_MS))).toEqual([{ kind: "bookmark", upTo: at(1) }]);
    passBy(1, 2);
    expect(machine.step(tick(3 * BOOKMARK_MS))).toEqual([]);
    machine.step({ kind: "taken", upTo: at(1), now: 3 * BOOKMARK_MS });
    expect(machine.step(tick(3 * BOOKMARK_MS))).toEqual([{ kind: "bookmark", upTo: at(2) }]);
    machine.step({ kind: "taken", upTo: at(2), now: 3 * BOOKMARK_MS });
    expect(machine.step(tick(9 * BOOKMARK_MS))).toEqual([]);
  });

  it("waits until the node has applied where it starts, but not for ever", () => {
    const machine = begun(at(7), at(3));
    expect(machine.step({ kind: "head", head: at(6) })).toEqual([]);
    expect(machine.step(tick(AHEAD_MS_MAX - 1))).toEqual([]);
    expect(machine.step({ kind: "head", head: at(8) })).toEqual([{ kind: "read", after: at(7) }]);
    expect(machine.step(tick(AHEAD_MS_MAX))).toEqual([]);
    const stuck = begun(at(7), at(3));
    expect(stuck.step(tick(AHEAD_MS_MAX))).toEqual([{ kind: "end", reason: "ahead" }]);
  });

  it("ends when the node serves nobody for long, and not for an election", () => {
    const machine = begun(at(0), at(0));
    machine.step(tick(0, false));
    machine.step(tick(UNSERVED_MS_MAX - 1, true));
    expect(machine.step(tick(UNSERVED_MS_MAX, false))).toEqual([]);
    expect(machine.step(tick(2 * UNSERVED_MS_MAX, false))).toEqual([
      { kind: "end", reason: "notServing" },
    ]);
  });

  it("asks again later when a page brought nothing although the head is above", () => {
    const machine = begun(at(0), at(5));
    const none = page(at(0), at(0), { eventCount: 0, bytes: 0 });
    expect(machine.step({ kind: "page", page: none, now: 0 })).toEqual([]);
    expect(machine.step(tick(1))).toEqual([{ kind: "read", after: at(0) }]);
  });

  it("frees what it held when it ends, however it ends", () => {
    const held = page(TXNID_ZERO, at(3));
    const open = (): SubscriptionMachine<PageInfo> => {
      const machine = begun(TXNID_ZERO, at(5));
      machine.step({ kind: "page", page: held, now: 0 });
      return machine;
    };
    const release = { kind: "release", page: held };
    expect(open().close()).toEqual([release]);
    expect(open().step({ kind: "unreadable", reason: "compacted" })).toEqual([
      release,
      { kind: "end", reason: "compacted" },
    ]);
    expect(open().step({ kind: "cutOff" })).toEqual([release, { kind: "end", reason: "tooSlow" }]);
    const closed = open();
    closed.close();
    expect(closed.close()).toEqual([]);
    expect(closed.inFlightBytes).toBe(0);
  });
});
