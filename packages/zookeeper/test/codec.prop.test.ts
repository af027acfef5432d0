import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { errorCodeOf } from "@quorate/protocol";
import type { Field } from "../src/jute/field.js";
import { FrameDecoder } from "../src/jute/frame.js";
import { MultiRequest, type MultiOp } from "../src/jute/multi.js";
import { ZkOp } from "../src/jute/op-codes.js";
import { JuteReader } from "../src/jute/reader.js";
import {
  ConnectRequest,
  CreateTtlRequest,
  GetAclResponse,
  SetWatches2,
  WhoAmIResponse,
} from "../src/jute/records.js";
import { requestRecords, responseRecords } from "../src/jute/schema.js";
import { JuteWriter } from "../src/jute/writer.js";

const int = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
// Whole code points: what UTF-8 cannot carry cannot be sent.
const text = fc.option(fc.string({ unit: "binary" }), { nil: null });
const bytes = fc.option(fc.uint8Array({ maxLength: 100 }), { nil: null });
const texts = fc.option(fc.array(text, { maxLength: 5 }), { nil: null });
const acl = fc.record({ perms: int, id: fc.record({ scheme: text, id: text }) });
const acls = fc.option(fc.array(acl, { maxLength: 4 }), { nil: null });
const stat = fc.record({
  czxid: long,
  mzxid: long,
  ctime: fc.nat(),
  mtime: fc.nat(),
  version: int,
  cversion: int,
  aversion: int,
  ephemeralOwner: long,
  dataLength: int,
  numChildren: int,
  pzxid: long,
});
const create = { path: text, data: bytes, acl: acls, flags: int };

function expectRoundTrip<T>(field: Field<T>, value: T): void {
  const writer = new JuteWriter(1);
  field.write(writer, value);
  const reader = new JuteReader(writer.bytes());
  expect(field.read(reader)).toEqual(value);
  expect(reader.remaining).toBe(0);
}

describe("records", () => {
  const connect = fc.record({
    protocolVersion: int,
    lastZxidSeen: long,
    timeOut: int,
    sessionId: long,
    passwd: bytes,
  });
  const watches = fc.record({
    relativeZxid: long,
    dataWatches: texts,
    existWatches: texts,
    childWatches: texts,
    persistentWatches: texts,
    persistentRecursiveWatches: texts,
  });
  const infos = fc.array(fc.record({ authScheme: text, user: text }), { maxLength: 4 });
  const multiOp = fc.oneof(
    fc.record({ type: fc.constant(ZkOp.create), request: fc.record(create) }),
    fc.record({ type: fc.constant(ZkOp.createTtl), request: fc.record({ ...create, ttl: long }) }),
    fc.record({
      type: fc.constant(ZkOp.check),
      request: fc.record({ path: text, version: int }),
    }),
    fc.record({
      type: fc.constant(ZkOp.getChildren),
      request: fc.record({ path: text, watch: fc.boolean() }),
    }),
  );

  test("come back as they were written", () => {
    const any = (field: Field<unknown>, values: fc.Arbitrary<unknown>): void => {
      fc.assert(fc.property(values, (value) => expectRoundTrip(field, value)));
    };
    any(ConnectRequest, connect);
    any(CreateTtlRequest, fc.record({ ...create, ttl: long }));
    any(SetWatches2, watches);
    any(GetAclResponse, fc.record({ acl: acls, stat }));
    any(WhoAmIResponse, fc.record({ clientInfo: infos }));
  });

  test("a multi comes back as it was written", () => {
    const ops = fc.array(multiOp, { maxLength: 8 });
    fc.assert(
      fc.property(ops, (value) => expectRoundTrip(MultiRequest, value as readonly MultiOp[])),
    );
  });
});

describe("garbage", () => {
  const fields = [...requestRecords.values(), ...responseRecords.values()].filter(
    (field) => field !== null,
  );

  test("is read or refused with the one error, and never beyond its end", () => {
    // Small numbers are likely lengths; the array is a window, so reading beyond would show.
    const byte = fc.oneof(fc.constantFrom(0, 0, 0, 1, 2, 4, 255), fc.nat(255));
    const garbage = fc.array(byte, { maxLength: 120 });
    fc.assert(
      fc.property(garbage, fc.constantFrom(...fields), (values, field) => {
        const whole = new Uint8Array(values.length + 32).fill(7);
        whole.set(values, 16);
        const reader = new JuteReader(whole.subarray(16, 16 + values.length));
        try {
          field.read(reader);
        } catch (error) {
          expect(errorCodeOf(error)).toBe("ERR_PROTOCOL_DECODE");
        }
        expect(reader.position).toBeLessThanOrEqual(values.length);
      }),
      { numRuns: 5000 },
    );
  });

  test("in a stream never makes the decoder hold more than was sent", () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 10 });
    fc.assert(
      fc.property(pieces, (sent) => {
        const decoder = new FrameDecoder(0xfffff);
        let total = 0;
        try {
          for (const piece of sent) {
            total += piece.length;
            decoder.push(piece);
            for (let packet = decoder.next(); packet !== null; packet = decoder.next()) {
              total -= 4 + packet.length;
            }
            expect(decoder.bufferedBytes).toBe(total);
          }
        } catch (error) {
          expect(errorCodeOf(error)).toBe("ERR_PROTOCOL_DECODE");
        }
      }),
    );
  });
});
