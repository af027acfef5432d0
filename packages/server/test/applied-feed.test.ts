import {
  BatchBuilder,
  LOG_START,
  makeTxnid,
  positionOf,
  silentMeter,
  TXNID_ZERO,
  type EntryBatch,
  type LogPosition,
  type Txnid,
} from "@quorate/protocol";
import { ZnodeOp } from "@quorate/znode";
import { describe, expect, test } from "vitest";
import { AppliedFeed } from "../src/applied-feed.js";
import { createOf, Ensemble, id, testHash } from "./support.js";

const builder = new BatchBuilder(testHash);

function batch(counter: number, after: LogPosition, count = 1): EntryBatch {
  for (let i = 0; i < count; i += 1) builder.add(1, 0n, 7, "k", new Uint8Array(1));
  return builder.finish(makeTxnid(1, counter), after);
}

function recordingFeed(): {
  feed: AppliedFeed;
  seen: Txnid[][];
  times: number[];
  clock: { time: number };
} {
  const seen: Txnid[][] = [];
  const times: number[] = [];
  const clock = { time: 0, now: () => clock.time };
  const meter = { ...silentMeter, observe: (_: string, ms: number) => void times.push(ms) };
  const feed = new AppliedFeed({ clock, meter });
  feed.listen((batches) => void seen.push(batches.map(({ last }) => last)));
  return { feed, seen, times, clock };
}

const noStore = {
  logStart: LOG_START,
  readBatches: () => Promise.reject(new Error("nothing is read here")),
};
const one = batch(1, LOG_START, 2);
const two = batch(3, positionOf(one));
const three = batch(4, positionOf(two));

describe("the feed of what is applied", () => {
  test("shows each batch once, in order, also when memory is loaded again from less", () => {
    const { feed, seen } = recordingFeed();
    feed.restored(LOG_START, noStore);
    feed.advanced([one, two]);
    // The disk was full: what is durable is older than what was applied.
    feed.restored(LOG_START, noStore);
    expect(feed.head).toBe(two.last);
    feed.advanced([one]);
    feed.advanced([two, three]);
    expect(seen).toEqual([[one.last, two.last], [three.last]]);
  });

  test("says so when a snapshot takes the place of entries, and goes on behind it", () => {
    const { feed, seen } = recordingFeed();
    feed.advanced([one]);
    const position = positionOf(three);
    feed.restored(position, noStore);
    expect(feed.head).toBe(three.last);
    const next = batch(5, position);
    feed.advanced([next]);
    expect(seen).toEqual([[one.last], [], [next.last]]);
  });

  test("measures from the log to the commit, once for what commits together", () => {
    const { feed, times, clock } = recordingFeed();
    feed.logged(one);
    clock.time = 5;
    feed.logged(two);
    clock.time = 7;
    feed.advanced([one, two]);
    feed.logged(three);
    feed.truncated(positionOf(two));
    clock.time = 50;
    feed.logged(three);
    clock.time = 53;
    feed.advanced([three]);
    expect(times).toEqual([7, 3]);
  });

  test("refuses what does not follow: that would be another history", () => {
    const { feed } = recordingFeed();
    feed.advanced([one]);
    expect(() => feed.advanced([three])).toThrow(/follows what was applied/);
  });

  test("reads no further than what is applied, and is not ready without a store", async () => {
    const { feed } = recordingFeed();
    await expect(feed.read(TXNID_ZERO, 1)).rejects.toMatchObject({ code: "ERR_SERVER_NOT_READY" });
    const asked: Txnid[] = [];
    feed.restored(LOG_START, {
      logStart: positionOf(one),
      readBatches: (after, upTo) => {
        asked.push(after, upTo);
        return Promise.resolve([]);
      },
    });
    feed.advanced([one, two]);
    await feed.read(one.last, 1000);
    expect(asked).toEqual([one.last, two.last]);
    expect(feed.oldest).toBe(one.last);
  });

  test("is the same on every node of an ensemble, from its first entry", async () => {
    const ensemble = new Ensemble(3);
    await ensemble.start(1, 2, 3);
    await ensemble.clock.until(() => ensemble.allReady());
    const create = createOf(new Uint8Array([1]));
    let last = TXNID_ZERO;
    for (const path of ["/a", "/b", "/c"]) {
      const written = ensemble.server(2).submit(ZnodeOp.create, path, create);
      last = (await ensemble.settle(written)).txnid;
    }
    const everyone = [...ensemble.servers.values()];
    await ensemble.clock.until(() => everyone.every(({ committed }) => committed.head >= last));
    const logs = await Promise.all(
      everyone.map(({ committed }) => ensemble.settle(committed.read(TXNID_ZERO, 1e6))),
    );
    expect(logs[0]?.at(-1)?.last).toBe(everyone[0]?.committed.head);
    for (const log of logs)
      expect(log.map(({ chain }) => chain)).toEqual(logs[0]?.map((b) => b.chain));
  });
});

test("a node that was away for too long tells its followers that entries never came", async () => {
  const ensemble = new Ensemble(3);
  await ensemble.start(1, 2, 3);
  await ensemble.clock.until(() => ensemble.allReady());
  const [away = 3, here = 1] = [3, 1, 2].filter((one) => ensemble.leader !== ensemble.server(one));
  await ensemble.settle(ensemble.server(away).stop());
  const before = ensemble.server(away).committed.head;
  ensemble.servers.delete(id(away));
  // More than a log keeps below a checkpoint (1 MiB here), several checkpoints long.
  for (let i = 0; i < 12; i += 1) {
    const content = createOf(new Uint8Array(400_000));
    await ensemble.settle(ensemble.server(here).submit(ZnodeOp.create, `/${i}`, content));
  }
  await ensemble.clock.pass(5000);
  await ensemble.start(away);
  const { committed } = ensemble.server(away);
  const seen: number[] = [];
  committed.listen((batches) => void seen.push(batches.length));
  await ensemble.clock.until(() => ensemble.allReady());
  expect(seen).toContain(0);
  expect(committed.oldest).toBeGreaterThan(before);
  await expect(ensemble.settle(committed.read(before, 1000))).rejects.toMatchObject({
    code: "ERR_STORE_COMPACTED",
  });
  // It goes on from there, like everybody's.
  const more = createOf(new Uint8Array(1));
  const { txnid } = await ensemble.settle(
    ensemble.server(away).submit(ZnodeOp.create, "/more", more),
  );
  expect(committed.head).toBe(txnid);
  const rest = await ensemble.settle(committed.read(committed.oldest, 1e7));
  expect(rest.at(-1)?.last).toBe(txnid);
});
