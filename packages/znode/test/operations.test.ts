import { describe, expect, it } from "vitest";
import { InvariantError, makeTxnid, OpCode } from "@quorate/protocol";
import {
  CreateMode,
  encodeCreate,
  encodeDelete,
  encodeSet,
  OPEN_ACL,
  operationsOf,
  Perms,
  READ_ACL,
  readersOf,
  ZnodeOp,
} from "../src/index.js";
import { encodeAcl } from "../src/acl.js";
import { EPHEMERAL_BYTES_MAX } from "../src/limits.js";
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

describe("who may read what an entry changed", () => {
  const BOB = { scheme: "digest", id: "bob:h" };
  const ROOT = { scheme: "super", id: "" };
  const PRIVATE = [{ perms: Perms.all, ...BOB }];

  /** Of each operation of the last entry: nobody special, Bob, the superuser. */
  function lastReaders(asking: Asking): readonly string[] | null {
    const entry = asking.applied.at(-1);
    if (entry === undefined) throw new Error("nothing was applied");
    const readers = readersOf(entry);
    expect(readers?.length ?? operationsOf(entry).length).toBe(operationsOf(entry).length);
    return (
      readers?.map((may) =>
        [[], [BOB], [ROOT]].map((who) => (may === undefined || may(who) ? "y" : "n")).join(""),
      ) ?? null
    );
  }

  it("is told by the entry alone: as of then, and of no more than is not for everybody", () => {
    const asking = new Asking();
    const all: unknown[] = [];
    const note = (): void => void all.push(lastReaders(asking));
    asking.create("/open");
    note();
    asking.set("/open", "x");
    note();
    asking.create("/seen", { acl: READ_ACL });
    note();
    asking.as(null, BOB).create("/p", { acl: PRIVATE });
    note();
    asking.set("/p", "secret");
    note();
    asking.multi(
      { kind: "check", path: "/p" },
      { kind: "create", path: "/n", data: bytes("") },
      { kind: "set", path: "/p", data: bytes("y") },
    );
    note();
    asking.setAcl("/p", READ_ACL);
    note();
    asking.as(null, ROOT).setAcl("/p", PRIVATE);
    note();
    asking.remove("/p");
    note();
    asking.run(ZnodeOp.broadcast, "topic", bytes("said"));
    note();
    expect(all).toEqual([
      null,
      null,
      null,
      ["nyy"],
      ["nyy"],
      ["yyy", "nyy"],
      null,
      ["nyy"],
      ["nyy"],
      null,
    ]);
  });

  it("costs an entry its ACL, and nothing where everybody may", () => {
    const asking = new Asking();
    asking.as(null, BOB);
    for (const acl of [OPEN_ACL, READ_ACL, PRIVATE]) {
      asking.create("/a", { acl: acl === PRIVATE ? acl : [...acl, ...PRIVATE] });
      asking.set("/a", "x");
      asking.remove("/a");
    }
    const lengths = asking.applied
      .filter(({ op }) => op !== ZnodeOp.create)
      .map(({ content }) => content.length);
    const [set = 0, remove = 0] = lengths;
    expect([set, remove]).toEqual([17, 4]);
    const aclBytes = encodeAcl(PRIVATE).length;
    expect(lengths).toEqual([set, remove, set, remove, set + aclBytes, remove + aclBytes]);
  });

  it("is told of all that goes with a session, while there is room, else the superuser", () => {
    const asking = new Asking();
    asking.open(ONE);
    asking.as(ONE, BOB);
    asking.create("/a", { mode: CreateMode.ephemeral, acl: PRIVATE });
    asking.create("/b", { mode: CreateMode.ephemeral });
    asking.close(ONE);
    expect(lastReaders(asking)).toEqual(["nyy", "yyy"]);
    // As many bytes of paths as one transaction takes, to the last.
    asking.as(null, BOB).open(ONE);
    asking.as(ONE, BOB);
    const name = "x".repeat(EPHEMERAL_BYTES_MAX / 51 - 2 - 3);
    for (let i = 0; i < 51; i += 1) {
      const path = `/${name}${String(i).padStart(2, "0")}`;
      asking.create(path, { mode: CreateMode.ephemeral, acl: PRIVATE });
    }
    expect(asking.machine.sessions.get(ONE)).toMatchObject({
      ephemeralCount: 51,
      ephemeralBytes: EPHEMERAL_BYTES_MAX,
    });
    asking.close(ONE);
    expect(lastReaders(asking)).toEqual(Array.from({ length: 51 }, () => "nny"));
    expect(asking.machine.sessions.count).toBe(0);
  });
});
