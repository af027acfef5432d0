import fc from "fast-check";
import { expect, test } from "vitest";
import { errorCodeOf, type Txnid } from "@quorate/protocol";
import { WINDOW_BYTES } from "../src/feed/limits.js";
import { FeedSetup, type TestSink } from "./feed-support.js";

const KEYS = ["/a", "/a/b", "/ab", "/c/d", "topic"] as const;
const PREFIXES = ["", "/", "/a", "/a/b", "/c", "topic"] as const;

const covers = (prefix: string, key: string): boolean =>
  prefix === "" ||
  prefix === key ||
  key.startsWith(`${prefix}/`) ||
  (prefix === "/" && key.startsWith("/"));

type Step =
  | { readonly do: "say"; readonly keys: readonly string[]; readonly bytes: number }
  | { readonly do: "subscribe"; readonly prefix: string; readonly from: number }
  | { readonly do: "take" | "leave"; readonly who: number }
  | { readonly do: "compact"; readonly at: number }
  | { readonly do: "snapshot"; readonly count: number }
  | { readonly do: "epoch" | "turn" }
  | { readonly do: "pass"; readonly ms: number };

const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("say" as const),
      keys: fc.array(fc.constantFrom(...KEYS), { minLength: 1, maxLength: 4 }),
      // Large ones fill windows and push others out of memory, into the store.
      bytes: fc.oneof(fc.constant(1), fc.constant(1), fc.constant(300_000)),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("subscribe" as const),
      prefix: fc.constantFrom(...PREFIXES),
      from: fc.integer({ min: -1, max: 60 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("take" as const), who: fc.nat(5) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("turn" as const) }) },
  fc.record({ do: fc.constant("leave" as const), who: fc.nat(5) }),
  fc.record({ do: fc.constant("compact" as const), at: fc.nat(40) }),
  fc.record({ do: fc.constant("epoch" as const) }),
  fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(400, 1500, 4000) }),
  fc.record({ do: fc.constant("snapshot" as const), count: fc.integer({ min: 1, max: 9 }) }),
);

interface Followed {
  readonly sink: TestSink;
  readonly prefix: string;
  readonly after: Txnid;
  hasLeft: boolean;
}

/** What was committed here, and between which txnids a snapshot hides what was. */
class Oracle {
  readonly entries: { readonly txnid: Txnid; readonly key: string }[] = [];
  readonly gaps: { readonly after: Txnid; readonly upTo: Txnid }[] = [];

  check({ sink, prefix, after }: Followed): void {
    const got = sink.events.map(({ txnid, operations }) => [txnid, operations[0]?.path]);
    const wanted = this.entries
      .filter(({ txnid, key }) => txnid > after && covers(prefix, key))
      .map(({ txnid, key }) => [txnid, key]);
    // No hole, no repeat, nothing else, in order.
    expect(got).toEqual(wanted.slice(0, got.length));
    expect(sink.marks).toEqual([...sink.marks].sort((a, b) => (a < b ? -1 : 1)));
    expect(sink.bytesBeforeLast).toBeLessThan(WINDOW_BYTES);
    const told = sink.marks.at(-1);
    if (told === undefined) return;
    // A mark says that all below it was sent.
    const below = wanted.filter(([txnid]) => (txnid as Txnid) <= told);
    expect(got.length).toBe(below.length);
    // What nobody has seen here cannot have been passed.
    for (const gap of this.gaps) if (gap.upTo > after) expect(told).toBeLessThan(gap.upTo);
  }
}

async function run(script: readonly Step[]): Promise<void> {
  const setup = new FeedSetup();
  const { log, clock } = setup;
  const oracle = new Oracle();
  const all: Followed[] = [];
  const who = (index: number): Followed | undefined => all[index % Math.max(1, all.length)];
  for (const step of script) {
    switch (step.do) {
      case "say": {
        const last = setup.say(step.keys, step.bytes);
        const first = last - BigInt(step.keys.length) + 1n;
        step.keys.forEach((key, i) =>
          oracle.entries.push({ txnid: (first + BigInt(i)) as Txnid, key }),
        );
        break;
      }
      case "subscribe": {
        const after = step.from < 0 ? log.head : (oracle.entries[step.from]?.txnid ?? log.oldest);
        try {
          const sink = setup.subscribe(step.prefix, step.from < 0 ? null : after, false);
          all.push({ sink, prefix: step.prefix, after, hasLeft: false });
        } catch (error) {
          expect(errorCodeOf(error)).toBe("ERR_CLIENT_COMPACTED");
          expect(after).toBeLessThan(log.oldest);
        }
        break;
      }
      case "take":
        who(step.who)?.sink.take();
        break;
      case "leave": {
        const one = who(step.who);
        one?.sink.handle?.close();
        if (one !== undefined) one.hasLeft = true;
        break;
      }
      case "compact":
        log.compact(oracle.entries[step.at]?.txnid ?? log.oldest);
        break;
      case "snapshot": {
        const after = log.head;
        log.installSnapshot(step.count);
        oracle.gaps.push({ after, upTo: log.head });
        break;
      }
      case "epoch":
        log.nextEpoch();
        break;
      case "turn":
        await clock.settle();
        break;
      case "pass":
        await clock.pass(step.ms);
        break;
    }
    for (const one of all) oracle.check(one);
  }
  // In the end all take what they are sent: whoever was not ended has everything.
  for (const { sink } of all) sink.takesAtOnce = true;
  for (let i = 0; i < 3; i += 1) {
    for (const { sink } of all) sink.take();
    await clock.pass(2500);
  }
  for (const one of all) {
    oracle.check(one);
    if (one.hasLeft) continue;
    if (one.sink.error === null) expect(one.sink.marks.at(-1)).toBe(log.head);
    else expect(one.sink.error.code).toBe("ERR_CLIENT_COMPACTED");
  }
  for (const { sink } of all) sink.handle?.close();
  expect([setup.feed.inFlightBytes, setup.feed.subscriptionCount]).toEqual([0, 0]);
}

test("any interleaving gives a contiguous, exact stream or a typed end", async () => {
  await fc.assert(fc.asyncProperty(fc.array(steps, { minLength: 5, maxLength: 60 }), run), {
    numRuns: 150,
  });
});
