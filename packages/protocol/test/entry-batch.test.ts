import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import fc from "fast-check";
import {
  BatchBuilder,
  entriesOf,
  followsPosition,
  LOG_START,
  makeTxnid,
  parseBatch,
  positionOf,
  type Chain,
} from "../src/index.js";

const hash = (block: Uint8Array): Chain =>
  createHash("sha256").update(block).digest().readBigUInt64BE(0) as Chain;

function sample(epoch = 1) {
  const builder = new BatchBuilder(hash);
  builder.add(2, 7n, 1, "/a", new Uint8Array([1, 2]));
  builder.add(3, 8n, 2, "/ü", new Uint8Array());
  return builder.finish(makeTxnid(epoch, 1), LOG_START);
}

describe("entry batch", () => {
  test("keeps the golden bytes and chain of format 1", () => {
    const batch = sample();
    expect(Buffer.from(batch.bytes).toString("hex")).toBe(
      "01000000000000020000000000000000000000010000000101020000000000020000000200000000000000072f61010202030000000000030000000000000000000000082fc3bc",
    );
    expect(batch.chain).toBe(hash(batch.bytes));
  });

  test("round-trips any entries", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            origin: fc.integer({ min: 0, max: 254 }),
            reqId: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
            op: fc.integer({ min: 0, max: 255 }),
            key: fc.string({ unit: "grapheme", maxLength: 40 }),
            content: fc.uint8Array({ maxLength: 100 }),
          }),
          { minLength: 1, maxLength: 30 },
        ),
        (input) => {
          const builder = new BatchBuilder(hash);
          for (const e of input) builder.add(e.origin, e.reqId, e.op, e.key, e.content);
          const batch = parseBatch(builder.finish(makeTxnid(3, 9), LOG_START).bytes, hash);
          const read = entriesOf(batch);
          expect(read.map((e) => ({ ...e, content: [...e.content] }))).toEqual(
            input.map((e, i) => ({
              txnid: makeTxnid(3, 9 + i),
              fid: String(e.origin),
              reqId: e.reqId,
              op: e.op,
              key: e.key,
              content: [...e.content],
            })),
          );
        },
      ),
    );
  });

  test("refuses any truncation and any changed length with ERR_PROTOCOL_DECODE", () => {
    const { bytes } = sample();
    for (let cut = 0; cut < bytes.length; cut += 1) {
      expect(() => parseBatch(bytes.subarray(0, cut), hash)).toThrow(
        expect.objectContaining({ code: "ERR_PROTOCOL_DECODE" }),
      );
    }
    const longer = new Uint8Array([...bytes, 0]);
    expect(() => parseBatch(longer, hash)).toThrow(/malformed batch: entries/);
  });

  test("one flipped bit anywhere changes the chain or is refused", () => {
    const batch = sample();
    for (let bit = 0; bit < batch.bytes.length * 8; bit += 1) {
      const bytes = batch.bytes.slice();
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      let chain: Chain | undefined;
      try {
        chain = parseBatch(bytes, hash).chain;
      } catch {
        chain = undefined;
      }
      expect(chain).not.toBe(batch.chain);
    }
  });

  test("keeps a key that begins with a byte order mark", () => {
    const builder = new BatchBuilder(hash);
    builder.add(1, 0n, 9, "\ufefftopic", new Uint8Array());
    const batch = builder.finish(makeTxnid(1, 1), LOG_START);
    expect(entriesOf(batch).map(({ key }) => key)).toEqual(["\ufefftopic"]);
  });

  test("follows only the position whose chain it names", () => {
    const first = sample();
    const builder = new BatchBuilder(hash);
    builder.add(1, 0n, 1, "/b", new Uint8Array());
    const next = builder.finish(makeTxnid(1, 3), positionOf(first));
    expect(followsPosition(next, positionOf(first))).toBe(true);
    expect(followsPosition(next, LOG_START)).toBe(false);
    expect(followsPosition(next, { ...positionOf(first), chain: 1n as Chain })).toBe(false);
    builder.add(1, 0n, 1, "/b", new Uint8Array());
    const laterEpoch = builder.finish(makeTxnid(4, 1), positionOf(next));
    expect(followsPosition(laterEpoch, positionOf(next))).toBe(true);
    builder.add(1, 0n, 1, "/b", new Uint8Array());
    const hole = builder.finish(makeTxnid(4, 2), positionOf(next));
    expect(followsPosition(hole, positionOf(next))).toBe(false);
  });
});
