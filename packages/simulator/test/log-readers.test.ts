import {
  makeTxnid,
  OpCode,
  toEpoch,
  type CommittedEvent,
  type CommittedOperation,
  type Txnid,
} from "@quorate/protocol";
import { describe, expect, it } from "vitest";
import { markItem, markOf, type AclItem } from "../src/checkers/service/acl-rules.js";
import { FeedWitness } from "../src/checkers/service/feed-witness.js";
import { ServiceModel } from "../src/checkers/service/service-model.js";
import { SessionWitness } from "../src/checkers/service/session-witness.js";
import { Violations } from "../src/checkers/violations.js";

const READ = 1;
const ADMIN = 16;
const ALL = 31;
const ME = "10.0.0.1";
const encoder = new TextEncoder();

const at = (counter: number): Txnid => makeTxnid(toEpoch(1), counter);
const ip = (perms: number, id = ME): AclItem => ({ perms, scheme: "ip", id });

/** As it stands in a transaction, laid out by hand; none: the open one. */
function bytesOf(acl: readonly AclItem[]): Uint8Array {
  const parts = acl.map(({ perms, scheme, id }) => {
    const part = new Uint8Array(7 + scheme.length + id.length);
    const view = new DataView(part.buffer);
    view.setInt32(0, perms);
    view.setUint8(4, scheme.length);
    part.set(encoder.encode(scheme), 5);
    view.setUint16(5 + scheme.length, id.length);
    part.set(encoder.encode(id), 7 + scheme.length);
    return [...part];
  });
  return new Uint8Array(parts.flat());
}

/** What the one sequence of transactions does, and who looks at it. */
class History {
  readonly violations = new Violations(
    () => 0,
    () => undefined,
  );
  readonly model = new ServiceModel(this.violations, () => 0);
  readonly witness = new SessionWitness("client", {
    model: this.model,
    violations: this.violations,
    acknowledged: { newest: 0n, acls: new Set() },
    identities: new Set([`ip:${ME}`]),
  });
  withheld = 0;
  #counter = 0;

  get fell(): string | undefined {
    return this.violations.found[0]?.checker;
  }

  create(path: string, value: string, acl: readonly AclItem[] = []): this {
    return this.#write(OpCode.add, path, value, acl);
  }

  set(path: string, value: string): this {
    return this.#write(OpCode.set, path, value, []);
  }

  remove(path: string): this {
    return this.#apply(OpCode.delete, path, new Uint8Array([1, 0, 0, 0]));
  }

  setAcl(path: string, aversion: number, acl: readonly AclItem[]): this {
    const bytes = bytesOf(acl);
    const content = new Uint8Array(8 + bytes.length);
    const view = new DataView(content.buffer);
    view.setUint32(0, (1 << 24) | bytes.length);
    view.setInt32(4, aversion);
    content.set(bytes, 8);
    return this.#apply(OpCode.setAcl, path, content);
  }

  /** What a follower with this prefix is told of all so far. */
  follows(prefix: string, events: readonly CommittedEvent[], isOwn = false): string | undefined {
    const witness = new FeedWitness("follower", {
      model: this.model,
      violations: this.violations,
      identities: isOwn ? null : new Set([`ip:${ME}`]),
      prefix,
      onWithheld: () => {
        this.withheld += 1;
      },
    });
    witness.told(0n, at(this.#counter), events);
    return this.fell;
  }

  #write(op: number, path: string, value: string, acl: readonly AclItem[]): this {
    const bytes = bytesOf(acl);
    const content = new Uint8Array(16 + bytes.length + value.length);
    new DataView(content.buffer).setUint32(0, (1 << 24) | bytes.length);
    content.set(bytes, 16);
    content.set(encoder.encode(value), 16 + bytes.length);
    return this.#apply(op, path, content);
  }

  #apply(op: number, key: string, content: Uint8Array): this {
    this.#counter += 1;
    this.model.apply({ txnid: at(this.#counter), fid: "1", reqId: 1n, op, key, content });
    return this;
  }
}

function event(counter: number, ...operations: CommittedOperation[]): CommittedEvent {
  return { txnid: at(counter), operations };
}

const created = (path: string, text: string): CommittedOperation => {
  return { kind: "create", path, data: encoder.encode(text), timeMs: 0 };
};

describe("Invariant 7: who follows the log", () => {
  const history = (): History =>
    new History()
      .create("/q", "a")
      .create("/q/s", "b", [ip(ALL, "10.0.0.2")])
      .set("/q", "c")
      .setAcl("/q/s", 1, [ip(READ)])
      .remove("/q/s");
  const due = [
    event(1, created("/q", "a")),
    event(3, { kind: "set", path: "/q", data: encoder.encode("c"), version: 1, timeMs: 0 }),
    event(4, { kind: "setAcl", path: "/q/s", version: 1 }),
    event(5, { kind: "delete", path: "/q/s" }),
  ];
  const secret = event(2, created("/q/s", "b"));

  it("is told of all that it may read, as of then", () => {
    const told = history();
    expect([told.follows("", due), told.withheld]).toEqual([undefined, 1]);
  });

  it("is told of nothing that it may not read; the node's own program is", () => {
    const all = [...due, secret].sort((a, b) => (a.txnid < b.txnid ? -1 : 1));
    expect(history().follows("", all)).toBe("aclIsObeyed");
    expect(history().follows("", all, true)).toBeUndefined();
  });

  it("misses nothing, hears nothing twice, and hears it as it was done", () => {
    for (let i = 0; i < due.length; i += 1) {
      expect(history().follows("", due.toSpliced(i, 1))).toBe("feedIsTheLog");
      const twice = due.toSpliced(i, 0, ...due.slice(i, i + 1));
      expect(history().follows("", twice)).toBe("feedIsTheLog");
    }
    const other = due.with(0, event(1, created("/q", "x")));
    expect(history().follows("", other)).toBe("feedIsTheLog");
    const version = due.with(2, event(4, { kind: "setAcl", path: "/q/s", version: 2 }));
    expect(history().follows("", version)).toBe("feedIsTheLog");
  });

  it("hears of its own prefix alone, in whole components", () => {
    const below = due.filter(({ operations }) => operations[0]?.path === "/q/s");
    expect(history().create("/q/sibling", "d").follows("/q/s", below)).toBeUndefined();
    expect(history().follows("/q/s", due)).toBe("feedIsTheLog");
  });
});

describe("a setAcl", () => {
  const acl = [ip(ALL)];
  /** Created at 1, its ACL set at 2 and at 3. */
  const history = (): History =>
    new History().create("/q", "a", acl).setAcl("/q", 1, acl).setAcl("/q", 2, acl);
  const stat = (aversion: number) => ({ czxid: at(1), aversion });

  it("was done where its answer says, once, by who may administer the node", () => {
    const told = history();
    const deed = { path: "/q", acl: acl, condition: 1, stat: stat(2) };
    told.witness.aclSet(deed, at(3));
    expect(told.fell).toBeUndefined();
    told.witness.aclSet(deed, at(3));
    expect(told.fell).toBe("exactlyOnce");
  });

  it.each([
    ["another ACL than was asked for", { acl: [ip(READ)] }, "writeIsWhole"],
    ["a version that it never had", { stat: stat(3) }, "writeIsWhole"],
    ["another node of that path", { stat: { czxid: at(2), aversion: 2 } }, "writeIsWhole"],
    ["another version than it had to be of", { condition: 0 }, "conditionIsMet"],
  ])("is not answered by %s", (_title, more, checker) => {
    const told = history();
    const deed = { path: "/q", acl: acl, condition: -1, stat: stat(2), ...more };
    told.witness.aclSet(deed, at(3));
    expect(told.fell).toBe(checker);
  });

  it("is not answered before it is done, nor to who may not administer the node", () => {
    const early = history();
    const deed = { path: "/q", acl: acl, condition: -1, stat: stat(2) };
    early.witness.aclSet(deed, at(2));
    expect(early.fell).toBe("writeIsWhole");
    const mine = new History().create("/q", "a", [ip(ALL - ADMIN)]).setAcl("/q", 1, acl);
    mine.witness.aclSet({ ...deed, stat: stat(1) }, at(2));
    expect(mine.fell).toBe("aclIsObeyed");
  });

  it("may be refused when its ACL was of another version meanwhile", () => {
    const told = history();
    told.witness.refusedByAclVersion("/q", 1, at(1), at(3));
    expect(told.fell).toBeUndefined();
    told.witness.refusedByAclVersion("/q", 2, at(3), at(3));
    expect(told.fell).toBe("conditionIsMet");
  });

  it("goes to the next version, and is never done when it was refused", () => {
    expect(new History().create("/q", "a").setAcl("/q", 2, acl).fell).toBe("totalOrder");
    const refused = new History().create("/q", "a");
    refused.witness.refused([{ kind: "setAcl", path: "/q", value: "s1.1.1", owner: 0n }]);
    expect(refused.setAcl("/q", 1, [...acl, markItem("s1.1.1")]).fell).toBe("refusedIsNotDone");
  });

  it("bears a mark that says whose it is", () => {
    expect(markOf([...acl, markItem("s2.3.4")])).toBe("s2.3.4");
    expect([markOf(null), markOf(acl)]).toEqual(["", ""]);
  });
});

describe("a getAcl", () => {
  const secret: AclItem = { perms: ALL, scheme: "digest", id: "alice:secret" };
  const masked = { ...secret, id: "alice:x" };

  it("shows the ACL of that transaction, without secrets to who may not administer", () => {
    const read = (perms: number, acl: readonly AclItem[]): string | undefined => {
      const history = new History().create("/q", "a", [secret, ip(perms)]);
      history.witness.read("/q", at(1), { acl: acl }, null, READ | ADMIN);
      return history.fell;
    };
    expect(read(READ, [masked, ip(READ)])).toBeUndefined();
    expect(read(READ, [secret, ip(READ)])).toBe("readIsTheState");
    expect(read(ADMIN, [secret, ip(ADMIN)])).toBeUndefined();
    expect(read(ADMIN, [masked, ip(ADMIN)])).toBe("readIsTheState");
    expect(read(ALL - READ - ADMIN, [masked, ip(ALL - READ - ADMIN)])).toBe("aclIsObeyed");
  });

  it("is not behind a setAcl that its client saw", () => {
    const open = { perms: ALL, scheme: "world", id: "anyone" };
    const history = new History().create("/q", "a", [ip(ALL)]).setAcl("/q", 1, []);
    history.witness.read("/q", at(2), { acl: [open] }, null, READ | ADMIN);
    expect(history.fell).toBeUndefined();
    history.witness.read("/q", at(2), { acl: [ip(ALL)] }, null, READ | ADMIN);
    expect(history.fell).toBe("readIsTheState");
  });
});
