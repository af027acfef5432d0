import {
  defaultMsgFactory,
  HISTORY_CHUNK_BYTES_MAX,
  HISTORY_CHUNKS_IN_FLIGHT_MAX,
  HISTORY_MESSAGES_IN_FLIGHT_MAX,
  type LogPosition,
  type SnapshotSource,
} from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import { HistorySender } from "../src/history-sender.js";
import { batchAfter, endOf, FakeHost, FakePipe, logOf, settled } from "./support.js";

function senderOf(host: FakeHost, pipe = new FakePipe(2)) {
  const cuts: LogPosition[] = [];
  const sender = new HistorySender({
    pipe,
    handler: host.handler,
    factory: defaultMsgFactory,
    historyEnd: () => endOf(host.log),
    startLiveQueue: () => void cuts.push(endOf(host.log)),
  });
  const histories = () => pipe.sent.filter(({ kind }) => kind === "history").length;
  return { sender, pipe, cuts, histories };
}

describe("sending history", () => {
  test("keeps a window of unanswered chunks", async () => {
    const host = new FakeHost();
    host.log = logOf([1, 10]);
    const { sender, pipe, histories } = senderOf(host);
    const done = sender.send({ kind: "diff", after: endOf([]) });
    await settled();
    expect(histories()).toBe(HISTORY_CHUNKS_IN_FLIGHT_MAX);
    sender.credit(1);
    expect(await done).toEqual(endOf(host.log));
    expect(pipe.kinds[0]).toBe("streamBegin");
    expect(histories()).toBe(10);
  });

  test("once the peer has answered, sends small batches without waiting for each four", async () => {
    const host = new FakeHost();
    const count = HISTORY_MESSAGES_IN_FLIGHT_MAX + 10;
    host.log = logOf([1, count]);
    const { sender, histories } = senderOf(host);
    const done = sender.send({ kind: "diff", after: endOf([]) });
    await settled();
    sender.credit(1);
    await settled();
    expect(histories()).toBe(1 + HISTORY_MESSAGES_IN_FLIGHT_MAX);
    sender.credit(3);
    await settled();
    expect(histories()).toBe(3 + HISTORY_MESSAGES_IN_FLIGHT_MAX);
    sender.credit(11);
    expect(await done).toEqual(endOf(host.log));
    expect(histories()).toBe(count);
  });

  test("never has more bytes under way than a window of whole chunks", async () => {
    const host = new FakeHost();
    const bytes = HISTORY_CHUNK_BYTES_MAX / 2;
    for (let counter = 1; counter <= 40; counter += 1) {
      host.log.push(batchAfter(endOf(host.log), 1, counter, "", bytes));
    }
    const { sender, histories } = senderOf(host);
    const done = sender.send({ kind: "diff", after: endOf([]) });
    await settled();
    sender.credit(1);
    await settled();
    // A batch is some bytes more than its content.
    expect(histories()).toBe(1 + 2 * HISTORY_CHUNKS_IN_FLIGHT_MAX - 1);
    for (let answered = 2; answered <= 40; answered += 1) {
      if (answered > histories()) break;
      sender.credit(answered);
      await settled();
    }
    expect(await done).toEqual(endOf(host.log));
  });

  test("refuses progress beyond what was sent, and progress that goes back", async () => {
    const host = new FakeHost();
    host.log = logOf([1, 3]);
    const { sender } = senderOf(host);
    await sender.send({ kind: "diff", after: endOf([]) });
    sender.credit(2);
    for (const wrong of [4, 1]) {
      expect(() => sender.credit(wrong)).toThrow(
        expect.objectContaining({ code: "ERR_PROTOCOL_ORDER" }),
      );
    }
  });

  test("ZOOKEEPER-4785, G23: the cut covers what was proposed meanwhile, in one step", async () => {
    const host = new FakeHost();
    host.log = logOf([1, 3]);
    const { sender, cuts, histories } = senderOf(host);
    const done = sender.send({ kind: "diff", after: endOf([]) });
    // Proposed while the first pass is on its way.
    host.log = [...host.log, batchAfter(endOf(host.log), 1, 4)];
    expect(await done).toEqual(endOf(host.log));
    expect(cuts).toEqual([endOf(host.log)]);
    expect(histories()).toBe(4);
  });

  test("says with each batch what is committed, and never more than the batch", async () => {
    const host = new FakeHost();
    host.log = logOf([1, 3]);
    host.committed = host.log[1]?.last ?? 0n;
    const { sender, pipe } = senderOf(host);
    await sender.send({ kind: "diff", after: endOf([]) });
    const marks = pipe.sent.flatMap((m) => (m.kind === "history" ? [m.committed & 0xffffn] : []));
    expect(marks).toEqual([1n, 2n, 2n]);
  });

  test("names the cut to truncate to before the stream", async () => {
    const host = new FakeHost();
    host.log = logOf([1, 3]);
    const { sender, pipe } = senderOf(host);
    await sender.send({ kind: "truncate", after: endOf(host.log.slice(0, 2)) });
    expect(pipe.kinds).toEqual(["truncate", "streamBegin", "history"]);
  });

  test("sends a snapshot, then entries from its position, and lets go of it", async () => {
    const host = new FakeHost();
    host.log = logOf([1, 3]);
    let closed = 0;
    const slices = [[{ key: new Uint8Array([1]), value: null }], []];
    const source: SnapshotSource = {
      info: { position: endOf(host.log.slice(0, 2)), digest: 0n, members: [] },
      read: () => Promise.resolve(slices.shift() ?? []),
      close: () => void (closed += 1),
    };
    host.snapshot = source;
    const { sender, pipe } = senderOf(host);
    expect(await sender.send({ kind: "snapshot" })).toEqual(endOf(host.log));
    expect(pipe.kinds).toEqual([
      "snapshotBegin",
      "snapshotChunk",
      "snapshotEnd",
      "streamBegin",
      "history",
    ]);
    expect(pipe.sent[2]).toMatchObject({ rowCount: 1 });
    expect(closed).toBe(1);
  });

  test("stopped while a snapshot's next rows are read, lets go of it when these are there", async () => {
    const host = new FakeHost();
    let closed = 0;
    const row = { key: new Uint8Array([1]), value: null };
    let reads = 0;
    let answer = (): void => undefined;
    host.snapshot = {
      info: { position: endOf([]), digest: 0n, members: [] },
      read: () => {
        reads += 1;
        if (reads <= HISTORY_CHUNKS_IN_FLIGHT_MAX + 1) return Promise.resolve([row]);
        return new Promise((resolve) => (answer = () => resolve([row])));
      },
      close: () => void (closed += 1),
    };
    const { sender, pipe } = senderOf(host);
    const done = sender.send({ kind: "snapshot" });
    await settled();
    expect(pipe.kinds).toHaveLength(1 + HISTORY_CHUNKS_IN_FLIGHT_MAX);
    sender.stop();
    await settled();
    expect(closed).toBe(0);
    answer();
    expect(await done).toBeUndefined();
    expect(closed).toBe(1);
  });

  test("G8: stops in the middle, sends no more and leaves nothing open", async () => {
    const host = new FakeHost();
    host.log = logOf([1, 10]);
    const { sender, pipe, cuts } = senderOf(host);
    const done = sender.send({ kind: "diff", after: endOf([]) });
    await settled();
    const sent = pipe.sent.length;
    sender.stop();
    expect(await done).toBeUndefined();
    expect(pipe.sent).toHaveLength(sent);
    expect(cuts).toEqual([]);
  });
});
