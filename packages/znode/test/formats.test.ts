import { makeTxnid, type LogEntryMsg, type StateRow } from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import {
  decodeChildren,
  decodeCreateResult,
  decodeGetResult,
  decodeStat,
  encodeCreate,
  encodeDelete,
  encodeSet,
  ZnodeMachine,
  ZnodeOp,
} from "../src/index.js";
import { bytes, Driver, READ } from "./harness.js";

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

function rowsOf(machine: ZnodeMachine): readonly StateRow[] {
  return machine.beginChanges({ full: true }).next(2 ** 20);
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
    const rows = rowsOf(scripted().machine);
    expect(rows.map((row) => [hex(row.key), hex(row.value)])).toMatchInlineSnapshot(`
      [
        [
          "2f",
          "01000000000000000000000000000000000000000000000100000001000000000000000000000000000000000000000000000001000000000000000000000000",
        ],
        [
          "2f7a6f6f6b6565706572",
          "01000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
        ],
        [
          "2f7a6f6f6b65657065722f71756f7461",
          "01000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
        ],
        [
          "2f7a6f6f6b65657065722f636f6e666967",
          "01000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
        ],
        [
          "2f61",
          "010000000000000100000001000000010000000300000001000000040000018bcfe568000000018bcfe5680200000001000000010000000000000000000000007468657265",
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
    const cases: readonly (readonly [Uint8Array, Uint8Array | null, string])[] = [
      [bytes("/a"), null, "ERR_STORE_DAMAGED"],
      [bytes("/a"), value.subarray(0, 63), "ERR_STORE_DAMAGED"],
      [bytes("a"), value, "ERR_STORE_DAMAGED"],
      [fromHex("2fff"), value, "ERR_STORE_DAMAGED"],
      [bytes("/a"), newer, "ERR_STORE_SCHEMA"],
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
});
