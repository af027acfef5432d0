import { makeTxnid, toNodeId, type SessionInfo, type StateListener } from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import {
  CONTAINER_OWNER,
  CreateMode,
  decodeCount,
  decodePaths,
  decodeResumeSession,
  encodeCloseSession,
  encodeCreate,
  encodeResumeSession,
  ttlOwner,
  ZnodeMachine,
  ZnodeOp,
} from "../src/index.js";
import { Asking, ONE, TWO } from "./asking.js";
import { bytes, rowsOf } from "./harness.js";

const ephemeral = { mode: CreateMode.ephemeral };
const PASSWORD = new Uint8Array(16).fill(7);
const resume = (id: bigint, password = PASSWORD, timeoutMs = 0): Uint8Array =>
  encodeResumeSession({ id, timeoutMs, password });

/** What a listener is told, a line each. */
function told(asking: Asking): string[] {
  const lines: string[] = [];
  const listener: StateListener = {
    onNodeChange: (kind, path, txnid) => lines.push(`${kind} ${path} ${txnid & 0xffn}`),
    onSessionCreated: ({ id }: SessionInfo) => lines.push(`opened ${id & 0xffn}`),
    onSessionMoved: ({ id, owner, timeoutMs }) =>
      lines.push(`moved ${id & 0xffn} to ${owner}, ${timeoutMs} ms`),
    onSessionClosed: (id) => lines.push(`closed ${id & 0xffn}`),
  };
  asking.machine.attach(listener);
  return lines;
}

describe("a session", () => {
  test("is there once applied, with its timeout and password, and once only", () => {
    const asking = new Asking();
    expect(asking.open(ONE, 6000)).toHaveLength(0);
    const { sessions } = asking.machine;
    const password = new Uint8Array(16).fill(7);
    expect(sessions.get(ONE)).toMatchObject({ id: ONE, timeoutMs: 6000, password });
    expect(asking.open(ONE)).toBe("ERR_SESSION_EXISTS");
    expect([sessions.count, sessions.get(TWO)]).toEqual([1, undefined]);
  });

  test("has an id that reads as no other owner, and a timeout", () => {
    const asking = new Asking();
    for (const id of [0n, CONTAINER_OWNER, ttlOwner(5)]) {
      expect(asking.open(id)).toBe("ERR_ZNODE_BAD_ARGUMENTS");
    }
    expect(asking.open(ONE, 0)).toBe("ERR_ZNODE_BAD_ARGUMENTS");
    expect(asking.run(ZnodeOp.createSession, "", bytes("short"))).toBe("ERR_ZNODE_BAD_ARGUMENTS");
    expect(asking.run(ZnodeOp.closeSession, "", bytes("short"))).toBe("ERR_ZNODE_BAD_ARGUMENTS");
  });

  test("that is being closed asks for nothing more", () => {
    const asking = new Asking();
    asking.open(ONE);
    asking.as(ONE).create("/e", ephemeral);
    const { sessions } = asking.machine;
    const at = toNodeId(1);
    expect(sessions.isSettledAt(ONE, at, 0)).toBe(true);
    expect(asking.prepare(ZnodeOp.closeSession, "", encodeCloseSession(ONE)).ok).toBe(true);
    expect(sessions.isSettledAt(ONE, at, 0)).toBe(false);
    const refused = { code: "ERR_SESSION_EXPIRED" };
    const create = encodeCreate({ data: bytes("") });
    expect(asking.prepare(ZnodeOp.create, "/x", create)).toMatchObject(refused);
    expect(asking.prepare(ZnodeOp.closeSession, "", encodeCloseSession(ONE))).toMatchObject(
      refused,
    );
    // It is still there to be read, with what it owns.
    expect(asking.machine.ephemeralsOf(ONE)).toEqual(["/e"]);
    asking.applyAll();
    expect([sessions.isSettledAt(ONE, at, 0), sessions.count]).toEqual([false, 0]);
    expect(asking.set("/")).toBe("ERR_SESSION_EXPIRED");
    expect(asking.remove("/x")).toBe("ERR_SESSION_EXPIRED");
    expect(asking.setAcl("/", [])).toBe("ERR_SESSION_EXPIRED");
    expect(asking.multi({ kind: "check", path: "/" })).toBe("ERR_SESSION_EXPIRED");
  });

  test("takes its ephemerals with it, in the order of their paths, those prepared included", () => {
    const asking = new Asking();
    asking.create("/p");
    asking.open(ONE);
    asking.open(TWO);
    asking.as(ONE);
    for (const name of ["b", "c", "a"]) asking.create(`/p/${name}`, ephemeral);
    asking.as(TWO).create("/p/mine", ephemeral);
    asking.as(ONE);
    const lines = told(asking);
    const create = encodeCreate({ data: bytes(""), ...ephemeral });
    asking.prepare(ZnodeOp.create, "/p/aa", create);
    asking.prepare(ZnodeOp.delete, "/p/c", new Uint8Array(4).fill(0xff));
    asking.prepare(ZnodeOp.closeSession, "", encodeCloseSession(ONE));
    // Judged by what will be: the parent still has the other session's child.
    asking.applyAll();
    expect(lines.slice(4)).toEqual([
      "deleted /p/a 10",
      "childrenChanged /p 10",
      "deleted /p/aa 10",
      "childrenChanged /p 10",
      "deleted /p/b 10",
      "childrenChanged /p 10",
      "closed 1",
    ]);
    expect(asking.stat("/p")).toMatchObject({ numChildren: 1, cversion: 9 });
  });

  test("survives in a checkpoint with its ephemerals, whichever rows come first", () => {
    const asking = new Asking();
    asking.open(ONE);
    asking.as(ONE).create("/e", ephemeral);
    const rows = rowsOf(asking.machine.beginChanges({ full: true }));
    for (const order of [rows, [...rows].reverse()]) {
      const copy = new Asking(new ZnodeMachine());
      copy.machine.restore(order);
      expect(copy.machine.digest()).toBe(asking.machine.digest());
      expect(copy.machine.ephemeralsOf(ONE)).toEqual(["/e"]);
      expect(copy.machine.sessions.get(ONE)?.timeoutMs).toBe(4000);
      expect(copy.close(ONE)).toHaveLength(0);
      expect(copy.machine.nodeCount).toBe(4);
    }
    const orphaned = new ZnodeMachine();
    orphaned.restore(rows.filter(({ key }) => key[0] !== 1));
    expect(() => orphaned.digest()).toThrow(/invariant/);
  });

  test("leaves a tombstone in the image of changes behind the one that held it", () => {
    const asking = new Asking();
    asking.open(ONE);
    rowsOf(asking.machine.beginChanges({ full: true }));
    asking.open(TWO);
    asking.close(TWO);
    asking.close(ONE);
    const rows = rowsOf(asking.machine.beginChanges({ full: false }));
    expect(rows.map(({ key, value }) => [key[0], value])).toEqual([[1, null]]);
  });

  test("is resumed by a request that the node reads by itself", () => {
    const request = { id: TWO, timeoutMs: 5000, password: new Uint8Array(16).fill(9) };
    expect(decodeResumeSession(encodeResumeSession(request))).toEqual(request);
    expect(decodeResumeSession(new Uint8Array(27))).toBeNull();
  });
});

describe("a listener", () => {
  test("hears nothing of what is refused, restored or told to nobody", () => {
    const asking = new Asking();
    asking.create("/a");
    const lines = told(asking);
    asking.create("/a");
    asking.machine.restore([]);
    expect(lines).toEqual([]);
    asking.set("/a");
    asking.setAcl("/a", [{ perms: 1, scheme: "world", id: "anyone" }]);
    expect(lines).toEqual(["dataChanged /a 2"]);
    asking.machine.attach(null);
    asking.remove("/a");
    expect(lines).toHaveLength(1);
  });

  test("reads the state after the whole transaction", () => {
    const asking = new Asking();
    const counts: number[] = [];
    const count = (): void => void counts.push(asking.machine.nodeCount);
    const listener = { onNodeChange: count, onSessionCreated: count, onSessionClosed: count };
    asking.machine.attach(listener);
    asking.multi(
      { kind: "create", path: "/a", data: bytes("") },
      { kind: "create", path: "/a/b", data: bytes("") },
    );
    expect(counts).toEqual([6, 6, 6, 6]);
  });
});

describe("who may hear of a change", () => {
  const USER = { scheme: "digest", id: "user:hash" };
  const EVERYBODY = { perms: 31, scheme: "world", id: "anyone" };
  const hidden = [
    { perms: 1, ...USER },
    { perms: 30, scheme: "world", id: "anyone" },
  ];

  /** What is told of paths below /p, and which of nobody and the user may know it. */
  function audiences(asking: Asking): string[] {
    const lines: string[] = [];
    asking.machine.attach({
      onNodeChange: (kind, path, _txnid, mayRead) => {
        const one = (...who: (typeof USER)[]): string => String(mayRead?.(who) ?? "all");
        if (path !== "/") lines.push(`${kind} ${path} ${one()} ${one(USER)}`);
      },
      onSessionCreated: () => undefined,
      onSessionClosed: () => undefined,
    });
    return lines;
  }

  test("is whoever may read the node, and of children their parent", () => {
    const asking = new Asking();
    asking.create("/p");
    asking.create("/h", { acl: hidden });
    const lines = audiences(asking);
    asking.create("/p/h", { acl: hidden });
    asking.set("/p/h");
    asking.remove("/p/h");
    asking.create("/h/o");
    asking.remove("/h/o");
    expect(lines).toEqual([
      "created /p/h false true",
      "childrenChanged /p all all",
      "dataChanged /p/h false true",
      "deleted /p/h false true",
      "childrenChanged /p all all",
      "created /h/o all all",
      "childrenChanged /h false true",
      "deleted /h/o all all",
      "childrenChanged /h false true",
    ]);
  });

  test("goes by the ACL as of the change, also within a multi and when a session ends", () => {
    const asking = new Asking();
    asking.open(ONE);
    asking.as(ONE).create("/e", { ...ephemeral, acl: hidden });
    asking.create("/p");
    const lines = audiences(asking);
    const set = { kind: "set", path: "/p", data: bytes("") } as const;
    asking.setAcl("/p", hidden);
    asking.multi(set, { kind: "set", path: "/e", data: bytes("") });
    asking.setAcl("/p", [EVERYBODY]);
    asking.multi(set, { kind: "delete", path: "/p" });
    asking.close(ONE);
    expect(lines).toEqual([
      "dataChanged /p false true",
      "dataChanged /e false true",
      "dataChanged /p all all",
      "deleted /p all all",
      "deleted /e false true",
    ]);
  });

  test("is everybody where everybody may read, however the ACL is written", () => {
    const asking = new Asking();
    const lines = audiences(asking);
    asking.create("/r", {
      acl: [
        { perms: 31, ...USER },
        { ...EVERYBODY, perms: 1 },
      ],
    });
    expect(lines).toEqual(["created /r all all"]);
  });
});

describe("reads of what there is", () => {
  test("getEphemerals: of the caller's session, below a prefix", () => {
    const asking = new Asking();
    asking.open(ONE);
    asking.as(ONE);
    for (const path of ["/b", "/ab", "/aa"]) asking.create(path, ephemeral);
    const paths = (prefix: string): unknown => {
      const answer = asking.read(ZnodeOp.getEphemerals, prefix);
      return typeof answer === "string" ? answer : decodePaths(answer);
    };
    expect(paths("/")).toEqual(["/aa", "/ab", "/b"]);
    expect(paths("")).toEqual(["/aa", "/ab", "/b"]);
    expect(paths("/a")).toEqual(["/aa", "/ab"]);
    asking.as(null);
    expect(paths("/")).toEqual([]);
  });

  test("countAllChildren: everything below, at any depth", () => {
    const asking = new Asking();
    for (const path of ["/a", "/a/b", "/a/b/c", "/ab"]) asking.create(path);
    const count = (path: string): unknown => {
      const answer = asking.read(ZnodeOp.countAllChildren, path);
      return typeof answer === "string" ? answer : decodeCount(answer);
    };
    expect([count("/a"), count("/ab"), count("/")]).toEqual([2, 0, 7]);
    expect(count("/none")).toBe("ERR_ZNODE_NO_NODE");
  });
});

describe("a session that moves", () => {
  const moved = "ERR_SESSION_MOVED";

  test("may write through its new node only, from the moment at which that is prepared", () => {
    const asking = new Asking();
    asking.open(ONE);
    const lines = told(asking);
    asking.as(ONE).create("/a");
    asking.from(2);
    expect(asking.create("/b")).toBe(moved);
    expect(asking.prepare(ZnodeOp.resumeSession, "", resume(ONE)).ok).toBe(true);
    // Nothing of it is applied yet.
    expect(asking.machine.sessions.get(ONE)?.owner).toBe(1);
    asking.from(1);
    for (const refused of [
      asking.create("/b"),
      asking.set("/a"),
      asking.remove("/a"),
      asking.setAcl("/a", []),
      asking.multi({ kind: "check", path: "/" }),
      asking.close(ONE),
    ]) {
      expect(refused).toBe(moved);
    }
    asking.from(2);
    expect(asking.create("/c", ephemeral)).not.toBe(moved);
    expect(asking.machine.sessions.get(ONE)).toMatchObject({ owner: 2, ephemeralCount: 1 });
    expect(lines.filter((line) => line.startsWith("moved"))).toEqual(["moved 1 to 2, 4000 ms"]);
    // What changes its ephemerals changes not where it is.
    asking.prepare(ZnodeOp.create, "/d", encodeCreate({ data: bytes(""), ...ephemeral }));
    expect(asking.from(1).create("/e")).toBe(moved);
    expect(asking.from(2).close(ONE)).toHaveLength(0);
  });

  test("and back is settled once all that is prepared is applied", () => {
    const asking = new Asking();
    asking.open(ONE);
    const { sessions } = asking.machine;
    const settledAt = (): number[] =>
      [1, 2].filter((node) => sessions.isSettledAt(ONE, toNodeId(node), 0));
    expect(settledAt()).toEqual([1]);
    asking.from(2).prepare(ZnodeOp.resumeSession, "", resume(ONE));
    asking.from(1).prepare(ZnodeOp.resumeSession, "", resume(ONE));
    expect(settledAt()).toEqual([]);
    asking.applyNext();
    expect(settledAt()).toEqual([]);
    asking.applyNext();
    expect(settledAt()).toEqual([1]);
  });

  test("is told its timeout, and gives its password for it", () => {
    const asking = new Asking();
    asking.open(ONE, 6000);
    const run = (content: Uint8Array) => asking.from(2).run(ZnodeOp.resumeSession, "", content);
    const answer = run(resume(ONE));
    expect(answer).toEqual(new Uint8Array([0, 0, 6000 >> 8, 6000 & 0xff]));
    for (const at of [0, 15]) {
      const wrong = new Uint8Array(16).fill(7);
      wrong[at] = 8;
      expect(run(resume(ONE, wrong))).toBe("ERR_SESSION_EXPIRED");
    }
    expect(run(resume(TWO, new Uint8Array(16)))).toBe("ERR_SESSION_EXPIRED");
    expect(run(bytes("short"))).toBe("ERR_ZNODE_BAD_ARGUMENTS");
    asking.prepare(ZnodeOp.closeSession, "", encodeCloseSession(ONE));
    expect(run(resume(ONE))).toBe("ERR_SESSION_EXPIRED");
    expect(asking.from(1).run(ZnodeOp.moveSession, "", resume(ONE))).toBe(
      "ERR_ZNODE_UNIMPLEMENTED",
    );
  });

  test("has the timeout that it is taken up with, in the digest and in checkpoints, too", () => {
    const asking = new Asking();
    asking.open(ONE);
    const lines = told(asking);
    const before = asking.machine.digest();
    const { sessions } = asking.machine;
    const settled = (timeoutMs: number): boolean =>
      sessions.isSettledAt(ONE, toNodeId(1), timeoutMs);
    expect([settled(0), settled(4000), settled(9000)]).toEqual([true, true, false]);
    const answer = asking.from(1).run(ZnodeOp.resumeSession, "", resume(ONE, PASSWORD, 9000));
    expect(answer).toEqual(new Uint8Array([0, 0, 9000 >> 8, 9000 & 0xff]));
    expect(sessions.get(ONE)).toMatchObject({ timeoutMs: 9000, owner: 1 });
    expect([settled(0), settled(4000), settled(9000)]).toEqual([true, false, true]);
    expect(lines).toEqual(["moved 1 to 1, 9000 ms"]);
    const after = asking.machine.digest();
    expect(after).not.toBe(before);
    const copy = new ZnodeMachine();
    copy.restore(rowsOf(asking.machine.beginChanges({ full: true })));
    expect([copy.digest(), copy.sessions.get(ONE)?.timeoutMs]).toEqual([after, 9000]);
    expect(asking.run(ZnodeOp.resumeSession, "", resume(ONE, PASSWORD, -1))).toBe(
      "ERR_ZNODE_BAD_ARGUMENTS",
    );
    asking.run(ZnodeOp.resumeSession, "", resume(ONE, PASSWORD, 4000));
    expect(asking.machine.digest()).toBe(before);
  });

  test("of two timeouts that are on their way has the later, and none changes nothing", () => {
    const asking = new Asking();
    asking.open(ONE);
    for (const timeoutMs of [9000, 0, 5000, 0]) {
      asking.from(2).prepare(ZnodeOp.resumeSession, "", resume(ONE, PASSWORD, timeoutMs));
    }
    const seen: unknown[] = [];
    for (let i = 0; i < 4; i += 1) {
      asking.applyNext();
      seen.push(asking.machine.sessions.get(ONE)?.timeoutMs);
    }
    expect(seen).toEqual([9000, 9000, 5000, 5000]);
  });

  test("by a transaction from before there were other timeouts keeps its own", () => {
    const asking = new Asking();
    asking.open(ONE, 6000);
    const content = new Uint8Array([1, 2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1]);
    const txnid = makeTxnid(1, 9);
    const entry = { op: ZnodeOp.moveSession, key: "", content, txnid, fid: "1", reqId: 1n };
    expect(asking.machine.apply(entry)).toEqual(new Uint8Array([0, 0, 6000 >> 8, 6000 & 0xff]));
    expect(asking.machine.sessions.get(ONE)).toMatchObject({ owner: 2, timeoutMs: 6000 });
  });

  test("has its node in the digest, and in the checkpoints that follow its move", () => {
    const asking = new Asking();
    asking.open(ONE);
    asking.open(TWO);
    const before = asking.machine.digest();
    rowsOf(asking.machine.beginChanges({ full: true }));
    asking.from(2).run(ZnodeOp.resumeSession, "", resume(ONE));
    const after = asking.machine.digest();
    expect(after).not.toBe(before);
    const rows = rowsOf(asking.machine.beginChanges({ full: false }));
    expect(rows).toHaveLength(1);
    const copy = new ZnodeMachine();
    copy.restore(rowsOf(asking.machine.beginChanges({ full: true })));
    expect([copy.digest(), copy.sessions.get(ONE)?.owner]).toEqual([after, 2]);
    asking.from(1).run(ZnodeOp.resumeSession, "", resume(ONE));
    expect(asking.machine.digest()).toBe(before);
  });

  test("was the leader's own to judge before there were owners: any node may write until it moves", () => {
    const asking = new Asking();
    asking.from(null).open(ONE);
    const [row] = rowsOf(asking.machine.beginChanges({ full: true })).filter(
      ({ key }) => key[0] === 1,
    );
    // As such rows were written.
    expect(row?.value).toEqual(new Uint8Array([1, 0, 0, 4000 >> 8, 4000 & 0xff, ...PASSWORD]));
    const copy = new Asking();
    copy.machine.restore(rowsOf(asking.machine.beginChanges({ full: true })));
    expect(copy.machine.digest()).toBe(asking.machine.digest());
    copy.as(ONE);
    for (const node of [1, 2]) expect(copy.from(node).create(`/n${node}`)).not.toBe(moved);
    copy.run(ZnodeOp.resumeSession, "", resume(ONE));
    expect(copy.from(1).create("/late")).toBe(moved);
    // The leader's own word is nobody's to refuse.
    expect(copy.from(null).close(ONE)).toHaveLength(0);
  });
});
