import { encodeCaller, makeTxnid, type LogEntryMsg, type StateRow } from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import {
  decodeChildren,
  decodeCreateResult,
  decodeGetResult,
  decodeStat,
  CreateMode,
  encodeCloseSession,
  encodeCreate,
  encodeCreateSession,
  encodeDelete,
  encodeDeleteExpired,
  encodeMulti,
  encodeResumeSession,
  encodeSet,
  encodeSetAcl,
  OPEN_ACL,
  READ_ACL,
  withCaller,
  ZnodeMachine,
  ZnodeOp,
} from "../src/index.js";
import { Asking, ONE } from "./asking.js";
import { bytes, Driver, READ, rowsOf as allRows } from "./harness.js";

const NOTHING = new Uint8Array(0);

function hex(content: Uint8Array | null): string | null {
  return content === null ? null : Buffer.from(content).toString("hex");
}

function fromHex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "hex"));
}

/** Two creates, a set and a delete: every kind of transaction. */
function scripted(): Driver {
  const driver = new Driver();
  driver.run(ZnodeOp.create, "/a", encodeCreate({ data: bytes("hi") }));
  driver.run(ZnodeOp.create, "/a/ü", encodeCreate({ data: bytes("") }));
  driver.run(ZnodeOp.set, "/a", encodeSet({ data: bytes("there"), version: 0 }));
  driver.run(ZnodeOp.delete, "/a/ü", encodeDelete({ version: 0 }));
  return driver;
}

/** What scripted() leaves out. */
function everything(): Asking {
  const asking = new Asking();
  asking.open(ONE);
  asking.as(ONE).create("/e", { mode: CreateMode.ephemeral, acl: READ_ACL });
  asking.create("/t", { mode: CreateMode.ttl, ttlMs: 5, data: bytes("hi") });
  asking.setAcl("/t", [{ perms: 31, scheme: "digest", id: "u:h" }, ...READ_ACL]);
  asking.as(ONE, { scheme: "digest", id: "u:h" }).setAcl("/t", OPEN_ACL);
  asking.multi(
    { kind: "create", path: "/n", data: bytes("x") },
    { kind: "check", path: "/n" },
    { kind: "delete", path: "/n" },
  );
  return asking;
}

function rowsOf(machine: ZnodeMachine): readonly StateRow[] {
  return [...machine.beginChanges({ full: true }).next(2 ** 20)];
}

// These values are on disks and on wires: a test that fails here has found an incompatibility.
describe("golden values", () => {
  test("requests", () => {
    expect(hex(encodeCreate({ data: bytes("hi") }))).toMatchInlineSnapshot(
      `"00000000000000000000006869"`,
    );
    expect(hex(encodeSet({ data: bytes("hi"), version: 7 }))).toMatchInlineSnapshot(
      `"000000076869"`,
    );
    expect(hex(encodeSet({ data: bytes("hi") }))).toMatchInlineSnapshot(`"ffffffff6869"`);
    expect(hex(encodeDelete())).toMatchInlineSnapshot(`"ffffffff"`);
  });

  test("requests of the rest", () => {
    const acl = [{ perms: 1, scheme: "ip", id: "::1" }];
    const { ttl } = CreateMode;
    const all = [
      encodeCreate({ data: bytes("hi"), mode: ttl, ttlMs: 5, acl }),
      encodeSetAcl({ acl, version: 3 }),
      encodeSetAcl({ acl: OPEN_ACL }),
      encodeSetAcl({ acl: [] }),
      encodeMulti([
        { kind: "set", path: "/a", data: bytes("hi") },
        { kind: "check", path: "/b", version: 1 },
      ]),
      encodeCreateSession({ id: ONE, timeoutMs: 4000, password: new Uint8Array(16).fill(7) }),
      encodeCloseSession(ONE),
      encodeResumeSession({ id: ONE, timeoutMs: 5000, password: new Uint8Array(16).fill(7) }),
      encodeDeleteExpired(),
      withCaller(encodeCaller({ session: ONE, identities: [] }), encodeDelete()),
    ];
    expect(all.map(hex)).toMatchInlineSnapshot(`
      [
        "050000000000000005000c0000000102697000033a3a316869",
        "00000003000c0000000102697000033a3a31",
        "ffffffff0000",
        "ffffffff000700000000000000",
        "000000020200022f6100000006ffffffff68690f00022f620000000400000001",
        "010000000000000100000fa007070707070707070707070707070707",
        "0100000000000001",
        "01000000000000010000138807070707070707070707070707070707",
        "00000000",
        "01010000000000000100ffffffff",
      ]
    `);
  });

  test("transactions, rows, answers and digest of the rest", () => {
    const asking = everything();
    expect(asking.applied.map(({ op, content }) => [op, hex(content)])).toMatchInlineSnapshot(`
      [
        [
          12,
          "01010000010000000000000100000fa007070707070707070707070707070707",
        ],
        [
          1,
          "01010012000000010000018bcfe5680101000000000000010000000105776f726c640006616e796f6e65",
        ],
        [
          1,
          "01010000000000020000018bcfe56802ff000000000000056869",
        ],
        [
          10,
          "01000022000000010000001f066469676573740003753a680000000105776f726c640006616e796f6e65",
        ],
        [
          10,
          "0100000000000002",
        ],
        [
          11,
          "01000000000000030100022f6e0000001101000000000000030000018bcfe56805780f00022f6e000000000300022f6e0000000401000000",
        ],
      ]
    `);
    const rows = allRows(asking.machine.beginChanges({ full: true }));
    const own = rows.filter(({ key }) => key[0] === 1 || [0x65, 0x74].includes(key[1] ?? 0));
    expect(own.map(({ key, value }) => [hex(key), hex(value)])).toMatchInlineSnapshot(`
      [
        [
          "010100000000000001",
          "0200000fa00707070707070707070707070707070701",
        ],
        [
          "2f65",
          "010000120000000100000002000000010000000200000001000000020000018bcfe568010000018bcfe5680100000000000000000000000001000000000000010000000105776f726c640006616e796f6e65",
        ],
        [
          "2f74",
          "010000000000000100000003000000010000000300000001000000030000018bcfe568020000018bcfe56802000000000000000000000002ff000000000000056869",
        ],
      ]
    `);
    const answers = [ZnodeOp.getAcl, ZnodeOp.getEphemerals, ZnodeOp.countAllChildren].map((op) => {
      const answer = asking.read(op, op === ZnodeOp.getAcl ? "/e" : "/");
      return typeof answer === "string" ? answer : hex(answer);
    });
    expect(answers).toMatchInlineSnapshot(`
      [
        "000000010000000200000001000000020000018bcfe568010000018bcfe568010000000000000000000000000100000000000001000000000000000000000001000000020000000105776f726c640006616e796f6e65",
        "00000001000000022f65",
        "00000005",
      ]
    `);
    const multi = asking.multi(
      { kind: "check", path: "/" },
      { kind: "set", path: "/t", data: NOTHING },
    );
    const digest = asking.machine.digest().toString(16);
    asking.run(
      ZnodeOp.resumeSession,
      "",
      encodeResumeSession({ id: ONE, timeoutMs: 5000, password: new Uint8Array(16).fill(7) }),
    );
    const moved = hex(asking.applied.at(-1)?.content ?? null);
    asking.close(ONE);
    const closed = hex(asking.applied.at(-1)?.content ?? null);
    const last = { multi: typeof multi === "string" ? multi : hex(multi), digest, moved, closed };
    expect(last).toMatchInlineSnapshot(`
      {
        "closed": "0100000001000000000000010000000100022f65",
        "digest": "ef0d2c6af66ba605",
        "moved": "02010000010000000000000100001388",
        "multi": "000000020f000000000200000044000000010000000300000001000000070000018bcfe568020000018bcfe56806000000010000000000000002ff0000000000000500000000000000000000000100000003",
      }
    `);
  });

  test("transactions", () => {
    expect(scripted().applied.map((entry) => hex(entry.content))).toMatchInlineSnapshot(`
      [
        "01000000000000010000018bcfe568006869",
        "01000000000000010000018bcfe56801",
        "01000000000000010000018bcfe568027468657265",
        "01000000",
      ]
    `);
  });

  test("rows", () => {
    const rows = rowsOf(scripted().machine).map((row) => [hex(row.key), hex(row.value)]);
    // They come in no particular order.
    expect(rows.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))).toMatchInlineSnapshot(`
      [
        [
          "2f",
          "01000000000000000000000000000000000000000000000100000001000000000000000000000000000000000000000000000001000000000000000000000000",
        ],
        [
          "2f61",
          "010000000000000100000001000000010000000300000001000000040000018bcfe568000000018bcfe5680200000001000000010000000000000000000000007468657265",
        ],
        [
          "2f7a6f6f6b6565706572",
          "01000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
        ],
        [
          "2f7a6f6f6b65657065722f636f6e666967",
          "01000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
        ],
        [
          "2f7a6f6f6b65657065722f71756f7461",
          "01000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
        ],
      ]
    `);
  });

  test("answers", () => {
    const { machine } = scripted();
    const contentOf = (op: number, path: string): string | null => {
      const result = machine.read(op, path, READ);
      return result.ok ? hex(result.content) : result.code;
    };
    expect(contentOf(ZnodeOp.get, "/a")).toMatchInlineSnapshot(
      `"000000010000000100000001000000030000018bcfe568000000018bcfe568020000000100000002000000000000000000000000000000050000000000000001000000047468657265"`,
    );
    expect(contentOf(ZnodeOp.children, "/zookeeper")).toMatchInlineSnapshot(
      `"000000000000000000000000000000000000000000000000000000000000000000000000fffffffe00000000000000000000000000000000000000020000000000000000000000020006636f6e666967000571756f7461"`,
    );
  });

  test("digests", () => {
    expect(new ZnodeMachine().digest().toString(16)).toMatchInlineSnapshot(`"5164759298c215f8"`);
    expect(scripted().machine.digest().toString(16)).toMatchInlineSnapshot(`"501ecd0d8575766"`);
  });
});

describe("answers that were damaged on their way", () => {
  const driver = scripted();
  const created = driver.run(ZnodeOp.create, "/a/b", encodeCreate({ data: bytes("x") }));
  const read = (op: number, path: string): Uint8Array => {
    const result = driver.machine.read(op, path, READ);
    if (!result.ok) throw new Error(result.code);
    return result.content;
  };
  const cases: readonly (readonly [string, (content: Uint8Array) => unknown, Uint8Array])[] = [
    ["Stat", decodeStat, read(ZnodeOp.exists, "/a")],
    ["get", decodeGetResult, read(ZnodeOp.get, "/a")],
    ["children", decodeChildren, read(ZnodeOp.children, "/zookeeper")],
  ];

  for (const [name, decode, content] of cases) {
    test(`are refused at every shorter or longer length: ${name}`, () => {
      decode(content);
      for (let length = 0; length < content.length; length += 1) {
        expect(() => decode(content.subarray(0, length))).toThrow(/malformed/);
      }
      const longer = new Uint8Array(content.length + 1);
      longer.set(content);
      expect(() => decode(longer)).toThrow(/malformed/);
    });
  }

  test("are refused when their text is not UTF-8 or their count is forged", () => {
    if (typeof created === "string") throw new Error(created);
    const path = created.slice();
    path[path.length - 1] = 0xff;
    expect(() => decodeCreateResult(path)).toThrow(/malformed/);
    const children = read(ZnodeOp.children, "/zookeeper").slice();
    children.fill(0xff, 68, 72);
    expect(() => decodeChildren(children)).toThrow(/malformed/);
  });
});

describe("entries and rows that cannot be", () => {
  const entry = (fields: Partial<LogEntryMsg>): LogEntryMsg => ({
    txnid: makeTxnid(1, 9),
    fid: "1",
    reqId: 0n,
    op: ZnodeOp.create,
    key: "/x",
    content: fromHex("0100000000000001000000000000000a"),
    ...fields,
  });

  test("an entry that cannot be applied is a divergence, and leaves the tree as it was", () => {
    const { machine } = scripted();
    const digest = machine.digest();
    const deletion = fromHex("01000000");
    const impossible: readonly Partial<LogEntryMsg>[] = [
      { op: 77 },
      { op: ZnodeOp.get },
      { key: "/none/x" },
      { key: "/a" },
      { key: "/" },
      { key: "" },
      { content: NOTHING },
      { content: fromHex("0200000000000001000000000000000a") },
      { op: ZnodeOp.set, key: "/none" },
      { op: ZnodeOp.set, key: "/a", content: deletion },
      { op: ZnodeOp.delete, key: "/none", content: deletion },
      { op: ZnodeOp.delete, key: "/zookeeper", content: deletion },
      { op: ZnodeOp.delete, key: "/", content: deletion },
      { op: ZnodeOp.delete, key: "/a", content: NOTHING },
      { op: ZnodeOp.check },
      { content: fromHex("0100000100000001000000000000000a") },
      { content: fromHex("0101000000000001000000000000000a") },
      { content: fromHex("0101000000000001000000000000000a0100000000000009") },
      { content: fromHex("0100000100000001000000000000000a09") },
      { op: ZnodeOp.setAcl, key: "/none", content: fromHex("0100000000000001") },
      { op: ZnodeOp.setAcl, key: "/a", content: fromHex("010000010000000109") },
      { op: ZnodeOp.setAcl, key: "/a", content: fromHex("01000000000000") },
      { op: ZnodeOp.createSession, content: NOTHING },
      { op: ZnodeOp.closeSession, content: fromHex("01000000010000000000000900000000") },
      { op: ZnodeOp.closeSession, content: fromHex("01000000010000000000000900000001") },
      { op: ZnodeOp.closeSession, content: fromHex("01030000010000000000000900000000") },
      { op: ZnodeOp.closeSession, content: fromHex("010100000100000000000009000000010001") },
      { op: ZnodeOp.multi, content: NOTHING },
      { op: ZnodeOp.multi, content: fromHex("0100000000000001") },
      { op: ZnodeOp.multi, content: fromHex("010000000000000104000000000000") },
    ];
    for (const fields of impossible) {
      expect(() => machine.apply(entry(fields)), JSON.stringify(fields)).toThrow(/invariant/);
    }
    // Not a fault of this code, but of a node that was started without what its data need.
    expect(() => machine.apply(entry({ op: 70 }))).toThrow(/operation 70 .*\(createCustomState\)/);
    expect(machine.digest()).toBe(digest);
    machine.apply(entry({}));
    expect(machine.digest()).not.toBe(digest);
  });

  test("a damaged row is refused with its code", () => {
    const value = rowsOf(scripted().machine)[0]?.value ?? null;
    if (value === null) throw new Error("no row");
    const newer = value.slice();
    newer[0] = 2;
    const aclTooLong = value.slice();
    aclTooLong[3] = 1;
    const aclUnread = new Uint8Array([...aclTooLong, 9]);
    const sessionKey = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0, 9]);
    const cases: readonly (readonly [Uint8Array, Uint8Array | null, string])[] = [
      [bytes("/a"), null, "ERR_STORE_DAMAGED"],
      [bytes("/a"), value.subarray(0, 63), "ERR_STORE_DAMAGED"],
      [bytes("a"), value, "ERR_STORE_DAMAGED"],
      [fromHex("2fff"), value, "ERR_STORE_DAMAGED"],
      [bytes("/a"), newer, "ERR_STORE_SCHEMA"],
      [bytes("/a"), aclTooLong, "ERR_STORE_DAMAGED"],
      [bytes("/a"), aclUnread, "ERR_STORE_DAMAGED"],
      [new Uint8Array([1, 2]), value, "ERR_STORE_DAMAGED"],
      [sessionKey, null, "ERR_STORE_DAMAGED"],
      [sessionKey, new Uint8Array([1, 2]), "ERR_STORE_DAMAGED"],
      [sessionKey, new Uint8Array(21), "ERR_STORE_SCHEMA"],
    ];
    for (const [key, row, code] of cases) {
      expect(() => new ZnodeMachine().restore([{ key, value: row }])).toThrow(
        expect.objectContaining({ code }),
      );
    }
  });

  test("a checkpoint without a parent is found out before it is used", () => {
    const rows = rowsOf(scripted().machine);
    const value = rows[0]?.value ?? null;
    const machine = new ZnodeMachine();
    machine.restore([{ key: bytes("/lost/child"), value }]);
    expect(() => machine.digest()).toThrow(/invariant/);
    machine.restore([{ key: bytes("/lost"), value }]);
    expect(typeof machine.digest()).toBe("bigint");
  });

  test("a row may come before any of its ancestors, however many there are", () => {
    const value = rowsOf(scripted().machine)[0]?.value ?? null;
    const machine = new ZnodeMachine();
    const planted = machine.nodeCount;
    machine.restore([{ key: bytes("/a".repeat(8_000)), value }]);
    expect(machine.nodeCount).toBe(planted + 8_000);
    for (let depth = 1; depth < 8_000; depth += 1) {
      machine.restore([{ key: bytes("/a".repeat(depth)), value }]);
    }
    expect(typeof machine.digest()).toBe("bigint");
  });
});
