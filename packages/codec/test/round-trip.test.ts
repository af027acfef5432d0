import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BatchBuilder,
  ERROR_CODES,
  FRAME_MESSAGES_MAX,
  LOG_START,
  makeTxnid,
  MULTI_OPERATIONS_MAX,
  toEpoch,
  toIdentity,
  toNodeId,
  TOUCHES_PER_HEARTBEAT_MAX,
  toTxnid,
  type BallotDatagram,
  type PeerMsg,
} from "@quorate/protocol";
import {
  decodeDatagram,
  decodeFrame,
  encodeDatagram,
  encodeFrame,
  frameBytesOf,
} from "../src/index.js";
import { chainHash, plain, SAMPLE_MESSAGES } from "./samples.js";

const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const txnid = uint64.map(toTxnid);
const count = fc.maxSafeNat();
const epoch = fc.integer({ min: 0, max: 2 ** 32 - 1 }).map(toEpoch);
const fid = fc.integer({ min: 1, max: 254 }).map(String);
const content = fc.uint8Array({ maxLength: 300 });
const text = fc.string({ unit: "grapheme", maxLength: 60 });
const batch = fc.array(fc.tuple(text, content), { minLength: 1, maxLength: 5 }).map((entries) => {
  const builder = new BatchBuilder(chainHash);
  for (const [key, bytes] of entries) builder.add(1, 2n, 3, key, bytes);
  return builder.finish(makeTxnid(1, 1), LOG_START);
});

const message: fc.Arbitrary<PeerMsg> = fc.oneof(
  fc.record({ kind: fc.constant("proposal" as const), batch }),
  fc.record({ kind: fc.constant("accept" as const), txnid, fid }),
  fc.record({ kind: fc.constant("commit" as const), txnid }),
  fc.record({
    kind: fc.constant("request" as const),
    reqId: uint64,
    op: fc.integer({ min: 0, max: 255 }),
    key: text,
    content,
  }),
  fc.record({
    kind: fc.constant("heartbeat" as const),
    round: count,
    answer: fc.boolean(),
    touches: fc.array(uint64, { maxLength: 20 }),
  }),
  fc.record({
    kind: fc.constant("abort" as const),
    fid,
    reqId: uint64,
    code: fc.constantFrom(...ERROR_CODES),
    error: text,
    at: fc.integer({ min: -1, max: MULTI_OPERATIONS_MAX - 1 }),
    after: fc.option(txnid),
  }),
  fc.record({ kind: fc.constant("response" as const), fid, reqId: uint64, error: text, content }),
  fc.record({ kind: fc.constant("readIndexReply" as const), readId: count, txnid }),
  fc.record({
    kind: fc.constant("snapshotChunk" as const),
    index: count,
    rows: fc.array(fc.record({ key: content, value: fc.option(content) }), { maxLength: 40 }),
  }),
  fc.record({ kind: fc.constant("newLeaderAck" as const), epoch }),
  fc.constantFrom(...Object.values(SAMPLE_MESSAGES)),
);

describe("frames", () => {
  test("round-trip any messages, in order, from a Buffer and from a plain view", () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 40 }), (messages) => {
        const bytes = encodeFrame(messages);
        expect(plain(decodeFrame(bytes, chainHash))).toEqual(plain(messages));
        const shifted = new Uint8Array(bytes.length + 3);
        shifted.set(bytes, 3);
        const read = decodeFrame(shifted.subarray(3), chainHash);
        expect(plain(read)).toEqual(plain(messages));
      }),
      { numRuns: 200 },
    );
  });

  test("never take more bytes than was estimated for them", () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 20 }), (messages) => {
        const estimate = messages.reduce((sum, m) => sum + frameBytesOf(m), 16);
        expect(encodeFrame(messages).length).toBeLessThanOrEqual(estimate);
      }),
    );
  });

  test("a frame is not overwritten by the frames encoded after it", () => {
    const first = encodeFrame([SAMPLE_MESSAGES.proposal]);
    const before = Buffer.from(first).toString("hex");
    for (let i = 0; i < 1000; i += 1) encodeFrame(Object.values(SAMPLE_MESSAGES));
    expect(Buffer.from(first).toString("hex")).toBe(before);
  });

  test("a received batch keeps no more of its frame alive than half of itself", () => {
    const builder = new BatchBuilder(chainHash);
    builder.add(1, 2n, 3, "/k", new Uint8Array(1000));
    const proposal: PeerMsg = {
      kind: "proposal",
      batch: builder.finish(makeTxnid(1, 1), LOG_START),
    };
    const request = { ...SAMPLE_MESSAGES.request, content: new Uint8Array(2000) };
    for (const messages of [[proposal], [proposal, request], [proposal, proposal]]) {
      // As from a socket: the frame owns its memory.
      const frame = new Uint8Array(encodeFrame(messages));
      const [read] = decodeFrame(Buffer.from(frame.buffer), chainHash);
      if (read?.kind !== "proposal") throw new Error("not a proposal");
      const { bytes } = read.batch;
      expect(bytes).toEqual(proposal.batch.bytes);
      expect(bytes.buffer.byteLength).toBeLessThanOrEqual(bytes.length * 1.5);
      // What is most of its frame is not copied, and is no Buffer, whose slices are not copies.
      expect(bytes.buffer === frame.buffer).toBe(messages.length === 1);
      expect(Buffer.isBuffer(bytes)).toBe(false);
    }
  });

  test("a frame keeps nothing but itself alive", () => {
    const frame = encodeFrame([{ ...SAMPLE_MESSAGES.request, content: new Uint8Array(100_000) }]);
    expect(frame.buffer.byteLength).toBe(frame.length);
  });

  test("the greatest number of messages fits, one more is refused", () => {
    const many = new Array<PeerMsg>(FRAME_MESSAGES_MAX).fill(SAMPLE_MESSAGES.heartbeat);
    expect(decodeFrame(encodeFrame(many), chainHash)).toHaveLength(FRAME_MESSAGES_MAX);
    expect(() => encodeFrame([...many, SAMPLE_MESSAGES.heartbeat])).toThrow(
      expect.objectContaining({ code: "ERR_ARG_TOO_LARGE" }),
    );
  });

  test("the greatest number of touches fits, one more is refused", () => {
    const touches = Array.from({ length: TOUCHES_PER_HEARTBEAT_MAX }, (_, i) => BigInt(i) << 40n);
    const full = { ...SAMPLE_MESSAGES.heartbeat, touches };
    const bytes = encodeFrame([full]);
    expect(bytes.length).toBeLessThanOrEqual(frameBytesOf(full));
    expect(decodeFrame(bytes, chainHash)).toEqual([full]);
    expect(() => encodeFrame([{ ...full, touches: [...touches, 1n] }])).toThrow(
      expect.objectContaining({ code: "ERR_ARG_TOO_LARGE" }),
    );
  });

  test("an error text beyond its bound is cut, not refused", () => {
    const long = { ...SAMPLE_MESSAGES.abort, error: "x".repeat(5000) };
    expect(decodeFrame(encodeFrame([long]), chainHash)).toMatchObject([
      { error: "x".repeat(1000) },
    ]);
  });
});

describe("ballot datagrams", () => {
  const datagram: fc.Arbitrary<BallotDatagram> = fc.record({
    cluster: fc.string({ unit: "binary-ascii", maxLength: 64 }),
    sender: fc.integer({ min: 1, max: 254 }).map(toNodeId),
    bootId: uint64,
    sequence: uint64,
    echo: uint64,
    vote: fc.record({
      kind: fc.constant("vote" as const),
      round: count,
      status: fc.constantFrom("electing", "leading", "following", "watching"),
      epoch,
      candidate: fc.integer({ min: 1, max: 254 }).map(toNodeId),
      candidateLoggedTxnid: txnid,
      candidateCommittedTxnid: txnid,
      solicit: fc.boolean(),
      standing: fc.constantFrom("member", "empty", "recovering"),
      identity: fc.constant(toIdentity("fe".repeat(16))),
      candidateStanding: fc.constantFrom("member", "empty", "recovering"),
    }),
  });

  test("round-trip any datagram", () => {
    fc.assert(
      fc.property(datagram, (d) => {
        expect(decodeDatagram(encodeDatagram(d))).toEqual(d);
      }),
    );
  });
});
