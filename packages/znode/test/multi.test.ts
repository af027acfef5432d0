import { MULTI_OPERATIONS_MAX } from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import {
  CreateMode,
  decodeMulti,
  encodeCreate,
  encodeDelete,
  encodeMulti,
  encodeMultiParts,
  encodeSetAcl,
  OPEN_ACL,
  ZnodeOp,
  type MultiOperation,
} from "../src/index.js";
import { Asking } from "./asking.js";
import { bytes } from "./harness.js";

const create = (path: string, text = ""): MultiOperation => ({
  kind: "create",
  path,
  data: bytes(text),
});

describe("a multi", () => {
  test("does all of it under one txnid, each operation seeing the ones before it", () => {
    const asking = new Asking();
    const answer = asking.multi(
      create("/a", "x"),
      { kind: "create", path: "/a/n", data: bytes(""), mode: CreateMode.persistentSequential },
      { kind: "create", path: "/a/n", data: bytes(""), mode: CreateMode.persistentSequential },
      { kind: "set", path: "/a", data: bytes("yz"), version: 0 },
      { kind: "check", path: "/a", version: 1 },
      { kind: "delete", path: "/a/n0000000000", version: 0 },
    );
    if (typeof answer === "string") throw new Error(answer);
    const results = decodeMulti(answer);
    expect(results.map(({ kind }) => kind)).toEqual([
      "create",
      "create",
      "create",
      "set",
      "check",
      "delete",
    ]);
    expect(results[2]).toMatchObject({ path: "/a/n0000000001", stat: { numChildren: 0 } });
    expect(results[3]).toMatchObject({ stat: { version: 1, dataLength: 2, numChildren: 2 } });
    const { czxid, mzxid, pzxid } = asking.stat("/a");
    expect([mzxid, pzxid]).toEqual([czxid, czxid]);
  });

  test("that is refused names the operation and leaves no trace", () => {
    const asking = new Asking();
    asking.create("/a");
    const digest = asking.machine.digest();
    const operations = [
      create("/a/n"),
      { kind: "delete", path: "/a/n" },
      create("/a/m"),
      { kind: "check", path: "/a", version: 9 },
      create("/b"),
    ] as const;
    const refused = asking.prepare(ZnodeOp.multi, "", encodeMulti(operations));
    expect(refused).toMatchObject({ ok: false, code: "ERR_ZNODE_BAD_VERSION", at: 3 });
    expect(asking.machine.preparedCount).toBe(0);
    expect(asking.machine.digest()).toBe(digest);
    expect(asking.made("/a/s", { mode: CreateMode.persistentSequential })).toBe("/a/s0000000000");
  });

  test("takes back no more than its own of what is prepared and not applied", () => {
    const asking = new Asking();
    asking.create("/a");
    const sequential = { data: bytes(""), mode: CreateMode.persistentSequential };
    const two = [
      { kind: "create", path: "/a/s", ...sequential },
      { kind: "set", path: "/a", data: bytes("1") },
    ] as const;
    expect(asking.prepare(ZnodeOp.multi, "", encodeMulti(two)).ok).toBe(true);
    const failing = encodeMulti([...two, { kind: "check", path: "/none" }]);
    expect(asking.prepare(ZnodeOp.multi, "", failing)).toMatchObject({ at: 2 });
    expect(asking.machine.preparedCount).toBe(2);
    expect(asking.prepare(ZnodeOp.multi, "", encodeMulti(two))).toMatchObject({ ok: true });
    asking.applyAll();
    expect(asking.stat("/a")).toMatchObject({ numChildren: 2, version: 2 });
    expect(asking.made("/a/s", sequential)).toBe("/a/s0000000002");
  });

  test("holds only writes and checks, so many at most, and must be readable", () => {
    const asking = new Asking();
    const acl = { op: ZnodeOp.setAcl, path: "/", content: encodeSetAcl({ acl: OPEN_ACL }) };
    const run = (content: Uint8Array): unknown => asking.run(ZnodeOp.multi, "", content);
    expect(run(encodeMultiParts([acl]))).toBe("ERR_ZNODE_BAD_ARGUMENTS");
    const nested = { op: ZnodeOp.multi, path: "", content: encodeMulti([]) };
    expect(run(encodeMultiParts([nested]))).toBe("ERR_ZNODE_BAD_ARGUMENTS");
    expect(run(encodeMulti([]))).toHaveLength(4);
    const check = { kind: "check", path: "/" } as const;
    const most = Array.from({ length: MULTI_OPERATIONS_MAX }, () => check);
    expect(run(encodeMulti(most))).toBeInstanceOf(Uint8Array);
    expect(() => encodeMulti([...most, check])).toThrow(/at most 10000/);
    const forged = encodeMulti(most).slice();
    new DataView(forged.buffer).setUint32(0, MULTI_OPERATIONS_MAX + 1);
    expect(run(forged)).toBe("ERR_ARG_TOO_LARGE");
    const whole = encodeMulti([create("/x", "data"), check]);
    for (let length = 0; length < whole.length; length += 1) {
      expect(run(whole.subarray(0, length))).toBe("ERR_ZNODE_BAD_ARGUMENTS");
    }
    const garbled = whole.slice();
    garbled[8] = 0xff;
    expect(run(garbled)).toBe("ERR_ZNODE_BAD_ARGUMENTS");
    expect(asking.machine.nodeCount).toBe(4);
  });

  test("is refused where its transaction would be too large", () => {
    const asking = new Asking();
    const half = bytes("x".repeat(500_000));
    const operations = ["/a", "/b", "/c"].map((path): MultiOperation => ({
      kind: "create",
      path,
      data: half,
    }));
    expect(asking.prepare(ZnodeOp.multi, "", encodeMulti(operations))).toMatchObject({
      code: "ERR_ARG_TOO_LARGE",
      at: 2,
    });
    expect(asking.machine.preparedCount).toBe(0);
  });

  test("of many creates leaves what is prepared behind it, and nothing of its own", () => {
    const asking = new Asking();
    asking.create("/a");
    const text = "x".repeat(400);
    const many = Array.from({ length: 300 }, (_, i) => create(`/a/é${i}`, text));
    const prepare = (op: number, path: string, content: Uint8Array): boolean =>
      asking.prepare(op, path, content).ok;
    // Refused at its end: what its first half did to /a is taken back to what was prepared before.
    expect(prepare(ZnodeOp.create, "/a/first", encodeCreate({ data: bytes("") }))).toBe(true);
    expect(prepare(ZnodeOp.multi, "", encodeMulti([...many, create("/b/c")]))).toBe(false);
    expect(asking.machine.preparedCount).toBe(2);
    expect(prepare(ZnodeOp.multi, "", encodeMulti(many))).toBe(true);
    expect(prepare(ZnodeOp.delete, "/a/é0", encodeDelete())).toBe(true);
    asking.applyNext();
    const answer = asking.applyNext();
    expect(asking.machine.preparedCount).toBe(2);
    expect(asking.prepare(ZnodeOp.delete, "/a/é0", encodeDelete())).toMatchObject({ ok: false });
    asking.applyAll();
    expect(asking.machine.preparedCount).toBe(0);
    expect(asking.stat("/a")).toMatchObject({ numChildren: 300, cversion: 302 });
    const results = decodeMulti(answer);
    expect(results).toHaveLength(300);
    expect(results[299]).toMatchObject({ kind: "create", path: "/a/é299" });
    // All that was prepared is applied at once: a multi alone, whose records are as many.
    const removals = many.slice(1).map(({ path }) => ({ kind: "delete", path }) as const);
    expect(decodeMulti(asking.multi(...removals) as Uint8Array)).toHaveLength(299);
    expect(asking.machine.preparedCount).toBe(0);
    expect(asking.stat("/a")).toMatchObject({ numChildren: 1, cversion: 601 });
  });

  test("an answer that was damaged is refused at every length", () => {
    const asking = new Asking();
    const answer = asking.multi(create("/a"), { kind: "delete", path: "/a" });
    if (typeof answer === "string") throw new Error(answer);
    for (let length = 0; length < answer.length; length += 1) {
      expect(() => decodeMulti(answer.subarray(0, length))).toThrow(/malformed/);
    }
  });
});
