import fc from "fast-check";
import { Packr } from "msgpackr";
import { describe, expect, test } from "vitest";
import {
  FRAME_BYTES_MAX,
  FRAME_MESSAGES_MAX,
  PROTOCOL_VERSION,
  QuorateError,
  TOUCHES_PER_HEARTBEAT_MAX,
} from "@quorate/protocol";
import {
  decodeDatagram,
  decodeFrame,
  decodeHandshake,
  decodeLeaseDatagram,
  encodeDatagram,
  encodeFrame,
  encodeHandshake,
  encodeLeaseDatagram,
  FRAME_TOKENS_MAX,
  MEMBERS_MAX,
} from "../src/index.js";
import {
  chainHash,
  SAMPLE_DATAGRAM,
  SAMPLE_HANDSHAKES,
  SAMPLE_LEASE,
  SAMPLE_MESSAGES,
} from "./samples.js";

const decodeError = expect.objectContaining({ code: "ERR_PROTOCOL_DECODE" }) as Error;
const versionError = expect.objectContaining({ code: "ERR_PROTOCOL_VERSION" }) as Error;
const packr = new Packr({ useRecords: false });
const frame = (body: unknown): Uint8Array =>
  Uint8Array.from([PROTOCOL_VERSION, ...packr.pack(body)]);
const read = (bytes: Uint8Array): unknown => decodeFrame(bytes, chainHash);

describe("a frame that is not ours", () => {
  test("an empty one is malformed, another version is named as such", () => {
    expect(() => read(new Uint8Array())).toThrow(decodeError);
    const bytes = Uint8Array.from(encodeFrame([SAMPLE_MESSAGES.commit]));
    bytes[0] = PROTOCOL_VERSION + 1;
    expect(() => read(bytes)).toThrow(versionError);
  });

  test("one above FRAME_BYTES_MAX is refused unread", () => {
    expect(() => read(new Uint8Array(FRAME_BYTES_MAX + 1))).toThrow(decodeError);
  });

  test.each([
    ["unknown kind", [[99]]],
    ["kind 0", [[0]]],
    ["a kind that is text", [["commit", 1n]]],
    ["a fractional kind", [[16.5, 1n]]],
    ["too few fields", [[16]]],
    ["too many fields", [[16, 1n, 2n]]],
    ["a txnid that is a small number", [[16, 5]]],
    ["a negative txnid", [[16, -(2n ** 60n)]]],
    ["a node id of 0", [[15, 2n ** 60n, 0]]],
    ["a node id of 255", [[15, 2n ** 60n, 255]]],
    ["an epoch of 2^32", [[2, 2 ** 32]]],
    ["a fractional round", [[21, 1.5, true, new Uint8Array()]]],
    ["a round beyond 2^53", [[21, 2 ** 60, true, new Uint8Array()]]],
    ["a number for a boolean", [[21, 1, 1, new Uint8Array()]]],
    ["half a session", [[21, 1, true, new Uint8Array(12)]]],
    ["a session too many", [[21, 1, true, new Uint8Array(8 * (TOUCHES_PER_HEARTBEAT_MAX + 1))]]],
    ["a list of sessions", [[21, 1, true, [1]]]],
    ["an operation beyond a multi", [[18, 1, 2n ** 60n, "ERR_ZNODE_NO_NODE", "", 10_001]]],
    ["an operation below none", [[18, 1, 2n ** 60n, "ERR_ZNODE_NO_NODE", "", -1]]],
    ["an op code of 256", [[19, 2n ** 60n, 256, "/", new Uint8Array()]]],
    ["text for content", [[19, 2n ** 60n, 1, "/", "x"]]],
    ["a code that is no code", [[18, 1, 2n ** 60n, "oops", "", 0]]],
    ["rows that are no bytes", [[8, 0, []]]],
    ["rows that end within a header", [[8, 0, new Uint8Array(7)]]],
    ["rows that end within a value", [[8, 0, Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 2, 47, 1)]]],
    ["more rows than a chunk has", [[8, 0, new Uint8Array(8 * 32_769)]]],
    ["a batch of garbage", [[14, new Uint8Array(60)]]],
    ["an identity that is none", [[1, 0, 1, true, 0, "xyz"]]],
    ["an unknown standing", [[1, 0, 1, true, 3, "0".repeat(32)]]],
    ["nesting beyond the list", [[8, 0, [[1]]]]],
    ["one message too many", new Array<unknown>(FRAME_MESSAGES_MAX + 1).fill([24])],
    ["a map", [{ a: 1 }]],
    ["a date", [[16, new Date(0)]]],
    ["a message that is no array", [16]],
    ["a frame that is no array", 16],
  ])("%s is refused", (_, body) => {
    expect(() => read(frame(body))).toThrow(decodeError);
  });

  test("a code of a newer version becomes ERR_SERVER_INTERNAL, so that the pipe survives", () => {
    expect(read(frame([[18, 1, 2n ** 60n, "ERR_NEW_THING", "", 0, null]]))).toMatchObject([
      { code: "ERR_SERVER_INTERNAL" },
    ]);
  });

  test.each([
    ["array", [0xdd, 0xff, 0xff, 0xff, 0xff]],
    ["array of the allowed length", [0xdc, 0x27, 0x10]],
    ["bytes", [0x91, 0xc6, 0xff, 0xff, 0xff, 0xff]],
    ["text", [0x91, 0xdb, 0xff, 0xff, 0xff, 0xff]],
    ["map", [0xdf, 0xff, 0xff, 0xff, 0xff]],
    ["extension", [0xc9, 0xff, 0xff, 0xff, 0xff, 1]],
  ])("a huge declared length of %s allocates nothing", (_, body) => {
    const before = process.memoryUsage();
    for (let i = 0; i < 1000; i += 1) {
      expect(() => read(Uint8Array.from([PROTOCOL_VERSION, ...body]))).toThrow(decodeError);
    }
    const after = process.memoryUsage();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(8 * 1024 * 1024);
    expect(after.heapTotal - before.heapTotal).toBeLessThan(64 * 1024 * 1024);
  });

  test("deep nesting does not exhaust the stack", () => {
    const bytes = new Uint8Array(1_000_000).fill(0x91);
    bytes[0] = PROTOCOL_VERSION;
    expect(() => read(bytes)).toThrow(decodeError);
  });

  test("more values than FRAME_TOKENS_MAX are refused before they are made", () => {
    const list = new Array<number>(MEMBERS_MAX * 2).fill(1);
    const count = Math.ceil(FRAME_TOKENS_MAX / list.length);
    const messages = new Array<unknown>(count).fill([8, 0, list]);
    expect(() => read(frame(messages))).toThrow(/too many values/);
  });

  test("a list longer than that of all members is refused before it is made", () => {
    const list = new Array<number>(MEMBERS_MAX * 2 + 1).fill(1);
    expect(() => read(frame([[8, 0, list]]))).toThrow(/array/);
  });
});

/** Every decoder, with bytes that it accepts. */
const targets: readonly (readonly [string, Uint8Array, (bytes: Uint8Array) => unknown])[] = [
  ["frame", encodeFrame(Object.values(SAMPLE_MESSAGES)), read],
  ["datagram", encodeDatagram(SAMPLE_DATAGRAM), decodeDatagram],
  ["lease datagram", encodeLeaseDatagram(SAMPLE_LEASE), decodeLeaseDatagram],
  ...Object.values(SAMPLE_HANDSHAKES).map(
    (m) => [m.kind, encodeHandshake(m), decodeHandshake] as const,
  ),
];

function refusesOrReads(decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): boolean {
  try {
    decode(bytes);
    return true;
  } catch (error) {
    if (error instanceof QuorateError && error.code.startsWith("ERR_PROTOCOL_")) return false;
    throw error;
  }
}

describe.each(targets)("a damaged %s", (_, valid, decode) => {
  test("is refused at every truncation and with a byte appended", () => {
    for (let cut = 0; cut < valid.length; cut += 1) {
      expect(refusesOrReads(decode, valid.subarray(0, cut))).toBe(false);
    }
    expect(refusesOrReads(decode, Uint8Array.from([...valid, 0]))).toBe(false);
  });

  test("throws nothing but protocol errors for any change of its bytes", () => {
    const change = fc.tuple(fc.nat(valid.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        const bytes = Uint8Array.from(valid);
        for (const [at, value] of changes) bytes[at] = value;
        refusesOrReads(decode, bytes);
      }),
      { numRuns: 5000 },
    );
  });

  test("throws nothing but protocol errors for random bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        refusesOrReads(decode, bytes);
        refusesOrReads(decode, Uint8Array.from([...valid.subarray(0, 2), ...bytes]));
      }),
      { numRuns: 3000 },
    );
  });
});

test("100,000 mutated frames throw nothing but protocol errors", () => {
  const valid = Object.values(SAMPLE_MESSAGES).map((m) => encodeFrame([m, m]));
  let state = 12345;
  const next = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  let readable = 0;
  for (let i = 0; i < 100_000; i += 1) {
    const source = valid[next(valid.length)] ?? new Uint8Array();
    const bytes = Uint8Array.from(source.subarray(0, 1 + next(source.length)));
    for (let n = next(4); n >= 0; n -= 1) bytes[next(bytes.length)] = next(256);
    if (refusesOrReads(read, bytes)) readable += 1;
  }
  expect(readable).toBeLessThan(50_000);
});
