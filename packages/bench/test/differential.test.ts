import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { JuteReader, ReplyHeader, ZkOp } from "@quorate/zookeeper";
import { describe, expect, it } from "vitest";
import { compareNormal, compareTraces, tellingFirst } from "../src/differential/compare.js";
import { decodeTrace } from "../src/differential/decode.js";
import { kindOf } from "../src/differential/describe.js";
import { generate } from "../src/differential/generator.js";
import { knownDifferences, notCompared } from "../src/differential/known-differences.js";
import { minimise } from "../src/differential/minimise.js";
import { normalise, type NormalItem } from "../src/differential/normalise.js";
import { seenIn } from "../src/differential/run-sequence.js";
import { digestOf, stepFromJson, stepToJson, type Step } from "../src/differential/steps.js";
import { categoryOf } from "../src/differential/summary.js";
import { TraceFile, type Item, type Trace } from "../src/differential/trace.js";

/** One sequence, answered by two ensembles of ZooKeeper 3.8. */
const [one, other] = await Promise.all([recorded("zookeeper-a"), recorded("zookeeper-b")]);

async function recorded(name: string): Promise<Trace> {
  const url = new URL(`../testdata/differential/${name}.trace`, import.meta.url);
  for await (const trace of new TraceFile(url.pathname).read()) return trace;
  throw new Error(`${name} holds no trace`);
}

function stepOf(type: number, value: unknown): Step {
  return { do: "request", connection: 0, type, value };
}

/** Its first steps: planting in each of them compares all of them. */
function startOf(trace: Trace): Trace {
  const count = 120;
  return {
    ...trace,
    steps: trace.steps.slice(0, count),
    outcomes: trace.outcomes.slice(0, count),
  };
}

/** The trace with one step's items changed. */
function planted(trace: Trace, at: number, change: (items: readonly Item[]) => Item[]): Trace {
  const outcomes = trace.outcomes.map((items, i) => (i === at ? change(items) : items));
  return { ...trace, outcomes };
}

function patched(bytes: Uint8Array, at: number, change: (view: DataView) => void): Uint8Array {
  const copy = bytes.slice();
  change(new DataView(copy.buffer, at));
  return copy;
}

describe("the generator", () => {
  it("makes the same sequence of the same seed, and another one of another", () => {
    expect(digestOf(generate(7, 400))).toBe(digestOf(generate(7, 400)));
    expect(digestOf(generate(7, 400))).not.toBe(digestOf(generate(8, 400)));
    expect(digestOf(generate(7, 400).slice(0, 100))).toBe(digestOf(generate(7, 100)));
  });

  it("asks for everything that the protocol has, and for what it has not", () => {
    const kinds = new Set<string>();
    for (let seed = 1; seed <= 10; seed += 1) {
      for (const step of generate(seed, 500)) kinds.add(kindOf(step));
    }
    const internal = ["notification", "error", "createSession", "deleteContainer", "sasl"];
    // Within a multi only: see the differences that are known.
    const wanted = Object.keys(ZkOp).filter((name) => ![...internal, "check"].includes(name));
    const others = ["open", "drop", "expire", "malformed", "unknown type"];
    expect([...wanted, ...others].filter((name) => !kinds.has(name))).toEqual([]);
  });

  it("writes steps as lines that read as the same steps", () => {
    for (const step of generate(3, 500)) {
      expect(stepFromJson(stepToJson(step))).toEqual(step);
    }
  });
});

describe("the comparison of two traces", () => {
  it("finds no difference between two ensembles of ZooKeeper, whose bytes differ", () => {
    const { unknown, known, compared } = compareTraces(one, other);
    expect(unknown).toEqual([]);
    expect([...known]).toEqual([]);
    expect(compared).toBeGreaterThan(250);
    // One of the ensembles had done something before, so that no zxid is the same.
    const same = one.outcomes.filter((items, i) => {
      return items.length > 0 && JSON.stringify(items) === JSON.stringify(other.outcomes[i]);
    });
    expect(same.length).toBeLessThan(one.outcomes.length / 10);
  });

  it("finds every packet that is missing, and every one that is too many", () => {
    const [left, right] = [startOf(one), startOf(other)];
    for (const [at, items] of right.outcomes.entries()) {
      for (const gone of items.keys()) {
        const less = planted(right, at, (all) => all.filter((_, i) => i !== gone));
        expect(compareTraces(left, less, []).unknown.length, `step ${at}, ${gone}`).toBeGreaterThan(
          0,
        );
      }
    }
    const at = right.outcomes.findIndex((items) => items.length > 0);
    const more = planted(right, at, (all) => [...all, { connection: 0, what: "closed" }]);
    expect(compareTraces(left, more, []).unknown.map(categoryOf)).toEqual([
      "open: nothing | closed",
    ]);
  });

  it("finds another error in any reply", () => {
    const [left, right] = [startOf(one), startOf(other)];
    let changed = 0;
    for (const [at, items] of decodeTrace(right).entries()) {
      const place = items.findIndex(({ kind }) => kind === "reply");
      if (place < 0) continue;
      changed += 1;
      const wrong = planted(right, at, (all) =>
        all.map(({ connection, what }, i) => {
          if (i !== place || typeof what === "string") return { connection, what };
          return { connection, what: patched(what, 12, (view) => view.setInt32(0, -7)) };
        }),
      );
      const [first] = compareTraces(left, wrong, []).unknown;
      expect(first?.at, `step ${at}`).toBe(at);
    }
    expect(changed).toBeGreaterThan(80);
  });

  it("finds a change in any byte behind the header that is not a target's own", () => {
    const isOwn = (before: Trace, after: Trace): boolean =>
      JSON.stringify(normalise(before)) === JSON.stringify(normalise(after));
    let found = 0;
    let passed = 0;
    for (const [at, items] of other.outcomes.entries()) {
      const [first] = items;
      if (first === undefined || typeof first.what === "string") continue;
      const { xid } = ReplyHeader.read(new JuteReader(first.what));
      if (xid <= 0 || first.what.length <= 20) continue;
      const last = first.what.length - 1;
      const flip = (all: readonly Item[]): Item[] =>
        all.map((item) =>
          item === first && typeof item.what !== "string"
            ? { ...item, what: patched(item.what, last, (v) => v.setUint8(0, v.getUint8(0) ^ 64)) }
            : item,
        );
      const wrong = planted(other, at, flip);
      if (isOwn(other, wrong)) passed += 1;
      else if (compareTraces(one, wrong, []).unknown.length > 0) found += 1;
      else expect.fail(`step ${at} passes`);
    }
    expect(found).toBeGreaterThan(30);
    expect(passed).toBe(0);
  });

  it("finds events in another order, but not where ZooKeeper promises none", () => {
    const decoded = decodeTrace(other);
    let swapped = 0;
    for (const [at, items] of decoded.entries()) {
      const place = items.findIndex((item, i) => {
        const next = items[i + 1];
        if (item.kind !== "event" || next?.kind !== "event") return false;
        // Two watches of one connection may tell the same twice.
        const isSame = JSON.stringify(item.event) === JSON.stringify(next.event);
        return next.connection === item.connection && !isSame;
      });
      const step = other.steps[at];
      if (place < 0 || step === undefined) continue;
      const wrong = planted(other, at, (all) => {
        const copy = [...all];
        const [first] = copy.splice(place, 1);
        if (first !== undefined) copy.splice(place + 1, 0, first);
        return copy;
      });
      const isEnd = ["closeSession", "expire"].includes(kindOf(step));
      expect(compareTraces(one, wrong, []).unknown.length > 0, `step ${at}`).toBe(!isEnd);
      swapped += 1;
    }
    expect(swapped).toBeGreaterThan(0);
  });

  it("tells first what is more than the rank of a zxid", () => {
    const item = (zxid: string): NormalItem => ({
      connection: 0,
      kind: "reply",
      fields: {},
      text: `reply {"op":4,"zxid":"${zxid}"}`,
    });
    const step = stepOf(ZkOp.getData, { path: "/a", watch: false });
    const at = (i: number, left: NormalItem | null, right: NormalItem | null) => ({
      ...{ at: i, step, connection: 0 },
      ...{ left, right },
    });
    const found = [
      at(77, item("#10"), item("#11")),
      at(78, item("after #10"), item("#11")),
      at(320, item("#35"), null),
      at(321, item("#35"), item("-1")),
    ];
    expect(tellingFirst(found).map((one) => one.at)).toEqual([320, 321, 77, 78]);
  });

  it("refuses to compare different sequences", () => {
    const shorter = { ...other, steps: other.steps.slice(1), outcomes: other.outcomes.slice(1) };
    expect(() => compareTraces(one, shorter)).toThrow("different sequences");
  });

  it("counts an event as no sign that all of its change was seen", () => {
    const packetOf = (kind: string): Uint8Array => {
      const at = decodeTrace(other).findIndex((items) => items.some((item) => item.kind === kind));
      const place = decodeTrace(other)[at]?.findIndex((item) => item.kind === kind) ?? -1;
      const what = other.outcomes[at]?.[place]?.what;
      if (!(what instanceof Uint8Array)) throw new Error(`no ${kind} was recorded`);
      return patched(what, 4, (view) => view.setBigInt64(0, 1n << 40n));
    };
    expect(seenIn(packetOf("event"))).toBe(null);
    expect(seenIn(packetOf("reply"))).toBe(1n << 40n);
  });

  it("knows that the root, too, may not be for everybody to read", () => {
    const setAcl = stepOf(ZkOp.setAcl, {
      path: "/",
      acl: [{ perms: 31, id: { scheme: "digest", id: "nobody:here" } }],
      version: -1,
    });
    const exists = stepOf(ZkOp.exists, { path: "/", watch: false });
    const reply = (err: number): NormalItem => {
      const fields = { err };
      return { connection: 0, kind: "reply", text: JSON.stringify(fields), fields };
    };
    const compare = (steps: readonly Step[], left: readonly NormalItem[]) => {
      const right = [...left.slice(0, -1), reply(-102)];
      const lines = (items: readonly NormalItem[]) => items.map((item) => [item]);
      return compareNormal(steps, lines(left), lines(right), knownDifferences);
    };
    const refused = compare([setAcl, exists], [reply(0), reply(0)]);
    expect([...refused.known]).toEqual([["exists without permission", 1]]);
    expect(refused.unknown).toEqual([]);
    // Who may read it is not refused.
    expect(compare([exists], [reply(0)]).unknown).toHaveLength(1);
  });

  it("knows an ACL in another order, and no other ACL", () => {
    const reply = (...ids: readonly string[]): NormalItem => {
      // Each of `c` has permissions of its own, as one that `auth` did not make.
      const acl = ids.map((id) => ({ perms: id === "c" ? 1 : 31, id: { scheme: "digest", id } }));
      const fields = { op: ZkOp.getAcl, err: 0, body: { acl, stat: {} } };
      return { connection: 0, kind: "reply", text: JSON.stringify(fields), fields };
    };
    const value = { path: "/a" };
    const getAcl: Step = { do: "request", connection: 0, type: ZkOp.getAcl, value };
    const compare = (left: NormalItem, right: NormalItem) =>
      compareNormal([getAcl], [[left]], [[right]], knownDifferences);
    const same = compare(reply("a", "b"), reply("b", "a"));
    expect([...same.known]).toEqual([["order of what `auth` stands for", 1]]);
    expect(same.unknown).toEqual([]);
    expect(compare(reply("a", "b"), reply("b", "d")).unknown).toHaveLength(1);
    expect(compare(reply("a", "c"), reply("c", "a")).unknown).toHaveLength(1);
  });

  it("counts what is known by name, and only that", () => {
    const decoded = decodeTrace(other);
    const at = decoded.findIndex((items) => items.some(({ kind }) => kind === "event"));
    const place = decoded[at]?.findIndex(({ kind }) => kind === "event") ?? -1;
    const change = (edit: (view: DataView) => void): Trace =>
      planted(other, at, (all) =>
        all.map((item, i) =>
          i === place && typeof item.what !== "string"
            ? { ...item, what: patched(item.what, 0, edit) }
            : item,
        ),
      );
    const withZxid = change((view) => view.setBigInt64(4, 1n << 40n));
    const result = compareTraces(one, withZxid);
    expect([...result.known]).toEqual([["event zxid", 1]]);
    expect(result.unknown).toEqual([]);
    expect(compareTraces(one, withZxid, []).unknown).toHaveLength(1);
    // With another type it is no longer that difference alone.
    const another = change((view) => {
      view.setBigInt64(4, 1n << 40n);
      view.setInt32(16, view.getInt32(16) === 1 ? 2 : 1);
    });
    expect(compareTraces(one, another).unknown.length).toBeGreaterThan(0);
  });

  it("knows the differences that the document on compatibility lists, by their names", () => {
    const names = knownDifferences.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    const url = new URL("../../../docs/compatibility.md", import.meta.url);
    const document = readFileSync(url, "utf8");
    const rows = document.split("\n").filter((line) => line.startsWith("| "));
    const cells = rows.map((row) => row.split("|").map((cell) => cell.trim()));
    const listed = [...knownDifferences, ...notCompared].map((one) =>
      "name" in one ? ["", one.name, one.what, one.reason, ""] : ["", one.what, one.reason, ""],
    );
    expect(cells).toEqual(expect.arrayContaining(listed));
    expect(cells).toHaveLength(listed.length + 4);
  });
});

it("keeps traces in a file, and notices when their steps were changed", async () => {
  const directory = mkdtempSync(join(tmpdir(), "quorate-trace-"));
  try {
    const file = new TraceFile(join(directory, "one"));
    file.append(one);
    file.append(other);
    const read: Trace[] = [];
    for await (const trace of file.read()) read.push(trace);
    expect(read).toEqual([one, other]);
    const changed = new TraceFile(join(directory, "two"));
    changed.append({ ...one, steps: one.steps.slice(0, -1) });
    for await (const trace of changed.read())
      expect(trace.steps).toHaveLength(one.steps.length - 1);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

describe("minimising", () => {
  const numbers = Array.from({ length: 100 }, (_, i) => i);

  it("leaves what fails by itself, in its order", async () => {
    const fails = (items: readonly number[]): Promise<boolean> =>
      Promise.resolve(items.includes(13) && items.includes(57) && items.includes(58));
    expect(await minimise(numbers, fails)).toEqual([13, 57, 58]);
  });

  it("gives up after so many attempts, with something that fails", async () => {
    let attempts = 0;
    const kept = await minimise(
      numbers,
      (items) => {
        attempts += 1;
        return Promise.resolve(items.includes(99));
      },
      5,
    );
    expect(attempts).toBe(5);
    expect(kept).toContain(99);
    expect(kept.length).toBeLessThan(100);
  });
});
