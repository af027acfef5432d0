import { readFileSync } from "node:fs";
import fc from "fast-check";
import { Packr } from "msgpackr";
import { describe, expect, it, test } from "vitest";
import { errorCodeOf, QuorateError, toTxnid, type NodeChangeKind } from "@quorate/protocol";
import {
  decodeNativeReplies,
  decodeOpenedSession,
  decodeRewatch,
  decodeSessionOpening,
  decodeUnwatch,
  decodeWatch,
  decodeWatched,
  encodeNativeReplies,
  encodeOpenedSession,
  encodeRewatch,
  encodeSessionOpening,
  encodeUnwatch,
  encodeWatch,
  encodeWatched,
  NATIVE_REWATCH_PATHS_MAX,
  NATIVE_WATCH_KINDS,
  NATIVE_WATCH_TYPES,
} from "../src/index.js";

const password = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return errorCodeOf(error) ?? String(error);
  }
  return undefined;
}

const resumed = { kind: "resume", seen: toTxnid(6n), id: (3n << 56n) | 9n, password } as const;

/** What a client of this subprotocol has always said, and heard. A change here is a new one. */
const samples: Readonly<Record<string, () => Uint8Array>> = {
  newSession: () => encodeSessionOpening({ kind: "new", seen: toTxnid(5n), timeoutMs: 10_000 }),
  resumedSession: () => encodeSessionOpening({ ...resumed, timeoutMs: null }),
  timedResumedSession: () => encodeSessionOpening({ ...resumed, timeoutMs: 4000 }),
  openedSession: () => encodeOpenedSession({ id: (3n << 56n) | 9n, timeoutMs: 4000, password }),
  watch: () => Buffer.concat(NATIVE_WATCH_KINDS.map(encodeWatch)),
  watched: () => Buffer.concat([encodeWatched(false), encodeWatched(true)]),
  unwatch: () =>
    Buffer.concat(NATIVE_WATCH_TYPES.map((type, i) => encodeUnwatch(type, i % 2 === 1))),
  rewatch: () =>
    encodeRewatch(
      toTxnid(7n),
      NATIVE_WATCH_KINDS.map((kind) => ({ kind, path: `/${kind}/\u00e9` })),
    ),
  changes: () =>
    encodeNativeReplies(
      (["created", "deleted", "dataChanged", "childrenChanged"] as const).map((change, i) => ({
        id: 0,
        change,
        path: `/${change}`,
        txnid: toTxnid(BigInt(i) << 32n),
      })),
    ),
  refusedMulti: () =>
    encodeNativeReplies([
      {
        id: 9,
        ok: false,
        error: new QuorateError("ERR_ZNODE_NO_NODE", "no", { details: { at: 3 } }),
      },
    ]),
};

const file = new URL("golden/native-1.json", import.meta.url);
const golden = JSON.parse(readFileSync(file, "utf8")) as Record<string, string>;

describe("the golden bytes of sessions and watches", () => {
  test.each(Object.keys(samples))("%s is written as ever", (name) => {
    expect(hex(samples[name]?.() ?? new Uint8Array())).toBe(golden[name]);
  });

  test("and nothing else is recorded", () => {
    expect(Object.keys(golden)).toEqual(Object.keys(samples));
  });
});

const txnids = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(toTxnid);
const passwords = fc.uint8Array({ minLength: 16, maxLength: 16 });
const ids = fc.bigInt({ min: 1n, max: 2n ** 64n - 1n });
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

describe("sessions and watches on the wire", () => {
  it("come back as they went", () => {
    fc.assert(
      fc.property(txnids, ids, passwords, int32, (seen, id, secret, timeoutMs) => {
        for (const opening of [
          { kind: "new", seen, timeoutMs } as const,
          { kind: "resume", seen, id, password: secret, timeoutMs } as const,
          { kind: "resume", seen, id, password: secret, timeoutMs: null } as const,
        ]) {
          expect(decodeSessionOpening(encodeSessionOpening(opening))).toEqual(opening);
        }
        const opened = { id, timeoutMs, password: secret };
        expect(decodeOpenedSession(encodeOpenedSession(opened))).toEqual(opened);
      }),
    );
    for (const kind of NATIVE_WATCH_KINDS) expect(decodeWatch(encodeWatch(kind))).toBe(kind);
    for (const type of NATIVE_WATCH_TYPES) {
      for (const checkOnly of [false, true]) {
        expect(decodeUnwatch(encodeUnwatch(type, checkOnly))).toEqual({ type, checkOnly });
      }
    }
    expect([decodeWatched(encodeWatched(true)), decodeWatched(encodeWatched(false))]).toEqual([
      true,
      false,
    ]);
  });

  it("keep watches and changes, whatever their paths", () => {
    const kind = fc.constantFrom(...NATIVE_WATCH_KINDS);
    const path = fc.string({ unit: "grapheme" });
    const change = fc.constantFrom<NodeChangeKind>(
      "created",
      "deleted",
      "dataChanged",
      "childrenChanged",
    );
    fc.assert(
      fc.property(
        txnids,
        fc.array(fc.record({ kind, path }), { maxLength: 20 }),
        fc.array(fc.record({ id: fc.constant(0 as const), change, path, txnid: txnids })),
        (seen, watches, changes) => {
          expect(decodeRewatch(encodeRewatch(seen, watches))).toEqual({ seen, watches });
          expect(decodeNativeReplies(encodeNativeReplies(changes))).toEqual(changes);
        },
      ),
    );
  });

  it("are refused with one error, whatever the bytes (F46)", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        for (const decode of [decodeSessionOpening, decodeWatch, decodeUnwatch, decodeRewatch]) {
          expect([undefined, "ERR_ARG_VALUE", "ERR_ARG_PATH"]).toContain(
            codeOf(() => decode(bytes)),
          );
        }
        for (const decode of [decodeOpenedSession, decodeWatched]) {
          expect([undefined, "ERR_PROTOCOL_DECODE"]).toContain(codeOf(() => decode(bytes)));
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("are bounded: one watch more than a request may set is refused", () => {
    const watches = Array.from({ length: NATIVE_REWATCH_PATHS_MAX }, (_, i) => ({
      kind: "data" as const,
      path: `/${i}`,
    }));
    const seen = toTxnid(1n);
    expect(decodeRewatch(encodeRewatch(seen, watches)).watches).toHaveLength(watches.length);
    const more = encodeRewatch(seen, [...watches, { kind: "data", path: "/x" }]);
    expect(codeOf(() => decodeRewatch(more))).toBe("ERR_ARG_TOO_LARGE");
  });

  it.each([
    ["a kind that nobody knows", [0, 1n, 5, "/a"]],
    ["a kind of zero", [0, 1n, 0, "/a"]],
    ["a path that is no text", [0, 1n, 1, new Uint8Array()]],
    ["a txnid that is none", [0, -1n, 1, "/a"]],
    ["an id of its own", [3, 1n, 1, "/a"]],
  ])("a change with %s is no change", (_, row) => {
    const bytes = new Packr({ useRecords: false }).pack([row]);
    expect(codeOf(() => decodeNativeReplies(bytes))).toBe("ERR_PROTOCOL_DECODE");
  });

  it("say which operation of a multi was refused", () => {
    const [reply] = decodeNativeReplies(samples["refusedMulti"]?.() ?? new Uint8Array());
    const error = { code: "ERR_ZNODE_NO_NODE", details: { at: 3 } };
    expect(reply).toMatchObject({ id: 9, error });
  });
});
