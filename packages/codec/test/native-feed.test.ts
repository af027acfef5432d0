import fc from "fast-check";
import { Packr } from "msgpackr";
import { describe, expect, it } from "vitest";
import { errorCodeOf, QuorateError, toTxnid, type CommittedOperation } from "@quorate/protocol";
import {
  decodeNativeReplies,
  decodeSubscribe,
  decodeTaken,
  encodeEvents,
  encodeEventsHead,
  encodeNativeReplies,
  encodeSubscribe,
  encodeTaken,
} from "../src/index.js";

const packr = new Packr({ useRecords: false });
const txnids = fc.bigInt({ min: 1n, max: 2n ** 64n - 2n }).map(toTxnid);
const data = fc.uint8Array({ maxLength: 50 });
const time = fc.integer({ min: 0, max: 2 ** 45 });
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const path = fc.string({ unit: "binary" });

const operations: fc.Arbitrary<CommittedOperation> = fc.oneof(
  fc.record({ kind: fc.constant("create" as const), path, data, timeMs: time }),
  fc.record({ kind: fc.constant("set" as const), path, data, timeMs: time, version: int32 }),
  fc.record({ kind: fc.constant("delete" as const), path }),
  fc.record({ kind: fc.constant("setAcl" as const), path, version: int32 }),
  fc.record({ kind: fc.constant("broadcast" as const), path, data }),
);

const events = fc.array(
  fc.record({ txnid: txnids, operations: fc.array(operations, { minLength: 1, maxLength: 4 }) }),
  { maxLength: 30 },
);

function frame(id: number, upTo: ReturnType<typeof toTxnid>, body: Uint8Array): Uint8Array {
  return new Uint8Array([...encodeEventsHead(id, upTo), ...body]);
}

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return errorCodeOf(error);
  }
  return undefined;
}

describe("the events of a subscription", () => {
  it("come back as they went, whatever subscription their one encoding is sent to", () => {
    fc.assert(
      fc.property(events, txnids, fc.integer({ min: 0, max: 2 ** 32 - 1 }), (sent, upTo, id) => {
        const [read] = decodeNativeReplies(frame(id, upTo, encodeEvents(sent)));
        expect(read).toMatchObject({ id, upTo });
        const got = read !== undefined && "events" in read ? read.events : [];
        expect(got).toEqual(sent);
      }),
    );
  });

  it("may be none, which is a bookmark", () => {
    const bytes = frame(7, toTxnid(9n), encodeEvents([]));
    expect(decodeNativeReplies(bytes)).toEqual([{ id: 7, upTo: 9n, events: [] }]);
  });

  it.each([
    ["an event that is no array", [1, 2n, [7]]],
    ["an event without operations", [1, 2n, [[2n, []]]]],
    ["an operation that nobody knows", [1, 2n, [[2n, [[4, "/a", new Uint8Array(), 1]]]]]],
    ["a set without a version", [1, 2n, [[2n, [[2, "/a", new Uint8Array(), 1]]]]]],
    ["data that are no bytes", [1, 2n, [[2n, [[7, "/a", "text"]]]]]],
    ["a negative txnid", [1, -2n, []]],
    ["more depth than there is", [1, 2n, [[2n, [[7, "/a", new Uint8Array(), [[1]]]]]]]],
  ])("are refused whole for %s", (_, row) => {
    expect(codeOf(() => decodeNativeReplies(packr.pack([row])))).toBe("ERR_PROTOCOL_DECODE");
  });

  it("are never larger than their bytes: any damage is an error or other events", () => {
    const whole = frame(1, toTxnid(9n), encodeEvents([{ txnid: toTxnid(3n), operations: [op] }]));
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const damaged = whole.slice();
        damaged[at] = byte;
        const code = codeOf(() => decodeNativeReplies(damaged));
        expect([undefined, "ERR_PROTOCOL_DECODE"]).toContain(code);
      }),
    );
  });
});

describe("what a subscriber sends", () => {
  it("names the txnid to start after, or now", () => {
    expect(decodeSubscribe(encodeSubscribe(null))).toBeNull();
    expect(decodeSubscribe(encodeSubscribe(toTxnid(5n)))).toBe(5n);
    expect(decodeTaken(encodeTaken(toTxnid(2n ** 63n)))).toBe(2n ** 63n);
    expect(codeOf(() => decodeSubscribe(new Uint8Array(7)))).toBe("ERR_ARG_VALUE");
  });
});

describe("the end of a subscription", () => {
  it("names the oldest txnid where there is one", () => {
    const error = new QuorateError("ERR_CLIENT_COMPACTED", "gone", { details: { oldest: "e1:5" } });
    const [read] = decodeNativeReplies(encodeNativeReplies([{ id: 3, ok: false, error }]));
    expect(read).toMatchObject({
      id: 3,
      error: { code: "ERR_CLIENT_COMPACTED", details: { oldest: "e1:5" } },
    });
  });
});

const op: CommittedOperation = { kind: "create", path: "/a", data: new Uint8Array(3), timeMs: 5 };
