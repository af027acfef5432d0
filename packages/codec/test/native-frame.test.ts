import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Packr } from "msgpackr";
import {
  CONTENT_BYTES_MAX,
  errorCodeOf,
  ERROR_CODES,
  KEY_BYTES_MAX,
  QuorateError,
  toTxnid,
} from "@quorate/protocol";
import {
  decodeNativeReplies,
  decodeNativeRequests,
  encodeNativeReplies,
  encodeNativeRequests,
  NATIVE_FRAME_MESSAGES_MAX,
  type NativeMessage,
} from "../src/index.js";

const packr = new Packr({ useRecords: false });

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return errorCodeOf(error);
  }
  return undefined;
}

const requests = fc.array(
  fc.record({
    id: fc.integer({ min: 0, max: 0xffff_ffff }),
    op: fc.integer({ min: 0, max: 255 }),
    key: fc.string(),
    content: fc.uint8Array({ maxLength: 300 }),
    linearizable: fc.boolean(),
  }),
  { maxLength: 50 },
);

const replies = fc.array(
  fc.oneof(
    fc.record({
      id: fc.integer({ min: 0, max: 0xffff_ffff }),
      ok: fc.constant(true as const),
      txnid: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(toTxnid),
      content: fc.uint8Array({ maxLength: 300 }),
    }),
    fc.record({
      id: fc.integer({ min: 0, max: 0xffff_ffff }),
      ok: fc.constant(false as const),
      error: fc
        .record({
          code: fc.constantFrom(...ERROR_CODES),
          message: fc.string(),
          retryable: fc.boolean(),
        })
        .map(({ code, message, retryable }) => new QuorateError(code, message, { retryable })),
    }),
  ),
  { maxLength: 50 },
);

function plain(reply: NativeMessage): unknown {
  if ("events" in reply || "change" in reply) return reply;
  return reply.ok
    ? { ...reply, content: [...reply.content] }
    : [reply.id, reply.error.code, reply.error.message, reply.error.retryable];
}

describe("native frames", () => {
  it("give back the requests that went in", () => {
    fc.assert(
      fc.property(requests, (given) => {
        const read = decodeNativeRequests(encodeNativeRequests(given));
        expect(
          read.map((request) =>
            "error" in request ? request : { ...request, content: [...request.content] },
          ),
        ).toEqual(given.map((request) => ({ ...request, content: [...request.content] })));
      }),
    );
  });

  it("give back the replies that went in, txnids to the last bit", () => {
    fc.assert(
      fc.property(replies, (given) => {
        expect(decodeNativeReplies(encodeNativeReplies(given)).map(plain)).toEqual(
          given.map(plain),
        );
      }),
    );
  });

  it("refuse any bytes with one error and nothing else (F46)", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const decode of [decodeNativeRequests, decodeNativeReplies]) {
          const code = codeOf(() => decode(bytes));
          expect([undefined, "ERR_PROTOCOL_DECODE"]).toContain(code);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("refuse every truncation of a good frame", () => {
    const frame = encodeNativeRequests([
      { id: 7, op: 1, key: "/a", content: new Uint8Array(40), linearizable: false },
    ]);
    for (let length = 0; length < frame.length; length += 1) {
      expect(codeOf(() => decodeNativeRequests(frame.subarray(0, length)))).toBe(
        "ERR_PROTOCOL_DECODE",
      );
    }
  });

  it.each([
    ["an array that claims 2^32 elements", [0xdd, 0xff, 0xff, 0xff, 0xff]],
    ["a map that claims 2^32 pairs", [0xdf, 0xff, 0xff, 0xff, 0xff]],
    ["binary that claims 4 GiB", [0x91, 0xc6, 0xff, 0xff, 0xff, 0xff]],
    ["deep nesting", new Array<number>(100_000).fill(0x91)],
    ["an extension type", [0x91, 0xd4, 0x72, 0x40]],
    ["bytes behind the frame", [0x90, 0x90]],
  ])("refuse %s before allocating for it", (_, bytes) => {
    const before = process.memoryUsage().heapUsed;
    expect(codeOf(() => decodeNativeRequests(Uint8Array.from(bytes)))).toBe("ERR_PROTOCOL_DECODE");
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(16 * 2 ** 20);
  });

  it("refuse a frame with more messages than the limit", () => {
    const rows = Array.from({ length: NATIVE_FRAME_MESSAGES_MAX + 1 }, () => 1);
    expect(codeOf(() => decodeNativeRequests(packr.pack(rows)))).toBe("ERR_PROTOCOL_DECODE");
  });

  it.each([
    ["another field count", [1, 2], "ERR_PROTOCOL_DECODE"],
    ["an op that is no code", [1, 900, "/a", new Uint8Array(), 0], "ERR_PROTOCOL_DECODE"],
    ["a key that is no text", [1, 2, 3, new Uint8Array(), 0], "ERR_PROTOCOL_DECODE"],
    ["content that is no bytes", [1, 2, "/a", "text", 0], "ERR_PROTOCOL_DECODE"],
    ["an unknown flag", [1, 2, "/a", new Uint8Array(), 2], "ERR_PROTOCOL_DECODE"],
    [
      "a long key",
      [1, 2, "é".repeat(KEY_BYTES_MAX / 2 + 1), new Uint8Array(), 0],
      "ERR_ARG_TOO_LARGE",
    ],
    ["much content", [1, 2, "/a", new Uint8Array(CONTENT_BYTES_MAX + 1), 0], "ERR_ARG_TOO_LARGE"],
  ])("report a request with %s under its id, beside readable ones", (_, row, code) => {
    const good = [9, 2, "/ok", new Uint8Array(), 1];
    const [bad, read] = decodeNativeRequests(packr.pack([row, good]));
    expect(bad !== undefined && "error" in bad ? [bad.id, bad.error.code] : bad).toEqual([1, code]);
    expect(read).toMatchObject({ id: 9, op: 2, key: "/ok", linearizable: true });
  });

  it("keep the words of an error code that is newer than this client", () => {
    const [reply] = decodeNativeReplies(packr.pack([[3, "ERR_FUTURE_THING", "why", true]]));
    expect(reply).toMatchObject({ id: 3, ok: false });
    const error = reply !== undefined && "error" in reply ? reply.error : undefined;
    expect(error?.message).toBe("ERR_FUTURE_THING: why");
  });
});
