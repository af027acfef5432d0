import fc from "fast-check";
import { expect, test } from "vitest";
import {
  ANYONE,
  callerBytes,
  callerSession,
  CALLER_IDENTITIES_MAX,
  decodeCaller,
  encodeCaller,
} from "@quorate/protocol";

const text = fc.string({ unit: "grapheme", maxLength: 20 });
const callers = fc.record({
  session: fc.option(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
  identities: fc.array(fc.record({ scheme: fc.string({ maxLength: 20 }), id: text }), {
    maxLength: 8,
  }),
});

test("a caller comes back as it was, whatever follows it", () => {
  fc.assert(
    fc.property(callers, fc.uint8Array({ maxLength: 40 }), (caller, rest) => {
      const bytes = encodeCaller(caller);
      const content = new Uint8Array([...bytes, ...rest]);
      expect(callerBytes(content)).toBe(bytes.length);
      expect(callerSession(content)).toBe(caller.session);
      expect(decodeCaller(content)).toEqual(caller);
    }),
  );
});

test("anyone takes two bytes", () => {
  expect([...encodeCaller(ANYONE)]).toEqual([0, 0]);
});

test("bytes that are no caller are refused and never read beyond their end", () => {
  const whole = encodeCaller({ session: 7n, identities: [{ scheme: "digest", id: "a:b" }] });
  for (let length = 0; length < whole.length; length += 1) {
    expect(callerBytes(whole.subarray(0, length))).toBe(-1);
  }
  expect(callerBytes(new Uint8Array([2, 0]))).toBe(-1);
  expect(callerBytes(new Uint8Array([0, CALLER_IDENTITIES_MAX + 1]))).toBe(-1);
  expect(() => decodeCaller(new Uint8Array([0, 1, 1, 0xff, 0, 0]))).toThrow(/caller/);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const end = callerBytes(bytes);
      expect(end).toBeLessThanOrEqual(bytes.length);
    }),
  );
});

test("too many or too long identities are refused", () => {
  const identity = { scheme: "ip", id: "::1" };
  const many = Array.from({ length: CALLER_IDENTITIES_MAX + 1 }, () => identity);
  expect(() => encodeCaller({ session: null, identities: many })).toThrow(/too many/);
  const long = [{ scheme: "x509", id: "x".repeat(4097) }];
  expect(() => encodeCaller({ session: null, identities: long })).toThrow(/too long/);
});
