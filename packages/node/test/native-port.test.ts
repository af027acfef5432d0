import { connect } from "node:net";
import { once } from "node:events";
import { Packr } from "msgpackr";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { encodeCaller, errorCodeOf, formatTxnid, OpCode } from "@quorate/protocol";
import { NATIVE_FRAME_BYTES_MAX, NATIVE_OP_PING, NATIVE_SUBPROTOCOL } from "@quorate/codec";
import { OUTSTANDING_MAX, OUTSTANDING_READS_MAX } from "../src/native/limits.js";
import { openNativePort } from "../src/native/native-port.js";
import {
  FakeOp,
  noVitals,
  openTestPort,
  RawClient,
  serverOf,
  testConfig,
  until,
} from "./support.js";

/** Round trips of a neighbour in which nothing more of a flood is taken on: it is held back. */
const STILL_ROUNDS = 500;
const KIB_256 = 256 * 1024;

describe("the native port", () => {
  it("answers pipelined requests, many to a frame, by their ids", async () => {
    await using setup = await openTestPort();
    using client = await RawClient.connect(setup.url);
    client.send(
      { id: 5, op: FakeOp.write },
      { id: 6, op: FakeOp.refuse, key: "/x" },
      { id: 7, op: NATIVE_OP_PING },
      { id: 8, op: FakeOp.write },
    );
    await until(() => client.replies.length === 4);
    const byId = new Map(client.replies.map((reply) => [reply.id, reply]));
    expect(byId.get(5)).toMatchObject({ ok: true });
    expect(byId.get(6)).toMatchObject({ ok: false, error: { code: "ERR_ZNODE_NODE_EXISTS" } });
    expect(byId.get(7)).toMatchObject({ ok: true });
    const last = byId.get(8);
    expect(last?.ok === true && formatTxnid(last.txnid)).toBe("e7:2");
    expect(client.frames).toBe(1);
  });

  it("passes on how a read wants to be answered", async () => {
    await using setup = await openTestPort();
    using client = await RawClient.connect(setup.url);
    client.send({ id: 1, op: FakeOp.read, key: "/l", linearizable: true });
    client.send({ id: 2, op: FakeOp.read, key: "/n" });
    await until(() => client.replies.length === 2);
    expect(setup.server.reads).toEqual([
      { key: "/l", linearizable: true },
      { key: "/n", linearizable: false },
    ]);
  });

  it("says who asks before what is asked of the tree, and of nothing else", async () => {
    await using setup = await openTestPort();
    using client = await RawClient.connect(setup.url);
    client.send({ id: 1, op: FakeOp.read, key: "/l", content: new Uint8Array([1, 2]) });
    client.send({ id: 2, op: OpCode.broadcast, key: "/b", content: new Uint8Array([3]) });
    await until(() => client.replies.length === 2);
    const caller = encodeCaller({
      session: null,
      identities: [{ scheme: "ip", id: "127.0.0.1" }],
    });
    const answer = client.replies.find(({ id }) => id === 1);
    expect(answer?.ok === true && new Uint8Array(answer.content)).toEqual(
      new Uint8Array([...caller, 1, 2]),
    );
    expect(setup.server.submitted).toEqual([{ op: OpCode.broadcast, key: "/b", bytes: 1 }]);
  });

  it("takes nothing on that only a node may ask for", async () => {
    await using setup = await openTestPort();
    using client = await RawClient.connect(setup.url);
    const { closeSession, createSession, deleteExpired, foundEnsemble } = OpCode;
    const { moveSession, resumeSession } = OpCode;
    const sessions = [closeSession, createSession, moveSession, resumeSession];
    const own = [...sessions, deleteExpired, foundEnsemble];
    for (const op of own) client.send({ id: op, op });
    await until(() => client.replies.length === own.length);
    for (const reply of client.replies) {
      expect(reply).toMatchObject({ ok: false, error: { code: "ERR_SERVER_UNSUPPORTED" } });
    }
    expect(setup.server.submitted).toEqual([]);
  });

  it("holds a read back until the writes before it are answered (Invariant 8)", async () => {
    await using setup = await openTestPort();
    using client = await RawClient.connect(setup.url);
    client.send(
      { id: 1, op: FakeOp.stuck },
      { id: 2, op: FakeOp.refuse },
      { id: 3, op: FakeOp.read },
    );
    await until(() => client.replies.length === 1);
    expect(client.replies[0]?.id).toBe(2);
    expect(setup.server.reads).toEqual([]);
    setup.server.release();
    await until(() => client.replies.length === 3);
    expect(client.replies.map((reply) => reply.id)).toEqual([2, 1, 3]);
  });

  it("does not let a client write the ensemble's own entries", async () => {
    await using setup = await openTestPort();
    using client = await RawClient.connect(setup.url);
    client.send({ id: 1, op: OpCode.admitVoter });
    await until(() => client.replies.length === 1);
    expect(client.replies[0]).toMatchObject({ error: { code: "ERR_SERVER_UNSUPPORTED" } });
    expect(setup.server.submitted).toEqual([]);
  });

  it("answers a bug of the server with an error of its own and logs it", async () => {
    await using setup = await openTestPort();
    using client = await RawClient.connect(setup.url);
    client.send({ id: 1, op: 99 });
    await until(() => client.replies.length === 1);
    expect(client.replies[0]).toMatchObject({ error: { code: "ERR_SERVER_INTERNAL" } });
    expect(setup.logger.lines).toContain("a request failed unexpectedly");
  });

  it("sends what is answered before it closes", async () => {
    const setup = await openTestPort();
    using client = await RawClient.connect(setup.url);
    client.send({ id: 1, op: FakeOp.stuck });
    await until(() => setup.server.stuckCount === 1);
    setup.server.release();
    await Promise.resolve();
    await setup.port.close();
    await until(() => client.closeCode !== null);
    expect([client.replies.length, client.closeCode]).toEqual([1, 1001]);
  });

  it("says clearly that its port is in use", async () => {
    await using setup = await openTestPort();
    const requestAddr = setup.url;
    const config = testConfig({
      host: { electionAddr: "0", messageAddr: "0", requestAddr },
    });
    const second = openNativePort(config, {
      server: serverOf(setup.server, setup.feed),
      vitals: noVitals,
      metrics: () => Promise.reject(new Error("nobody asks")),
      desk: setup.desk,
      isRead: () => false,
      clock: setup.clock,
      logger: setup.logger,
      meter: { count: () => undefined, observe: () => undefined, gauge: () => undefined },
    });
    const error: unknown = await second.catch((caught: unknown) => caught);
    expect(errorCodeOf(error)).toBe("ERR_SERVER_PORT_IN_USE");
    expect(String(error)).toContain(requestAddr);
  });
});

describe("a bad client of the native port", () => {
  const packr = new Packr({ useRecords: false });

  it.each([
    ["bytes that are no frame", new Uint8Array([0xc1, 1, 2, 3]), 1007],
    ["a frame of lies", new Uint8Array([0xdd, 0xff, 0xff, 0xff, 0xff]), 1007],
    ["a request without an id", packr.pack([["x", 1, "/a", new Uint8Array(), 0]]), 1007],
    ["text", "hello", 1003],
    ["an oversized frame", new Uint8Array(NATIVE_FRAME_BYTES_MAX + 1), 1009],
  ])(
    "is closed with a logged reason for %s, and no other suffers (F46)",
    async (_, bytes, code) => {
      await using setup = await openTestPort();
      using other = await RawClient.connect(setup.url);
      using client = await RawClient.connect(setup.url);
      client.socket.send(bytes);
      await until(() => client.closeCode !== null);
      expect([code, 1006]).toContain(client.closeCode);
      expect(setup.logger.lines.join()).toMatch(/^closed a client connection: /);
      other.send({ id: 1 });
      await until(() => other.replies.length === 1);
    },
  );

  it("has an unreadable request answered with its error, beside the others", async () => {
    await using setup = await openTestPort();
    using client = await RawClient.connect(setup.url);
    client.socket.send(
      packr.pack([
        [1, 1, "/a", "no bytes", 0],
        [2, 1, "/a", new Uint8Array(), 0],
      ]),
    );
    await until(() => client.replies.length === 2);
    expect(client.replies.find((reply) => reply.id === 1)).toMatchObject({
      error: { code: "ERR_PROTOCOL_DECODE" },
    });
    expect(client.replies.find((reply) => reply.id === 2)).toMatchObject({ ok: true });
    expect(client.closeCode).toBeNull();
  });

  it("that floods has no more than its bound taken on, and all answered in the end", async () => {
    await using setup = await openTestPort();
    using client = await RawClient.connect(setup.url);
    const total = 5 * OUTSTANDING_MAX;
    for (let id = 0; id < total; id += 1) client.send({ id, op: FakeOp.stuck });
    await until(() => setup.server.stuckCount === OUTSTANDING_MAX);
    using other = await RawClient.connect(setup.url);
    other.send({ id: 1 });
    await until(() => other.replies.length === 1);
    expect(setup.server.stuckCount).toBe(OUTSTANDING_MAX);
    await until(() => {
      expect(setup.server.stuckCount).toBeLessThanOrEqual(OUTSTANDING_MAX);
      setup.server.release();
      return client.replies.length >= total;
    });
    expect(new Set(client.replies.map((reply) => reply.id)).size).toBe(total);
  });

  it("is refused an answer that no frame holds, and goes on", async () => {
    await using setup = await openTestPort();
    using client = await RawClient.connect(setup.url);
    client.send({ id: 1, op: FakeOp.big, key: "/over" });
    client.send({ id: 2, op: FakeOp.big });
    await until(() => client.replies.length === 2);
    expect(client.replies).toMatchObject([
      { id: 1, ok: false, error: { code: "ERR_ARG_TOO_LARGE" } },
      { id: 2, ok: true },
    ]);
  });

  it("may read slowly and still hears every answer", async () => {
    await using setup = await openTestPort();
    using client = await RawClient.connect(setup.url);
    client.socket.pause();
    for (let id = 0; id < 100; id += 1) client.send({ id, op: FakeOp.big });
    await until(() => setup.server.reads.length > 0);
    client.socket.resume();
    await until(() => client.replies.length === 100);
  });

  it("that does not read is not read from, and closed when it takes nothing (F45)", async () => {
    await using setup = await openTestPort();
    using client = await RawClient.connect(setup.url);
    client.socket.pause();
    for (let id = 0; id < 500; id += 1) client.send({ id, op: FakeOp.big });
    const closed = (): boolean => setup.logger.lines.includes("a client does not read its replies");
    while (!closed()) {
      setup.clock.runTimers();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    // Only the first reads were taken on; the rest stayed in the client's socket.
    expect(setup.server.reads.length).toBeLessThan(2 * OUTSTANDING_READS_MAX);
    await until(() => {
      setup.clock.runTimers();
      return setup.port.connectionCount === 0;
    });
  });

  it("that floods and never reads has little taken on, and its neighbours are answered", async () => {
    await using setup = await openTestPort();
    using neighbour = await RawClient.connect(setup.url);
    using client = await RawClient.connect(setup.url);
    client.socket.pause();
    const content = new Uint8Array(KIB_256);
    const floods = 400;
    for (let id = 0; id < floods; id += 1) {
      const op = id % 2 === 0 ? FakeOp.big : FakeOp.write;
      client.send({ id, op, key: "/f", content });
    }
    const taken = (): number =>
      [...setup.server.submitted, ...setup.server.reads].filter(({ key }) => key === "/f").length;
    // One after the other, so that each waits behind whatever the flood brought meanwhile.
    let asked = 0;
    const askNeighbour = async (): Promise<void> => {
      asked += 1;
      neighbour.send({ id: asked });
      await until(() => neighbour.replies.length === asked);
    };
    let before = -1;
    for (let still = 0; still < STILL_ROUNDS; still = taken() === before ? still + 1 : 0) {
      before = taken();
      await askNeighbour();
    }
    expect(taken()).toBeGreaterThan(0);
    // Each second one is a read of 1 MiB: no more of them than may wait for their outcome.
    const limit = 2 * OUTSTANDING_READS_MAX;
    expect(taken()).toBeLessThan(limit);
    expect(limit).toBeLessThan(floods / 2);

    while (setup.port.connectionCount > 1) {
      setup.clock.runTimers();
      await askNeighbour();
    }
    expect(setup.logger.lines).toContain("a client does not read its replies");
    expect(taken()).toBeLessThan(limit);
    await askNeighbour();
    expect(neighbour.closeCode).toBeNull();
  });

  it("that is silent is pinged, kept while it answers, dropped when it does not", async () => {
    await using setup = await openTestPort();
    using alive = await RawClient.connect(setup.url);
    using dead = await RawClient.connect(setup.url, false);
    await until(() => setup.port.connectionCount === 2);
    setup.clock.runTimers();
    await until(() => alive.pings === 1 && dead.pings === 1);
    // The pong is on its way before this answer is.
    alive.send({ id: 1 });
    await until(() => alive.replies.length === 1);
    setup.clock.runTimers();
    await until(() => dead.closeCode !== null);
    expect(alive.closeCode).toBeNull();
    expect(setup.logger.lines).toContain("closed a silent client connection");
  });

  it.each([
    ["a foreign Origin", { origin: "https://evil.example" }, 403],
    ["a name that was made to resolve to it", { headers: { host: "evil.example" } }, 403],
  ])("is refused for %s", async (_, options, status) => {
    await using setup = await openTestPort();
    const socket = new WebSocket(`ws://${setup.url}`, NATIVE_SUBPROTOCOL, options);
    const [error] = (await once(socket, "error")) as [Error];
    expect(error.message).toContain(String(status));
    expect(setup.logger.lines).toContain("refused a client connection");
  });

  it("is refused for another subprotocol", async () => {
    await using setup = await openTestPort();
    const socket = new WebSocket(`ws://${setup.url}`, "chat");
    const [error] = (await once(socket, "error")) as [Error];
    expect(error.message).toContain("400");
  });

  it("is let in from an Origin that is allowed", async () => {
    await using setup = await openTestPort({ allowedOrigins: ["https://good.example"] });
    const socket = new WebSocket(`ws://${setup.url}`, NATIVE_SUBPROTOCOL, {
      origin: "https://good.example",
    });
    await once(socket, "open");
    socket.terminate();
  });

  it("that speaks no HTTP is answered 400 and closed", async () => {
    await using setup = await openTestPort();
    const socket = connect(setup.port.address.port, "127.0.0.1");
    let text = "";
    socket.on("data", (data: Buffer) => (text += data.toString()));
    socket.write("GARBAGE\u0001\u0002\r\n\r\n");
    await once(socket, "close");
    expect(text).toContain("400 Bad Request");
  });
});

describe("the native port's HTTP", () => {
  it("tells the node's status and where all nodes are", async () => {
    await using setup = await openTestPort({
      peers: [{ id: 2, electionAddr: "1", messageAddr: "2", requestAddr: "127.0.0.1:9999" }],
    });
    const response = await fetch(`http://${setup.url}/status`);
    expect(await response.json()).toEqual({
      cluster: "quorate",
      id: 1,
      role: "leader",
      leader: 1,
      epoch: 7,
      lastLogged: "e7:0",
      lastCommitted: "e7:0",
      lastApplied: "e7:0",
      digest: "0000000000000abc",
      digestAt: "e7:0",
      standing: "member",
      ready: true,
      logCommitMs: null,
      loopDelayMs: { p99: 0, max: 0 },
      waitingFor: [],
      nodes: [
        { id: 1, requestAddr: "127.0.0.1:0" },
        { id: 2, requestAddr: "127.0.0.1:9999" },
      ],
    });
  });

  it("is ready when the server is, and healthy always", async () => {
    await using setup = await openTestPort();
    const statusOf = async (path: string): Promise<number> =>
      (await fetch(`http://${setup.url}${path}`)).status;
    expect([await statusOf("/healthz"), await statusOf("/readyz")]).toEqual([200, 200]);
    setup.server.ready = false;
    expect([await statusOf("/healthz"), await statusOf("/readyz")]).toEqual([200, 503]);
    expect(await statusOf("/else")).toBe(404);
  });

  it("refuses what is not a GET, and pages of other origins", async () => {
    await using setup = await openTestPort();
    const post = await fetch(`http://${setup.url}/status`, { method: "POST", body: "x" });
    expect(post.status).toBe(405);
    const page = await fetch(`http://${setup.url}/status`, {
      headers: { origin: "https://evil.example" },
    });
    expect(page.status).toBe(403);
  });
});
