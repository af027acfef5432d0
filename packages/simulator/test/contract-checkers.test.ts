import { makeTxnid, OpCode, toEpoch, toNodeId, type Txnid } from "@quorate/protocol";
import { describe, expect, it } from "vitest";
import { PurgeChecker } from "../src/checkers/service/purge-checker.js";
import { ServiceModel } from "../src/checkers/service/service-model.js";
import { SessionWitness } from "../src/checkers/service/session-witness.js";
import { Violations } from "../src/checkers/violations.js";

const CONTAINER = 1n << 63n;
const READ = 1;
const ALL = 31;
const encoder = new TextEncoder();

const at = (counter: number): Txnid => makeTxnid(toEpoch(1), counter);
const ttl = (ms: number): bigint => (0xffn << 56n) | BigInt(ms);

/** One entry: perms, scheme `ip`, an id. */
function acl(perms: number, id: string) {
  const bytes = new Uint8Array(4 + 1 + 2 + 2 + id.length);
  new DataView(bytes.buffer).setInt32(0, perms);
  bytes[4] = 2;
  bytes.set(encoder.encode("ip"), 5);
  bytes[8] = id.length;
  bytes.set(encoder.encode(id), 9);
  return bytes;
}

/** A committed create, laid out by hand. */
function created(value: string, timeMs: number, marked = 0n, entries = new Uint8Array(0)) {
  const ownerBytes = marked === 0n ? 0 : 8;
  const data = encoder.encode(value);
  const bytes = new Uint8Array(16 + ownerBytes + entries.length + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, (1 << 24) | (ownerBytes === 0 ? 0 : 1 << 16) | entries.length);
  view.setBigUint64(8, BigInt(timeMs));
  if (ownerBytes > 0) view.setBigUint64(16, marked);
  bytes.set(entries, 16 + ownerBytes);
  bytes.set(data, 16 + ownerBytes + entries.length);
  return bytes;
}

class History {
  readonly violations = new Violations(
    () => 0,
    () => undefined,
  );
  readonly model = new ServiceModel(this.violations, () => 0);
  readonly purged: string[] = [];
  readonly purges = new PurgeChecker(this.violations, this.model, (kind) => {
    this.purged.push(kind);
  });
  withheld = 0;
  readonly witness = new SessionWitness("client", {
    model: this.model,
    violations: this.violations,
    acknowledged: { newest: 0n, acls: new Set() },
    identities: new Set(["ip:10.0.0.1"]),
    onWithheld: () => {
      this.withheld += 1;
    },
  });
  #counter = 0;

  constructor() {
    this.model.listen(this.purges);
  }

  get fell(): string | undefined {
    return this.violations.found[0]?.checker;
  }

  add(path: string, content: Uint8Array): this {
    return this.#apply(OpCode.add, path, content);
  }

  remove(path: string): this {
    return this.#apply(OpCode.delete, path, new Uint8Array([1, 0, 0, 0]));
  }

  /** The leader removes it by itself. */
  purge(path: string, wallTimeMs: number): this {
    this.purges.prepared(at(this.#counter + 1), { leader: toNodeId(1), path, wallTimeMs });
    return this.remove(path);
  }

  #apply(op: number, key: string, content: Uint8Array): this {
    this.#counter += 1;
    this.model.apply({ txnid: at(this.#counter), fid: "1", reqId: 1n, op, key, content });
    return this;
  }
}

describe("what a leader removes of itself", () => {
  it("is a container that its children have left", () => {
    const history = new History()
      .add("/q", created("a", 5, CONTAINER))
      .add("/q/a", created("b", 5));
    expect(history.model.purgeable(9)).toEqual([]);
    history.remove("/q/a");
    expect(history.model.purgeable(9)).toEqual(["/q"]);
    expect([history.purge("/q", 9).fell, history.purged]).toEqual([undefined, ["container"]]);
  });

  it.each([
    ["a container that never had a child", CONTAINER, 9],
    ["a node whose time is not over", ttl(100), 105],
    ["any other node", 0n, 1_000_000],
  ])("is not %s", (_title, marked, wallTimeMs) => {
    const history = new History().add("/q", created("a", 5, marked));
    expect(history.purge("/q", wallTimeMs).fell).toBe("purgeIsDue");
  });

  it("is a node whose time is over, by the leader's own clock", () => {
    const history = new History().add("/q", created("a", 5, ttl(100)));
    expect([history.purge("/q", 106).fell, history.purged]).toEqual([undefined, ["ttl"]]);
  });

  it("is not a node with a child, however old", () => {
    const history = new History().add("/q", created("a", 5, ttl(100))).add("/q/a", created("b", 5));
    history.purges.prepared(at(3), { leader: toNodeId(1), path: "/q", wallTimeMs: 999 });
    expect(history.remove("/q").fell).toBe("purgeIsDue");
  });
});

describe("an ACL", () => {
  it("refuses just those reads that it forbids", () => {
    const refused = "refused by its ACL" as const;
    const history = new History()
      .add("/q1", created("a", 5, 0n, acl(READ, "10.0.0.1")))
      .add("/q2", created("b", 5, 0n, acl(ALL, "10.0.0.2")));
    history.witness.read("/q1", at(2), { data: "a" }, null);
    history.witness.read("/q2", at(2), refused, null);
    expect(history.fell).toBeUndefined();
    history.witness.read("/q1", at(2), refused, null);
    expect(history.fell).toBe("aclIsObeyed");
  });

  it("is obeyed by a read that it forbids", () => {
    const history = new History().add("/q", created("a", 5, 0n, acl(ALL, "10.0.0.2")));
    history.witness.read("/q", at(1), { data: "a" }, null);
    expect(history.fell).toBe("aclIsObeyed");
  });

  it("of the parent decides about a create and a delete", () => {
    const history = new History()
      .add("/q", created("a", 5, 0n, acl(READ, "10.0.0.1")))
      .add("/q/a", created("s1.1.1", 5));
    history.witness.wrote([{ kind: "create", path: "/q/a", value: "s1.1.1", owner: 0n }], at(2));
    expect(history.fell).toBe("aclIsObeyed");
    const later = new History()
      .add("/q", created("a", 5, 0n, acl(READ, "10.0.0.1")))
      .add("/q/a", created("b", 5))
      .remove("/q/a");
    later.witness.wrote([{ kind: "delete", path: "/q/a", value: "", owner: 0n }], at(3));
    expect(later.fell).toBe("aclIsObeyed");
  });

  it("must have forbidden what was refused for its sake, at some moment meanwhile", () => {
    const deed = { kind: "set", path: "/q", value: "x", owner: 0n } as const;
    const history = new History()
      .add("/q", created("a", 5, 0n, acl(READ, "10.0.0.1")))
      .remove("/q")
      .add("/q", created("b", 5));
    history.witness.refusedByAcl(deed, at(1), at(3));
    expect(history.fell).toBeUndefined();
    history.witness.refusedByAcl(deed, at(2), at(3));
    expect(history.fell).toBe("aclIsObeyed");
  });

  it("withholds an event from who may not read, and takes the watch all the same", () => {
    const history = new History().add("/q", created("a", 5, 0n, acl(ALL, "10.0.0.2")));
    history.witness.oracle.add({ list: "data", path: "/q" }, at(1));
    history.remove("/q");
    expect(history.witness.oracle.dueBy(at(2))).toEqual([]);
    expect([history.withheld, history.witness.oracle.watches]).toEqual([1, []]);
  });
});

describe("a client that only reads", () => {
  it("may be answered as of what it says that it has seen, and not of before", () => {
    const history = new History().add("/q", created("a", 5)).remove("/q");
    history.witness.answered(at(2));
    history.witness.readsOnly(at(1));
    history.witness.answered(at(1));
    expect(history.fell).toBeUndefined();
    history.witness.answered(at(0));
    expect(history.fell).toBe("sessionGoesForward");
  });
});
