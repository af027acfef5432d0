import { describe, expect, it, vi } from "vitest";
import {
  makeTxnid,
  OpCode,
  QuorateError,
  toIdentity,
  TXNID_ZERO,
  type CommittedEvent,
  type CommittedOperation,
} from "@quorate/protocol";
import {
  AHEAD_MS_MAX,
  IN_FLIGHT_BYTES_MAX,
  PAGE_CACHE_BYTES_MAX,
  RECENT_BYTES_MAX,
  STALL_MS,
  SUBSCRIPTIONS_MAX,
  UNSERVED_MS_MAX,
} from "../src/feed/limits.js";
import { encodeEvents } from "@quorate/codec";
import { FollowedBatch, type MayHear } from "../src/feed/followed-batch.js";
import { Page, PageCache } from "../src/feed/page.js";
import { PrefixSet } from "../src/feed/prefix-set.js";
import { FeedSetup, type TestSink } from "./feed-support.js";

describe("a page", () => {
  it("keeps no more in memory than its own bytes when it is encoded", () => {
    const eventOf = (bytes: number): CommittedEvent => ({
      txnid: makeTxnid(1, 1),
      operations: [{ kind: "broadcast", path: "a", data: new Uint8Array(bytes) }],
    });
    // The encoder writes into what the largest so far needed, and hands out pieces of it.
    encodeEvents([eventOf(1_000_000)]);
    const pages = Array.from({ length: 10 }, () => {
      const page = new Page(TXNID_ZERO, makeTxnid(1, 1), [eventOf(10)]);
      return page.encodedBy(encodeEvents);
    });
    const kept = new Set(pages.map(({ buffer }) => buffer));
    const bytes = [...kept].reduce((sum, { byteLength }) => sum + byteLength, 0);
    expect(bytes).toBeLessThan(10 * 100);
    expect(pages[9]).toEqual(new Uint8Array(encodeEvents([eventOf(10)])));
  });
});

describe("the pages that are kept", () => {
  it("count with what each who may not hear of all of them is shown", () => {
    const data = new Uint8Array(PAGE_CACHE_BYTES_MAX / 8);
    const owners = Array.from({ length: 10 }, (_, i) => `owner${i}`);
    const open = { kind: "broadcast", path: "a", data } as const;
    const own = owners.map((id) => [{ kind: "delete", path: `/${id}` } as const, id] as const);
    const mayHear = new Map<CommittedOperation, MayHear>(
      own.map(([operation, id]) => [operation, (who) => who.some((one) => one.id === id)]),
    );
    const txnid = makeTxnid(1, 1);
    const events = [{ txnid, operations: [open, ...own.map(([operation]) => operation)] }];
    const page = new Page(TXNID_ZERO, txnid, events, mayHear);
    const cache = new PageCache();
    cache.put("", page);
    const show = (id: string): void => {
      page.shownTo([{ scheme: "digest", id }]);
      cache.shown("", page);
    };
    for (const id of owners.slice(0, 4)) show(id);
    show("owner0");
    expect(cache.get("", TXNID_ZERO)).toBe(page);
    expect(cache.bytes).toBeGreaterThan(5 * data.length);
    expect(cache.bytes).toBeLessThan(5.1 * data.length);
    for (const id of owners) show(id);
    expect(cache.get("", TXNID_ZERO)).toBeUndefined();
    expect(cache.bytes).toBe(0);
  });
});

describe("the feed of committed entries", () => {
  it("gives what lies below a prefix, in whole components", async () => {
    const setup = new FeedSetup();
    const everything = setup.subscribe("", TXNID_ZERO);
    const paths = setup.subscribe("/", TXNID_ZERO);
    const below = setup.subscribe("/a", TXNID_ZERO);
    setup.create("/a", "/a/b", "/ab", "/a/b/c");
    setup.say(["topic", "topic/x"]);
    await setup.clock.settle();
    expect(everything.paths()).toEqual(["/a", "/a/b", "/ab", "/a/b/c", "topic", "topic/x"]);
    expect(paths.paths()).toEqual(["/a", "/a/b", "/ab", "/a/b/c"]);
    expect(below.paths()).toEqual(["/a", "/a/b", "/a/b/c"]);
    const topic = setup.subscribe("topic", TXNID_ZERO);
    await setup.clock.settle();
    expect(topic.paths()).toEqual(["topic", "topic/x"]);
  });

  it("starts now where nothing else is said: nothing of before is seen", async () => {
    const setup = new FeedSetup();
    const before = setup.create("/a");
    const sink = setup.subscribe("");
    await setup.clock.settle();
    expect(sink.marks).toEqual([before]);
    setup.create("/b");
    await setup.clock.settle();
    expect(sink.paths()).toEqual(["/b"]);
  });

  it("resumes in the middle of a batch, and of one that is on disk only", async () => {
    const setup = new FeedSetup();
    const last = setup.create("/a", "/b", "/c");
    const middle = makeTxnid(1, 2);
    const recent = setup.subscribe("", middle);
    await setup.clock.settle();
    expect(recent.events.map(({ txnid }) => txnid)).toEqual([last]);
    while (setup.log.readCount === 0) {
      setup.say(["x"], RECENT_BYTES_MAX / 8);
      const old = setup.subscribe("/c", middle);
      await setup.clock.settle();
      expect(old.events.map(({ txnid }) => txnid)).toEqual([last]);
    }
  });

  it("shows nothing of the ensemble's own entries and lets them move the bookmark", async () => {
    const setup = new FeedSetup();
    const sink = setup.subscribe("", TXNID_ZERO);
    const content = new TextEncoder().encode(toIdentity("a".repeat(32)));
    const last = setup.log.append([{ op: OpCode.foundEnsemble, key: "", content }]);
    await setup.clock.pass(3000);
    expect(sink.events).toEqual([]);
    expect(sink.marks).toEqual([TXNID_ZERO, last]);
  });

  it("names the oldest start to whoever asks for what was let go", async () => {
    const setup = new FeedSetup();
    for (let i = 0; i < 30; i += 1) setup.say(["x"], RECENT_BYTES_MAX / 20);
    setup.log.compact(makeTxnid(1, 5));
    expect(() => setup.subscribe("", makeTxnid(1, 4))).toThrow(
      expect.objectContaining({
        code: "ERR_CLIENT_COMPACTED",
        retryable: false,
        details: { oldest: "e1:5" },
      }),
    );
    const again = setup.subscribe("", makeTxnid(1, 5));
    await setup.clock.settle();
    expect(again.events[0]?.txnid).toBe(makeTxnid(1, 6));
  });

  it("ends whoever is overtaken by compaction in the middle of history", async () => {
    const setup = new FeedSetup();
    for (let i = 0; i < 40; i += 1) setup.say(["x"], RECENT_BYTES_MAX / 20);
    const slow = setup.subscribe("", TXNID_ZERO, false);
    await setup.clock.settle();
    setup.log.compact(makeTxnid(1, 18));
    slow.take();
    await setup.clock.settle();
    expect(slow.error).toMatchObject({
      code: "ERR_CLIENT_COMPACTED",
      details: { oldest: "e1:18" },
    });
  });

  it("ends a live subscription under which a snapshot is installed", async () => {
    const setup = new FeedSetup();
    const live = setup.subscribe("", TXNID_ZERO);
    setup.create("/a");
    await setup.clock.settle();
    setup.log.installSnapshot(10);
    await setup.clock.settle();
    expect(live.error).toMatchObject({
      code: "ERR_CLIENT_COMPACTED",
      details: { oldest: "e1:11" },
    });
  });

  it("waits for what the client has seen elsewhere", async () => {
    const setup = new FeedSetup();
    const ahead = setup.subscribe("", makeTxnid(1, 3));
    const lost = setup.subscribe("", makeTxnid(9, 3));
    setup.create("/a", "/b", "/c", "/d");
    await setup.clock.settle();
    expect(ahead.paths()).toEqual(["/d"]);
    await setup.clock.pass(AHEAD_MS_MAX + 1000);
    expect(ahead.error).toBeNull();
    expect(lost.error).toMatchObject({ code: "ERR_ARG_TXNID", retryable: false });
  });

  it("does not say that there is no such txnid before its node has served, in-process either", async () => {
    const setup = new FeedSetup();
    setup.isServing = false;
    const sink = setup.subscribeInProcess("", makeTxnid(1, 3));
    await setup.clock.pass(5 * AHEAD_MS_MAX);
    expect(sink.error).toBeNull();
    setup.create("/a", "/b", "/c", "/d");
    setup.isServing = true;
    const lost = setup.subscribeInProcess("", makeTxnid(9, 3));
    await setup.clock.pass(AHEAD_MS_MAX + 1000);
    expect(sink.paths()).toEqual(["/d"]);
    expect(lost.error).toMatchObject({ code: "ERR_ARG_TXNID" });
  });

  it("serves history without a leader for a while, and does not begin with now", async () => {
    const setup = new FeedSetup();
    setup.create("/a");
    setup.isServing = false;
    expect(() => setup.subscribe("")).toThrow(/no leader/);
    const sink = setup.subscribe("", TXNID_ZERO);
    await setup.clock.settle();
    expect(sink.paths()).toEqual(["/a"]);
    await setup.clock.pass(UNSERVED_MS_MAX + 1000);
    expect(sink.error).toMatchObject({ code: "ERR_SERVER_NOT_READY", retryable: true });
  });

  it("ends with a retryable error when history cannot be read", async () => {
    const setup = new FeedSetup();
    for (let i = 0; i < 30; i += 1) setup.say(["x"], RECENT_BYTES_MAX / 20);
    setup.log.readError = new QuorateError("ERR_STORE_CLOSED", "closed");
    const sink = setup.subscribe("", TXNID_ZERO);
    await setup.clock.settle();
    expect(sink.error).toMatchObject({ code: "ERR_SERVER_NOT_READY", retryable: true });
  });

  it.each(["/a/", "a\ud800", "x".repeat(40_000)])("refuses the prefix %j", (prefix) => {
    const setup = new FeedSetup();
    expect(() => setup.subscribe(prefix, TXNID_ZERO)).toThrow(/prefix/);
    expect(setup.feed.subscriptionCount).toBe(0);
  });

  it("takes so many and no more, and again one when one leaves", () => {
    const setup = new FeedSetup();
    const sinks = Array.from({ length: SUBSCRIPTIONS_MAX }, () => setup.subscribe("", TXNID_ZERO));
    expect(() => setup.subscribe("")).toThrow(/too many/);
    sinks[0]?.handle?.close();
    setup.subscribe("");
  });

  it("keeps no whole batch in memory for the few events of it that it holds", async () => {
    const setup = new FeedSetup();
    const [sparse, dense] = [setup.subscribe("few", TXNID_ZERO), setup.subscribe("", TXNID_ZERO)];
    setup.say(["many", "few", "many"], 10_000);
    await setup.clock.settle();
    const memoryOf = ({ events }: TestSink): number => {
      const [operation] = events[0]?.operations ?? [];
      return operation?.kind === "broadcast" ? operation.data.buffer.byteLength : 0;
    };
    expect(memoryOf(sparse)).toBe(10_000);
    expect(memoryOf(dense)).toBeGreaterThan(30_000);
    expect(sparse.events).toEqual(dense.events.slice(1, 2));
  });

  it("tells everybody when it closes", async () => {
    const setup = new FeedSetup();
    const sink = setup.subscribe("", TXNID_ZERO);
    setup.feed.close();
    expect(sink.error).toMatchObject({ code: "ERR_SERVER_CLOSED", retryable: true });
    expect(() => setup.subscribe("")).toThrow(/stopping/);
    setup.create("/a");
    await setup.clock.settle();
    expect(sink.events).toEqual([]);
  });
});

describe("many subscribers", () => {
  it("of one prefix share the reading, the matching and the encoding (1000 of them)", async () => {
    const setup = new FeedSetup();
    const encoder = vi.fn(encodeEvents);
    const sinks = Array.from({ length: 1000 }, () => setup.subscribe("/a", TXNID_ZERO));
    const batches = 20;
    for (let i = 0; i < batches; i += 1) {
      setup.create(i === 0 ? "/a" : `/a/${i}`);
      await setup.clock.settle();
    }
    for (const sink of sinks) {
      expect(sink.paths()).toEqual(sinks[0]?.paths());
      for (const page of sink.pages) page.encodedBy(encoder);
    }
    expect(sinks[0]?.events.length).toBe(batches);
    expect(encoder).toHaveBeenCalledTimes(batches);
    // One object each, whoever holds it.
    expect(new Set(sinks.flatMap(({ pages }) => pages)).size).toBe(batches);
  });

  it("who come back at the same place read the store once", async () => {
    const setup = new FeedSetup();
    for (let i = 0; i < 30; i += 1) setup.say(["x"], RECENT_BYTES_MAX / 20);
    for (let i = 0; i < 100; i += 1) setup.subscribe("x", TXNID_ZERO);
    await setup.clock.settle();
    // 200 KiB each: two batches make a page.
    expect(setup.log.readCount).toBeLessThanOrEqual(15);
  });

  it("that read nothing hold what they share once, and are cut off", async () => {
    const setup = new FeedSetup();
    const sinks = Array.from({ length: 1000 }, () => setup.subscribe("x", TXNID_ZERO, false));
    for (let i = 0; i < 100; i += 1) {
      setup.say(["x"], 200_000);
      await setup.clock.settle();
    }
    const [first] = sinks;
    const held = first?.pages.reduce((sum, { bytes }) => sum + bytes, 0) ?? 0;
    expect(setup.feed.inFlightBytes).toBe(held);
    await setup.clock.pass(STALL_MS + 1000);
    for (const sink of sinks) expect(sink.error?.code).toBe("ERR_CLIENT_TOO_SLOW");
    expect(setup.feed.inFlightBytes).toBe(0);
  });

  it("that share nothing are bounded together: the slowest goes first", async () => {
    const setup = new FeedSetup();
    const bytes = 500_000;
    const count = Math.ceil(IN_FLIGHT_BYTES_MAX / bytes) + 20;
    const slow = Array.from({ length: count }, (_, i) =>
      setup.subscribe(`k${i}`, TXNID_ZERO, false),
    );
    const quick = setup.subscribe("k0", TXNID_ZERO);
    for (let i = 0; i < count; i += 1) {
      setup.say([`k${i}`], bytes);
      await setup.clock.pass(10);
      expect(setup.feed.inFlightBytes).toBeLessThan(IN_FLIGHT_BYTES_MAX + 2 * bytes);
    }
    const cut = slow.filter(({ error }) => error !== null);
    expect(cut.length).toBeGreaterThanOrEqual(20);
    expect(cut).toEqual(slow.slice(0, cut.length));
    for (const { error } of cut) expect(error?.code).toBe("ERR_CLIENT_TOO_SLOW");
    expect(quick.error).toBeNull();
  });
});

describe("one transaction of very many operations, as a session with its ephemerals ends", () => {
  it("is matched in one pass over them", async () => {
    const setup = new FeedSetup();
    setup.say(["/e"]);
    const [batch] = await setup.log.read(TXNID_ZERO, 1);
    if (batch === undefined) throw new Error("no batch");
    const operations = Array.from({ length: 300_000 }, (_, i) => {
      return { kind: "delete", path: `/e/${i}` } as const;
    });
    const reader = { operationsOf: () => operations, readersOf: () => null };
    const prefixes = new PrefixSet();
    prefixes.add("/e");
    // As many lists of them as there are would not be made within a test's time.
    const [event] = new FollowedBatch(batch, reader).eventsFor("/e", prefixes);
    expect(event?.operations.length).toBe(operations.length);
    expect(event?.operations.at(-1)).toBe(operations.at(-1));
  });
});
