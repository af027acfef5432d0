import { describe, expect, it } from "vitest";
import { InvariantError, makeTxnid, OpCode } from "@quorate/protocol";
import {
  CreateMode,
  encodeCreate,
  encodeDelete,
  encodeSet,
  operationsOf,
  READ_ACL,
  ZnodeOp,
} from "../src/index.js";
import { Asking, ONE } from "./asking.js";
import { Driver, T0_MS } from "./harness.js";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("what a committed entry did", () => {
  it("is told by kind, with data, version and the leader's time", () => {
    const driver = new Driver();
    driver.run(ZnodeOp.create, "/a", encodeCreate({ data: bytes("one") }));
    driver.run(ZnodeOp.set, "/a", encodeSet({ data: bytes("two") }));
    driver.run(ZnodeOp.set, "/a", encodeSet({ data: bytes("three") }));
    driver.run(ZnodeOp.broadcast, "topic", bytes("said"));
    driver.run(ZnodeOp.delete, "/a", encodeDelete());
    expect(driver.applied.flatMap(operationsOf)).toEqual([
      { kind: "create", path: "/a", data: bytes("one"), timeMs: T0_MS },
      { kind: "set", path: "/a", data: bytes("two"), version: 1, timeMs: T0_MS + 1 },
      { kind: "set", path: "/a", data: bytes("three"), version: 2, timeMs: T0_MS + 2 },
      { kind: "broadcast", path: "topic", data: bytes("said") },
      { kind: "delete", path: "/a" },
    ]);
  });

  it("is several things of a multi, the deletes of a closed session, and ACLs", () => {
    const asking = new Asking();
    asking.open(ONE);
    asking.as(ONE).create("/e", { mode: CreateMode.ephemeral, data: bytes("x") });
    asking.create("/d", { mode: CreateMode.ephemeral });
    asking.multi(
      { kind: "check", path: "/" },
      { kind: "set", path: "/e", data: bytes("y") },
      { kind: "create", path: "/f", data: bytes("z") },
      { kind: "delete", path: "/f" },
    );
    asking.setAcl("/e", READ_ACL);
    asking.close(ONE);
    const all = asking.applied.map(operationsOf);
    expect(all).toEqual([
      [],
      [{ kind: "create", path: "/e", data: bytes("x"), timeMs: T0_MS + 1 }],
      [{ kind: "create", path: "/d", data: bytes(""), timeMs: T0_MS + 2 }],
      [
        { kind: "set", path: "/e", data: bytes("y"), version: 1, timeMs: T0_MS + 3 },
        { kind: "create", path: "/f", data: bytes("z"), timeMs: T0_MS + 3 },
        { kind: "delete", path: "/f" },
      ],
      [{ kind: "setAcl", path: "/e", version: 1 }],
      [
        { kind: "delete", path: "/d" },
        { kind: "delete", path: "/e" },
      ],
    ]);
  });

  it("is nothing for the ensemble's own entries, and a bug for an unknown one", () => {
    const entry = { txnid: makeTxnid(1, 1), fid: "0", reqId: 0n, key: "", content: bytes("") };
    expect(operationsOf({ ...entry, op: OpCode.foundEnsemble })).toEqual([]);
    expect(operationsOf({ ...entry, op: OpCode.admitVoter })).toEqual([]);
    expect(() => operationsOf({ ...entry, op: 39 })).toThrow(InvariantError);
  });
});
