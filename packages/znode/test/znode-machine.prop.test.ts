import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkPath, decodeChildren, decodeGetResult, ZnodeMachine, ZnodeOp } from "../src/index.js";
import { Driver, T0_MS, READ } from "./harness.js";
import { asks, contentOf, Model } from "./model.js";

function contentAt(machine: ZnodeMachine, op: number, path: string): Uint8Array {
  const result = machine.read(op, path, READ);
  if (!result.ok) throw new Error(`${path}: ${result.code}`);
  return result.content;
}

function expectEqual(machine: ZnodeMachine, model: Model): void {
  expect(machine.nodeCount).toBe(model.nodes.size);
  for (const [path, node] of model.nodes) {
    const children = model.childrenOf(path);
    const { data, ...zxidsAndCounts } = node;
    const stat = {
      ...zxidsAndCounts,
      aversion: 0,
      ephemeralOwner: 0n,
      dataLength: data.length,
      numChildren: children.length,
    };
    const got = decodeGetResult(contentAt(machine, ZnodeOp.get, path));
    expect(got).toEqual({ data: new Uint8Array(data), stat });
    expect(decodeChildren(contentAt(machine, ZnodeOp.children, path)).children).toEqual(children);
  }
}

describe("against the model", () => {
  test("the same requests are refused, and the trees are equal", () => {
    fc.assert(
      fc.property(fc.array(asks, { maxLength: 60, size: "max" }), (sequence) => {
        const driver = new Driver();
        const model = new Model();
        let count = 0;
        for (const ask of sequence) {
          const answer = driver.run(ask.op, ask.path, contentOf(ask));
          const refusal = model.run(ask, (1n << 32n) + BigInt(count + 1), T0_MS + count);
          expect(typeof answer === "string" ? answer : null).toBe(refusal);
          if (refusal === null) count += 1;
        }
        expectEqual(driver.machine, model);
      }),
    );
  });

  test("pipelined requests are judged as if all earlier ones were applied", () => {
    // Between two requests, any number of prepared ones may be applied.
    const steps = fc.array(fc.tuple(asks, fc.nat({ max: 2 })), { maxLength: 60, size: "max" });
    fc.assert(
      fc.property(steps, (sequence) => {
        const driver = new Driver();
        const model = new Model();
        let count = 0;
        for (const [ask, applies] of sequence) {
          const prepared = driver.prepare(ask.op, ask.path, contentOf(ask));
          const refusal = model.run(ask, (1n << 32n) + BigInt(count + 1), T0_MS + count);
          expect(prepared.ok ? null : prepared.code).toBe(refusal);
          if (refusal === null) count += 1;
          for (let i = 0; i < applies && driver.prepared.length > 0; i += 1) driver.applyNext();
        }
        driver.applyAll();
        expectEqual(driver.machine, model);
        expect(driver.machine.preparedCount).toBe(0);
      }),
    );
  });

  test("what is discarded leaves no trace in later judgements", () => {
    const lists = fc.tuple(
      fc.array(asks, { maxLength: 30, size: "max" }),
      fc.array(asks, { maxLength: 30, size: "max" }),
      fc.array(asks, { maxLength: 30, size: "max" }),
    );
    fc.assert(
      fc.property(lists, ([before, discarded, after]) => {
        const disturbed = new Driver();
        const plain = new Driver();
        for (const ask of before) {
          disturbed.run(ask.op, ask.path, contentOf(ask));
          plain.run(ask.op, ask.path, contentOf(ask));
        }
        for (const ask of discarded) disturbed.prepare(ask.op, ask.path, contentOf(ask));
        disturbed.discard();
        expect(disturbed.machine.preparedCount).toBe(0);
        for (const ask of after) {
          expect(disturbed.run(ask.op, ask.path, contentOf(ask))).toEqual(
            plain.run(ask.op, ask.path, contentOf(ask)),
          );
        }
        expect(disturbed.machine.digest()).toBe(plain.machine.digest());
      }),
    );
  });
});

describe("replicas", () => {
  test("Invariant 7: entries give equal answers and digests, asked at whatever points", () => {
    const sequences = fc.array(fc.tuple(asks, fc.boolean()), { maxLength: 60, size: "max" });
    fc.assert(
      fc.property(sequences, (sequence) => {
        const leader = new Driver();
        const follower = new ZnodeMachine();
        for (const [ask, isDigestAsked] of sequence) {
          const answer = leader.run(ask.op, ask.path, contentOf(ask));
          const entry = leader.applied.at(-1);
          if (typeof answer === "string" || entry === undefined) continue;
          // The block that the content lies in is reused: what is kept must be a copy.
          const block = entry.content.slice();
          expect(follower.apply({ ...entry, content: block })).toEqual(answer);
          block.fill(0xee);
          if (isDigestAsked) expect(leader.machine.digest()).toBe(follower.digest());
        }
        expect(leader.machine.digest()).toBe(follower.digest());
      }),
    );
  });

  test("an entry applied twice in a row changes nothing", () => {
    fc.assert(
      fc.property(fc.array(asks, { maxLength: 40, size: "max" }), (sequence) => {
        const leader = new Driver();
        for (const ask of sequence) leader.run(ask.op, ask.path, contentOf(ask));
        const follower = new ZnodeMachine();
        for (const entry of leader.applied)
          expect(follower.apply(entry)).toEqual(follower.apply(entry));
        expect(follower.digest()).toBe(leader.machine.digest());
      }),
    );
  });

  test("trees with different content have different digests", () => {
    fc.assert(
      fc.property(fc.array(asks, { maxLength: 40, size: "max" }), (sequence) => {
        const driver = new Driver();
        const seen = new Set([driver.machine.digest()]);
        let changes = 1;
        for (const ask of sequence) {
          const answer = driver.run(ask.op, ask.path, contentOf(ask));
          const isChange = typeof answer !== "string" && ask.op !== ZnodeOp.broadcast;
          if (isChange) changes += 1;
          seen.add(driver.machine.digest());
        }
        // Every transaction leaves its txnid in some Stat, so no state comes twice.
        expect(seen.size).toBe(changes);
      }),
    );
  });
});

describe("garbage", () => {
  test("is refused or served, never thrown on, and never changes the applied tree", () => {
    const paths = fc.oneof(
      fc.string({ unit: "binary", maxLength: 12 }),
      fc.string({ unit: "binary", maxLength: 6 }).map((text) => `/${text}`),
      fc.constantFrom("/", "/a", "/zookeeper"),
    );
    const op = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer());
    fc.assert(
      fc.property(op, paths, fc.uint8Array({ maxLength: 90 }), (operation, path, content) => {
        const driver = new Driver();
        const digest = driver.machine.digest();
        driver.machine.read(operation, path, content);
        const prepared = driver.prepare(operation, path, content);
        expect(driver.machine.digest()).toBe(digest);
        // What is not refused can be applied.
        if (prepared.ok) driver.applyAll();
        else expect(driver.machine.preparedCount).toBe(0);
      }),
      { numRuns: 500 },
    );
  });

  test("valid paths survive UTF-8", () => {
    const text = fc.string({ unit: "binary", maxLength: 10 }).map((name) => `/${name}`);
    fc.assert(
      fc.property(text, (path) => {
        fc.pre(checkPath(path) === null);
        expect(new TextDecoder().decode(new TextEncoder().encode(path))).toBe(path);
      }),
    );
  });
});
