import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createConnection, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { errorCodeOf, TXNID_ZERO, toTxnid, type Txnid } from "@quorate/protocol";
import {
  decodeOpenedSession,
  encodeRewatch,
  encodeSessionOpening,
  encodeSubscribe,
  encodeUnwatch,
  encodeWatch,
  NATIVE_FRAME_MESSAGES_MAX,
  NATIVE_OP_AUTH,
  NATIVE_OP_REWATCH,
  NATIVE_OP_SESSION,
  NATIVE_OP_SESSION_END,
  NATIVE_OP_SUBSCRIBE,
  NATIVE_OP_UNWATCH,
  NATIVE_OP_WATCH,
  type NativeReply,
  type NativeRequest,
  type OpenedSession,
} from "@quorate/codec";
import { CreateMode, encodeCreate, encodeRead, encodeSet, ZnodeOp } from "@quorate/znode";
import { embed, type EmbeddedNode } from "../src/index.js";
import { RawClient, until } from "./support.js";

let dataDir = "";
let node: EmbeddedNode;
let url = "";
/** A host's own operation, answered when the test says so. */
const HELD = 60;
const release: (() => void)[] = [];

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "quorate-native-"));
  const held = (): Promise<Uint8Array> =>
    new Promise((resolve) => release.push(() => resolve(NOTHING)));
  node = await embed({ dataDir }, { handlers: { [HELD]: held } });
  await node.ready();
  url = `127.0.0.1:${node.requestAddress.port}`;
}, 30_000);

afterAll(async () => {
  await node.close();
  await rm(dataDir, { recursive: true, force: true });
});

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const NOTHING = encodeRead();

/** One request after the other, each with its answer. */
class Asking implements Disposable {
  #id = 0;

  private constructor(readonly raw: RawClient) {}

  static async connect(to = url): Promise<Asking> {
    return new Asking(await RawClient.connect(to));
  }

  async ask(request: Partial<NativeRequest>): Promise<NativeReply> {
    this.#id += 1;
    const id = this.#id;
    this.raw.send({ content: NOTHING, key: "", ...request, id });
    await until(() => this.raw.replies.some((one) => one.id === id));
    const reply = this.raw.replies.find((one) => one.id === id);
    if (reply === undefined) throw new Error("no reply");
    return reply;
  }

  async open(): Promise<OpenedSession> {
    const opening = { kind: "new", seen: TXNID_ZERO, timeoutMs: 10_000 } as const;
    const reply = await this.ask({ op: NATIVE_OP_SESSION, content: encodeSessionOpening(opening) });
    if (!reply.ok) throw reply.error;
    return decodeOpenedSession(reply.content);
  }

  resume(
    { id, password }: OpenedSession,
    seen: Txnid = TXNID_ZERO,
    timeoutMs: number | null = null,
  ): Promise<NativeReply> {
    const content = encodeSessionOpening({ kind: "resume", seen, id, password, timeoutMs });
    return this.ask({ op: NATIVE_OP_SESSION, content });
  }

  [Symbol.dispose](): void {
    this.raw[Symbol.dispose]();
  }
}

/** A connection of ZooKeeper's protocol that asks for this session, and what it is answered. */
async function connectZk(asked: OpenedSession): Promise<{ socket: Socket; opened: OpenedSession }> {
  const socket = createConnection(node.requestAddress.port, "127.0.0.1");
  const request = new DataView(new ArrayBuffer(48));
  // Length, version, zxid seen, timeout, id, password.
  request.setInt32(0, 44);
  request.setInt32(16, asked.timeoutMs);
  request.setBigUint64(20, asked.id);
  request.setInt32(28, asked.password.length);
  new Uint8Array(request.buffer).set(asked.password, 32);
  socket.write(new Uint8Array(request.buffer));
  const [answer] = (await once(socket, "data")) as [Buffer];
  const opened = {
    timeoutMs: answer.readInt32BE(8),
    id: answer.readBigUInt64BE(12),
    password: Uint8Array.from(answer.subarray(24, 40)),
  };
  return { socket, opened };
}

const codeOf = (reply: NativeReply): string => (reply.ok ? "ok" : reply.error.code);

describe("a frame of as many reads as it may hold", () => {
  it("is answered whole, each read once", async () => {
    using client = await RawClient.connect(url);
    const ids = Array.from({ length: NATIVE_FRAME_MESSAGES_MAX }, (_, i) => i + 1);
    client.send(...ids.map((id) => ({ id, op: ZnodeOp.exists, key: "/", content: NOTHING })));
    await until(() => client.replies.length >= ids.length);
    expect(client.replies.every(({ ok }) => ok)).toBe(true);
    expect(client.replies.map(({ id }) => id)).toEqual(ids);
  });
});

describe("sessions on the native port", () => {
  it("are asked for by their own operations, and never by those of the log", async () => {
    using client = await Asking.connect();
    for (const op of [12, 13, 14, 30, 40, 41]) {
      expect(codeOf(await client.ask({ op, content: new Uint8Array(28) }))).toBe(
        "ERR_SERVER_UNSUPPORTED",
      );
    }
  });

  it("move to the connection that takes them up, and the older one is closed", async () => {
    using first = await Asking.connect();
    const session = await first.open();
    const content = encodeCreate({ data: bytes("x"), mode: CreateMode.ephemeral });
    expect(codeOf(await first.ask({ op: ZnodeOp.create, key: "/moves", content }))).toBe("ok");
    using second = await Asking.connect();
    expect(codeOf(await second.resume(session))).toBe("ok");
    await until(() => first.raw.closeCode !== null);
    expect(codeOf(await second.ask({ op: ZnodeOp.getEphemerals, key: "/" }))).toBe("ok");
    expect(codeOf(await second.ask({ op: NATIVE_OP_SESSION_END }))).toBe("ok");
    expect(await node.client.exists("/moves")).toBeNull();
    // Whatever follows is not the session's any more, nor anybody's.
    expect(codeOf(await second.ask({ op: ZnodeOp.get, key: "/" }))).toBe("ERR_SESSION_EXPIRED");
  });

  it("leave behind the writes that wait at the older connection (Invariant 8)", async () => {
    using first = await Asking.connect();
    const session = await first.open();
    const key = "/leftBehind";
    const content = encodeCreate({ data: bytes("old") });
    expect(codeOf(await first.ask({ op: ZnodeOp.create, key, content }))).toBe("ok");
    // A write waits behind a read that waits for an operation that is not logged.
    first.raw.send(
      { id: 100, op: HELD },
      { id: 101, op: ZnodeOp.get, key, content: NOTHING },
      { id: 102, op: ZnodeOp.set, key, content: encodeSet({ data: bytes("late") }) },
      { id: 103, op: NATIVE_OP_SESSION_END, content: NOTHING },
    );
    await until(() => release.length === 1);
    using second = await Asking.connect();
    expect(codeOf(await second.resume(session))).toBe("ok");
    await until(() => first.raw.closeCode !== null);
    for (const answer of release.splice(0)) answer();
    const own = second.ask({ op: HELD });
    await until(() => release.length === 1);
    for (const answer of release.splice(0)) answer();
    expect(codeOf(await own)).toBe("ok");
    const create = encodeCreate({ data: bytes("x"), mode: CreateMode.ephemeral });
    const made = await second.ask({ op: ZnodeOp.create, key: "/mine", content: create });
    expect(codeOf(made)).toBe("ok");
    expect((await node.client.get(key)).data).toEqual(bytes("old"));
  });

  it("have the timeout that they are taken up with, within its bounds; older clients name none", async () => {
    using first = await Asking.connect();
    const session = await first.open();
    expect(session.timeoutMs).toBe(10_000);
    for (const [asked, had] of [
      [12_000, 12_000],
      [null, 12_000],
      [1, 4000],
    ] as const) {
      using next = await Asking.connect();
      const reply = await next.resume(session, TXNID_ZERO, asked);
      if (!reply.ok) throw reply.error;
      expect(decodeOpenedSession(reply.content)).toEqual({ ...session, timeoutMs: had });
    }
  });

  it("move between the two protocols of a node, and the older connection is closed", async () => {
    const none = { id: 0n, timeoutMs: 9000, password: new Uint8Array(16) };
    const { socket, opened } = await connectZk(none);
    const closed = once(socket, "close");
    using native = await Asking.connect();
    // By who does not have its password, nothing is closed.
    using thief = await Asking.connect();
    expect(codeOf(await thief.resume({ ...opened, password: none.password }))).toBe(
      "ERR_SESSION_EXPIRED",
    );
    expect(socket.destroyed).toBe(false);
    expect(codeOf(await native.resume(opened))).toBe("ok");
    await closed;
    const back = await connectZk(opened);
    expect(back.opened).toEqual(opened);
    await until(() => native.raw.closeCode !== null);
    back.socket.destroy();
  });

  it("are not to be had by a wrong password, and nothing goes on without one", async () => {
    using owner = await Asking.connect();
    const session = await owner.open();
    using thief = await Asking.connect();
    const reply = await thief.resume({ ...session, password: new Uint8Array(16) });
    expect(codeOf(reply)).toBe("ERR_SESSION_EXPIRED");
    expect(codeOf(await thief.ask({ op: ZnodeOp.create, key: "/theft" }))).toBe(
      "ERR_SESSION_EXPIRED",
    );
    expect(await node.client.exists("/theft")).toBeNull();
    expect(owner.raw.closeCode).toBeNull();
    expect(await owner.open().catch(errorCodeOf)).toBe("ERR_SESSION_EXISTS");
  });

  it("are refused by a node that has not seen what the client has", async () => {
    using client = await Asking.connect();
    const session = await client.open();
    using later = await Asking.connect();
    const future = toTxnid(0xffff_ffffn << 32n);
    expect(codeOf(await later.resume(session, future))).toBe("ERR_SERVER_NOT_READY");
  });

  it("hear that they are over, and their connection closes", async () => {
    using client = await Asking.connect();
    const session = await client.open();
    using killer = await Asking.connect();
    // The same session on another connection ends it; the first one has been reset by then.
    expect(codeOf(await killer.resume(session))).toBe("ok");
    expect(codeOf(await killer.ask({ op: NATIVE_OP_SESSION_END }))).toBe("ok");
    using late = await Asking.connect();
    expect(codeOf(await late.resume(session))).toBe("ERR_SESSION_EXPIRED");
  });

  it.each([
    [NATIVE_OP_SESSION, new Uint8Array(3), "ERR_ARG_VALUE"],
    [NATIVE_OP_SESSION_END, NOTHING, "ERR_ARG_VALUE"],
    [NATIVE_OP_AUTH, bytes("x"), "ERR_SESSION_AUTH_FAILED"],
    [NATIVE_OP_WATCH, Uint8Array.of(9), "ERR_ARG_VALUE"],
    [NATIVE_OP_WATCH, encodeWatch("data"), "ERR_ARG_PATH"],
    [NATIVE_OP_UNWATCH, encodeUnwatch("any", false), "ERR_ZNODE_NO_WATCHER"],
    [NATIVE_OP_REWATCH, new Uint8Array(9), "ERR_ARG_VALUE"],
    [NATIVE_OP_REWATCH, encodeRewatch(TXNID_ZERO, [{ kind: "data", path: "x" }]), "ERR_ARG_PATH"],
  ])("answer what makes no sense, and go on: operation %i", async (op, content, code) => {
    using client = await Asking.connect();
    expect(codeOf(await client.ask({ op, content }))).toBe(code);
    expect(codeOf(await client.ask({ op: ZnodeOp.get, key: "/" }))).toBe("ok");
  });
});

it("an operator's bounds and rules hold for native clients as for ZooKeeper's", async () => {
  const own = await mkdtemp(join(tmpdir(), "quorate-rules-"));
  const superDigest = "super:xQJmxLMiHGwaqBvst5y6rkB6HQs=";
  const strict = await embed({
    dataDir: own,
    zookeeper: {
      minSessionTimeoutMs: 500,
      maxSessionTimeoutMs: 700,
      requiredSchemes: ["digest"],
      superDigest,
    },
  });
  await strict.ready();
  using client = await Asking.connect(`127.0.0.1:${strict.requestAddress.port}`);
  expect(await client.open().catch(errorCodeOf)).toBe("ERR_SESSION_AUTH_REQUIRED");
  expect(codeOf(await client.ask({ op: ZnodeOp.get, key: "/" }))).toBe("ERR_SESSION_AUTH_REQUIRED");
  const subscribe = { op: NATIVE_OP_SUBSCRIBE, content: encodeSubscribe(null) };
  expect(codeOf(await client.ask(subscribe))).toBe("ERR_SESSION_AUTH_REQUIRED");
  const proof = { op: NATIVE_OP_AUTH, key: "digest", content: bytes("super:admin") };
  expect(codeOf(await client.ask(proof))).toBe("ok");
  expect((await client.open()).timeoutMs).toBe(700);
  // The superuser passes every ACL.
  const content = encodeCreate({
    data: bytes("x"),
    acl: [{ perms: 1, scheme: "digest", id: "nobody:x" }],
  });
  expect(codeOf(await client.ask({ op: ZnodeOp.create, key: "/closed", content }))).toBe("ok");
  expect(codeOf(await client.ask({ op: ZnodeOp.get, key: "/closed" }))).toBe("ok");
  expect(await strict.client.get("/closed").catch(errorCodeOf)).toBe("ERR_ZNODE_NO_AUTH");
  await strict.close();
  await rm(own, { recursive: true, force: true });
});

describe("watches on the native port", () => {
  it("are told before any reply that has seen the change (invariant 9)", async () => {
    await node.client.create("/before", bytes("0"));
    using client = await Asking.connect();
    await client.ask({ op: NATIVE_OP_WATCH, key: "/before", content: encodeWatch("persistent") });
    client.raw.heard.length = 0;
    const requests = Array.from({ length: 50 }, (_, i) => [
      {
        id: 1000 + 2 * i,
        op: ZnodeOp.set,
        key: "/before",
        content: encodeSet({ data: bytes("x") }),
      },
      { id: 1001 + 2 * i, op: ZnodeOp.get, key: "/before", content: NOTHING },
    ]);
    client.raw.send(...requests.flat());
    await until(() => client.raw.heard.length === 150);
    let told = 0;
    for (const message of client.raw.heard) {
      if ("change" in message) {
        told += 1;
      } else if (message.ok) {
        // Both answers begin with a Stat, which has the version behind five numbers of 64 bits.
        const { content } = message;
        const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
        expect(view.getInt32(40)).toBeLessThanOrEqual(told);
      }
    }
    expect(told).toBe(50);
  });

  it("say what was missed since the client last heard, and are armed again", async () => {
    await node.client.create("/miss");
    const { stat } = await node.client.set("/miss", bytes("1"));
    using client = await Asking.connect();
    const rewatch = (seen: Txnid): Promise<NativeReply> =>
      client.ask({
        op: NATIVE_OP_REWATCH,
        content: encodeRewatch(seen, [
          { kind: "data", path: "/miss" },
          { kind: "exist", path: "/miss" },
          { kind: "child", path: "/nobody" },
        ]),
      });
    expect(codeOf(await rewatch(stat.mzxid))).toBe("ok");
    expect(client.raw.changes.map(({ change, path }) => `${change} ${path}`)).toEqual([
      "created /miss",
      "deleted /nobody",
    ]);
    await node.client.set("/miss", bytes("2"));
    await until(() => client.raw.changes.length === 3);
    expect(client.raw.changes[2]).toMatchObject({ change: "dataChanged", path: "/miss" });
    // It was one-shot, and has fired.
    const look = { op: NATIVE_OP_UNWATCH, key: "/miss", content: encodeUnwatch("data", true) };
    expect(codeOf(await client.ask(look))).toBe("ERR_ZNODE_NO_WATCHER");
    expect(codeOf(await rewatch(stat.mzxid))).toBe("ok");
    expect(client.raw.changes.slice(3).map(({ change }) => change)).toContain("dataChanged");
  });
});

describe("a session of this very process", () => {
  it("owns ephemerals, watches and ends in order", async () => {
    const session = await node.session({ timeoutMs: 5000 });
    await session.create("/local", undefined, { mode: "ephemeral" });
    const events = session.watch("/local");
    await session.set("/local", bytes("1"));
    expect((await events.next()).value).toMatchObject({ kind: "dataChanged", path: "/local" });
    expect(await session.getEphemerals()).toEqual(["/local"]);
    await session.close();
    expect(session.state).toBe("closed");
    expect(await node.client.exists("/local")).toBeNull();
    expect((await events.next()).value).toMatchObject({ kind: "deleted" });
    expect(await events.next().catch(errorCodeOf)).toBe("ERR_CLIENT_CLOSED");
    expect(await session.get("/").catch(errorCodeOf)).toBe("ERR_CLIENT_CLOSED");
  });

  it("proves who it is, as any client", async () => {
    await using session = await node.session();
    await session.addAuth("digest", "bob:pw");
    await session.create("/bobs", bytes("1"), { acl: [{ perms: 31, scheme: "auth", id: "" }] });
    expect(await node.client.get("/bobs").catch(errorCodeOf)).toBe("ERR_ZNODE_NO_AUTH");
    expect(await session.addAuth("x", "y").catch(errorCodeOf)).toBe("ERR_SESSION_AUTH_FAILED");
  });
});
