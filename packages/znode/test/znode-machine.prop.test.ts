import type { SessionInfo, StateListener } from "@quorate/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  checkPath,
  decodeAclResult,
  decodeChildren,
  decodeGetResult,
  decodePaths,
  ZnodeMachine,
  ZnodeOp,
} from "../src/index.js";
import { askLists, type Ask } from "./asks.js";
import { Driver, prepareAsk, READ, readBy, rowsOf, runAsk, T0_MS } from "./harness.js";
import { allows, Model, type Verdict } from "./model.js";

const SUPER = readBy(null, { scheme: "super", id: "" });

/** Keeps what it is told, as the model words it. */
class Told implements StateListener {
  #events: string[] = [];

  onNodeChange(kind: string, path: string): void {
    this.#events.push(`${kind} ${path}`);
  }

  onSessionCreated({ id }: SessionInfo): void {
    this.#events.push(`opened ${id}`);
  }

  onSessionClosed(id: bigint): void {
    this.#events.push(`closed ${id}`);
  }

  take(): string[] {
    return this.#events.splice(0);
  }
}

function contentAt(machine: ZnodeMachine, op: number, path: string): Uint8Array {
  const result = machine.read(op, path, SUPER);
  if (!result.ok) throw new Error(`${path}: ${result.code}`);
  return result.content;
}

function expectEqual(machine: ZnodeMachine, model: Model): void {
  expect(machine.nodeCount).toBe(model.nodes.size);
  let approximateBytes = 0;
  let ephemeralCount = 0;
  for (const [path, node] of model.nodes) {
    const children = model.childrenOf(path);
    const { data, creates: _creates, owner, acl, ...zxidsAndCounts } = node;
    const stat = {
      ...zxidsAndCounts,
      ephemeralOwner: owner,
      dataLength: data.length,
      numChildren: children.length,
    };
    const got = decodeGetResult(contentAt(machine, ZnodeOp.get, path));
    expect(got).toEqual({ data: new Uint8Array(data), stat });
    expect(decodeChildren(contentAt(machine, ZnodeOp.children, path)).children).toEqual(children);
    expect(decodeAclResult(contentAt(machine, ZnodeOp.getAcl, path))).toEqual({ acl, stat });
    approximateBytes += path.length + data.length;
    const isReadable = machine.read(ZnodeOp.get, path, READ).ok;
    expect(isReadable).toBe(allows(node, 1, { session: null, identities: [] }));
  }
  expect(machine.approximateBytes).toBe(approximateBytes);
  const open = [...machine.sessions.values()].map(({ id }) => id);
  expect(new Set(open)).toEqual(model.sessions);
  expect(machine.sessions.count).toBe(model.sessions.size);
  for (const id of model.sessions) {
    const paths = model.ephemeralsOf(id);
    expect(machine.ephemeralsOf(id)).toEqual(paths);
    ephemeralCount += paths.length;
    const own = machine.read(ZnodeOp.getEphemerals, "/", readBy(id));
    expect(own.ok ? decodePaths(own.content) : own.code).toEqual(paths);
  }
  expect(machine.ephemeralCount).toBe(ephemeralCount);
}

/** A machine and the model beside it, asked the same. */
class Pair {
  readonly driver = new Driver();
  readonly model = new Model();
  #count = 0;

  /** Prepares the request, judged alike by both. */
  ask(ask: Ask): Verdict {
    const prepared = prepareAsk(this.driver, ask);
    const txnid = (1n << 32n) + BigInt(this.#count + 1);
    const verdict = this.model.run(ask, txnid, T0_MS + this.#count);
    expect(prepared.ok ? null : prepared.code).toBe(verdict.refusal);
    if (prepared.ok) this.#count += 1;
    else if (ask.kind === "multi") expect(prepared.at).toBe(verdict.at);
    return verdict;
  }
}

/** All rows of a full image, in an order of their own. */
function stateText(machine: ZnodeMachine): string {
  const rows = rowsOf(machine.beginChanges({ full: true }));
  const texts = rows.map(({ key, value }) => `${key.join()}=${value?.join() ?? "none"}`);
  return texts.sort().join("\n");
}

/** What the lists must lead to for these tests to say anything. */
const REACHED = [
  "create done",
  "create ERR_ZNODE_NO_NODE",
  "create ERR_ZNODE_NODE_EXISTS",
  "create ERR_ZNODE_NO_AUTH",
  "create ERR_ZNODE_INVALID_ACL",
  "create ERR_ZNODE_NO_CHILDREN_FOR_EPHEMERALS",
  "create ERR_ZNODE_QUOTA_EXCEEDED",
  "create ERR_SESSION_EXPIRED",
  "set done",
  "set ERR_ZNODE_BAD_VERSION",
  "set ERR_ZNODE_QUOTA_EXCEEDED",
  "delete done",
  "delete ERR_ZNODE_NOT_EMPTY",
  "delete ERR_ZNODE_NO_AUTH",
  "setAcl done",
  "setAcl ERR_ZNODE_INVALID_ACL",
  "multi done",
  "multi ERR_ZNODE_NO_NODE",
  "multi ERR_ZNODE_BAD_VERSION",
  "open ERR_SESSION_EXISTS",
  "close done",
  "close ERR_SESSION_EXPIRED",
  "expire done",
  "expire ERR_ZNODE_BAD_VERSION",
];

/** 400 runs of up to 80 requests each: seconds of CPU time, of a machine that others use, too. */
const MANY_RUNS_MS = 120_000;

describe("against the model", () => {
  test(
    "the same requests are refused, and states and events are equal",
    () => {
      fc.assert(
        fc.property(askLists(80), (asks) => {
          const pair = new Pair();
          const told = new Told();
          pair.driver.machine.attach(told);
          for (const ask of asks) {
            const { events } = pair.ask(ask);
            pair.driver.applyAll();
            expect(told.take()).toEqual(events);
          }
          expectEqual(pair.driver.machine, pair.model);
        }),
        { numRuns: 400 },
      );
    },
    MANY_RUNS_MS,
  );

  test("such requests lead to all that these tests are about", () => {
    const reached = new Set<string>();
    // Always the same ones: what is rare must not be missed by chance.
    for (const asks of fc.sample(askLists(80), { numRuns: 400, seed: 1 })) {
      const model = new Model();
      let count = 0;
      for (const ask of asks) {
        const { refusal } = model.run(ask, (1n << 32n) + BigInt(count + 1), T0_MS + count);
        if (refusal === null) count += 1;
        reached.add(`${ask.kind} ${refusal ?? "done"}`);
      }
    }
    expect(REACHED.filter((kind) => !reached.has(kind))).toEqual([]);
  });

  test("pipelined requests are judged as if all earlier ones were applied", () => {
    fc.assert(
      // Between two requests, any number of prepared ones may be applied.
      fc.property(askLists(60), fc.infiniteStream(fc.nat({ max: 2 })), (asks, applies) => {
        const pair = new Pair();
        const { driver, model } = pair;
        for (const ask of asks) {
          pair.ask(ask);
          const { value } = applies.next() as { value: number };
          for (let i = 0; i < value && driver.prepared.length > 0; i += 1) driver.applyNext();
        }
        driver.applyAll();
        expectEqual(driver.machine, model);
        expect(driver.machine.preparedCount).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  test("what is discarded leaves no trace in later judgements", () => {
    fc.assert(
      fc.property(askLists(30), askLists(30), askLists(30), (before, discarded, after) => {
        const disturbed = new Driver();
        const plain = new Driver();
        for (const ask of before) {
          runAsk(disturbed, ask);
          runAsk(plain, ask);
        }
        for (const ask of discarded) prepareAsk(disturbed, ask);
        disturbed.discard();
        expect(disturbed.machine.preparedCount).toBe(0);
        for (const ask of after) expect(runAsk(disturbed, ask)).toEqual(runAsk(plain, ask));
        expect(disturbed.machine.digest()).toBe(plain.machine.digest());
      }),
    );
  });
});

describe("replicas", () => {
  test("Invariant 7: entries give equal answers and digests, asked at whatever points", () => {
    const lists = fc.tuple(askLists(60), fc.infiniteStream(fc.boolean()));
    fc.assert(
      fc.property(lists, ([asks, isAsked]) => {
        const leader = new Driver();
        const follower = new ZnodeMachine();
        for (const ask of asks) {
          const answer = runAsk(leader, ask);
          const entry = leader.applied.at(-1);
          if (typeof answer === "string" || entry === undefined) continue;
          // The block that the content lies in is reused: what is kept must be a copy.
          const block = entry.content.slice();
          expect(follower.apply({ ...entry, content: block })).toEqual(answer);
          block.fill(0xee);
          const { value } = isAsked.next() as { value: boolean };
          if (value) expect(leader.machine.digest()).toBe(follower.digest());
        }
        expect(leader.machine.digest()).toBe(follower.digest());
      }),
    );
  });

  test("an entry applied twice in a row changes nothing", () => {
    fc.assert(
      fc.property(askLists(40), (asks) => {
        const leader = new Driver();
        for (const ask of asks) runAsk(leader, ask);
        const follower = new ZnodeMachine();
        for (const entry of leader.applied)
          expect(follower.apply(entry)).toEqual(follower.apply(entry));
        expect(follower.digest()).toBe(leader.machine.digest());
      }),
    );
  });

  test("states with different content have different digests", () => {
    fc.assert(
      fc.property(askLists(40), (asks) => {
        const driver = new Driver();
        const digests = new Map<bigint, string>();
        for (const ask of asks) {
          runAsk(driver, ask);
          const text = stateText(driver.machine);
          const digest = driver.machine.digest();
          expect(digests.get(digest) ?? text).toBe(text);
          digests.set(digest, text);
        }
      }),
      { numRuns: 30 },
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
    const op = fc.oneof(fc.integer({ min: 1, max: 31 }), fc.integer());
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
