import { describe, expect, it } from "vitest";
import { errorCodeOf, type QuorateError } from "@quorate/protocol";
import { createClient } from "../src/index.js";
import { nodeSockets } from "../src/node-client.js";
import { FakeEndpoint, refusal, until } from "./fake-endpoint.js";
import { FakeNames, openClient, passUntil } from "./support.js";

const DEAD = "127.0.0.1:1";
const OP = 60;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(
    () => undefined,
    (error: unknown) => errorCodeOf(error) ?? String(error),
  );
}

const echo = (request: { content: Uint8Array }): Uint8Array => request.content;

describe("the client", () => {
  it("sends what one turn asks in one frame, and answers each call", async () => {
    await using server = await FakeEndpoint.open(echo);
    using client = openClient({ servers: [server.url] });
    await client.custom(OP, "/", bytes("first"));
    server.frames = 0;
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) => client.custom(OP, "/", bytes(String(i)))),
    );
    expect(answers.map((answer) => new TextDecoder().decode(answer))).toEqual(
      Array.from({ length: 100 }, (_, i) => String(i)),
    );
    expect(server.frames).toBe(1);
  });

  it("passes on a refusal under its code", async () => {
    await using server = await FakeEndpoint.open(() => refusal("ERR_ZNODE_NO_NODE"));
    using client = openClient({ servers: [server.url] });
    expect(await codeOf(client.get("/a"))).toBe("ERR_ZNODE_NO_NODE");
    expect(await client.exists("/a")).toBeNull();
  });

  it("refuses a bad path and too much data without asking", async () => {
    using client = openClient({ servers: [DEAD] });
    expect(await codeOf(client.get("a"))).toBe("ERR_ARG_PATH");
    expect(await codeOf(client.set("/a", new Uint8Array(2 ** 20)))).toBe("ERR_ARG_TOO_LARGE");
    expect(await codeOf(client.custom(3, "/a", bytes("")))).toBe("ERR_ARG_VALUE");
    expect(() => createClient({ servers: [] })).toThrow(/1\.\.100/);
    expect(() => createClient({ servers: ["http://x"] })).toThrow(/written like.*not "http:\/\/x"/);
  });

  it.each([Number.NaN, 0.5, 2 ** 31, Infinity, null])(
    "refuses a version that would be another one on the wire: %s",
    async (given) => {
      // As a program without types may give it.
      const version = given as number;
      await using server = await FakeEndpoint.open(echo);
      using client = openClient({ servers: [server.url] });
      expect(await codeOf(client.set("/a", bytes("x"), { version }))).toBe("ERR_ARG_VALUE");
      expect(await codeOf(client.delete("/a", { version }))).toBe("ERR_ARG_VALUE");
      expect(server.frames).toBe(0);
    },
  );

  it.each([Number.NaN, -1, 2 ** 31])("refuses to wait for %s ms", async (timeoutMs) => {
    expect(() => createClient({ servers: [DEAD], timeoutMs })).toThrow(/timeoutMs is 0 to/);
    using client = openClient({ servers: [DEAD] });
    expect(await codeOf(client.get("/a", { timeoutMs }))).toBe("ERR_ARG_VALUE");
    expect(() => client.subscribe({ timeoutMs })).toThrow(/timeoutMs is 0 to/);
  });

  it("goes on to the next server when one is down", async () => {
    await using server = await FakeEndpoint.open(echo);
    using client = openClient({ servers: [DEAD, server.url] });
    expect(await client.custom(OP, "/", bytes("x"))).toEqual(bytes("x"));
  });

  it("asks for a name's address at each attempt, and finds a server that moved", async () => {
    const names = new FakeNames();
    const absent = (): QuorateError => refusal("ERR_ZNODE_NO_NODE");
    const first = await FakeEndpoint.open(absent);
    await using moved = await FakeEndpoint.open(absent, first.port, "127.0.0.2");
    const servers = [`node-1.test:${first.port}`];
    using client = openClient(
      { servers, timeoutMs: 600_000 },
      { openSocket: nodeSockets(names.lookup) },
    );
    expect(await client.exists("/a")).toBeNull();
    expect([first.connections, moved.connections]).toEqual([1, 0]);

    await first[Symbol.asyncDispose]();
    let isAnswered = false;
    const read = client.exists("/a").finally(() => (isAnswered = true));
    const turnUntil = (condition: () => boolean): Promise<void> => passUntil(client, condition, 10);
    // Refused at its old address, and asked for again before each further attempt.
    await turnUntil(() => names.asked.length === 4);
    expect(isAnswered).toBe(false);
    names.address = "127.0.0.2";
    await turnUntil(() => isAnswered);
    expect(await read).toBeNull();
    expect([first.connections, moved.connections]).toEqual([1, 1]);
    expect(new Set(names.asked)).toEqual(new Set(["node-1.test"]));
  });

  it("says which servers it could not reach, and why", async () => {
    using client = openClient({ servers: [DEAD], timeoutMs: 300 });
    const failed = client.get("/a").catch((error: unknown) => error);
    let error: unknown;
    void failed.then((value) => (error = value));
    await passUntil(client, () => error !== undefined, 50);
    expect(errorCodeOf(error)).toBe("ERR_CLIENT_UNREACHABLE");
    expect((error as Error).message).toMatch(/127\.0\.0\.1:1: .*ECONNREFUSED/);
  });

  it("reconnects with pauses that grow to their bound", async () => {
    using client = openClient({ servers: [DEAD], timeoutMs: 60_000 });
    const failed = codeOf(client.get("/a"));
    let done = false;
    void failed.then(() => (done = true));
    await passUntil(client, () => done, 100);
    expect(await failed).toBe("ERR_CLIENT_UNREACHABLE");
  });
});

describe("a write whose connection is lost", () => {
  it("has an unknown outcome once it was sent, and is not sent again (F47)", async () => {
    await using first = await FakeEndpoint.open(() => "later");
    await using second = await FakeEndpoint.open(echo);
    using client = openClient({ servers: [first.url, second.url] });
    const lost = codeOf(client.custom(OP, "/lost", bytes("x")));
    await until(() => first.requests.length === 1);
    first.cut();
    expect(await lost).toBe("ERR_CLIENT_OUTCOME_UNKNOWN");
    await client.custom(OP, "/next", bytes("y"));
    expect(second.requests.map((request) => request.key)).toEqual(["/next"]);
  });

  it("is sent elsewhere when it had not left", async () => {
    await using server = await FakeEndpoint.open(echo);
    using client = openClient({ servers: [DEAD, server.url] });
    const calls = [1, 2, 3].map((i) => client.custom(OP, `/${i}`, bytes("x")));
    await Promise.all(calls);
    expect(server.requests.map((request) => request.key)).toEqual(["/1", "/2", "/3"]);
  });

  it("has an unknown outcome when its time is over, aborted, or the client closed", async () => {
    await using server = await FakeEndpoint.open(() => "later");
    using client = openClient({ servers: [server.url] });
    const abort = new AbortController();
    const late = codeOf(client.custom(OP, "/late", bytes("x"), { timeoutMs: 100 }));
    const aborted = codeOf(client.custom(OP, "/aborted", bytes("x"), { signal: abort.signal }));
    const closed = codeOf(client.custom(OP, "/closed", bytes("x")));
    await until(() => server.requests.length === 3);
    client.clock.advance(200);
    abort.abort();
    client.close();
    expect(await Promise.all([late, aborted, closed])).toEqual(
      Array(3).fill("ERR_CLIENT_OUTCOME_UNKNOWN"),
    );
  });
});

describe("a read", () => {
  it("in flight is asked again elsewhere", async () => {
    await using first = await FakeEndpoint.open(() => "later");
    await using second = await FakeEndpoint.open(() => refusal("ERR_ZNODE_NO_NODE"));
    using client = openClient({ servers: [first.url, second.url] });
    const read = codeOf(client.get("/a"));
    await until(() => first.requests.length === 1);
    first.cut();
    expect(await read).toBe("ERR_ZNODE_NO_NODE");
  });

  it("after a move is linearizable until the new server has caught up (Invariant 8)", async () => {
    const stat = new Uint8Array(68);
    await using first = await FakeEndpoint.open(() => stat);
    await using second = await FakeEndpoint.open(() => stat);
    using client = openClient({ servers: [first.url, second.url] });
    await client.get("/a");
    first.cut();
    await until(() => first.connectionCount === 0);
    await client.get("/b");
    await client.get("/c");
    const asked = [...first.requests, ...second.requests];
    expect(asked.map(({ key, linearizable }) => [key, linearizable])).toEqual([
      ["/a", false],
      ["/b", true],
      ["/c", false],
    ]);
  });

  it("ends by its deadline, its signal, or the client's end", async () => {
    await using server = await FakeEndpoint.open(() => "later");
    using client = openClient({ servers: [server.url] });
    const abort = new AbortController();
    const late = codeOf(client.get("/late", { timeoutMs: 100 }));
    const aborted = codeOf(client.get("/aborted", { signal: abort.signal }));
    const closed = codeOf(client.get("/closed"));
    await until(() => server.requests.length === 3);
    client.clock.advance(200);
    abort.abort();
    client.close();
    expect(await Promise.all([late, aborted, closed])).toEqual([
      "ERR_CLIENT_TIMEOUT",
      "ERR_CLIENT_ABORTED",
      "ERR_CLIENT_CLOSED",
    ]);
    expect(await codeOf(client.get("/after"))).toBe("ERR_CLIENT_CLOSED");
    expect(await codeOf(client.get("/x", { signal: abort.signal }))).toBe("ERR_CLIENT_CLOSED");
  });
});

describe("a server in trouble", () => {
  it("that is not ready is asked again after a pause", async () => {
    let refusals = 3;
    await using server = await FakeEndpoint.open((request) => {
      refusals -= 1;
      return refusals >= 0 ? refusal("ERR_SERVER_NOT_READY") : request.content;
    });
    using client = openClient({ servers: [server.url] });
    let done = false;
    void client.custom(OP, "/", bytes("x")).then(() => (done = true));
    await passUntil(client, () => done, 5);
    expect(server.requests).toHaveLength(4);
  });

  it("that stays so is left for another", async () => {
    await using first = await FakeEndpoint.open(() => refusal("ERR_SERVER_NOT_READY"));
    await using second = await FakeEndpoint.open(echo);
    using client = openClient({ servers: [first.url, second.url] });
    let done = false;
    void client.custom(OP, "/", bytes("x")).then(() => (done = true));
    await passUntil(client, () => done, 5);
    expect(second.requests).toHaveLength(1);
  });

  it("that stops is left at the first word of it, and nothing is refused", async () => {
    await using first = await FakeEndpoint.open(() => refusal("ERR_SERVER_CLOSED"));
    await using second = await FakeEndpoint.open(echo);
    // Its clock stands still: it goes on without any pause.
    using client = openClient({ servers: [first.url, second.url] });
    await client.custom(OP, "/", bytes("x"));
    expect([first.requests.length, second.requests.length]).toEqual([1, 1]);
  });

  it("that falls silent is asked, then left", async () => {
    await using first = await FakeEndpoint.open(() => "later");
    await using second = await FakeEndpoint.open(() => refusal("ERR_ZNODE_NO_NODE"));
    first.answersPings = false;
    using client = openClient({ servers: [first.url, second.url], timeoutMs: 60_000 });
    const read = codeOf(client.get("/a"));
    await until(() => first.requests.length === 1);
    client.clock.advance(1100);
    await until(() => first.pings === 1);
    client.clock.advance(2100);
    expect(await read).toBe("ERR_ZNODE_NO_NODE");
  });

  it("that is only slow is kept", async () => {
    await using server = await FakeEndpoint.open((request) =>
      request.key === "/slow" ? "later" : request.content,
    );
    using client = openClient({ servers: [server.url], timeoutMs: 60_000 });
    const answer = client.custom(OP, "/slow", bytes("slow"));
    await until(() => server.requests.length === 1);
    for (let i = 1; i <= 3; i += 1) {
      client.clock.advance(1100);
      await until(() => server.pings === i);
      // The ping's answer has arrived when this one has.
      await client.custom(OP, "/quick", bytes("x"));
    }
    server.releaseHeld();
    expect(await answer).toEqual(bytes("slow"));
    expect(server.connectionCount).toBe(1);
  });

  it("that accepts connections and closes them at once is not hammered", async () => {
    await using server = await FakeEndpoint.open(() => "later");
    server.closesAtOnce = true;
    using client = openClient({ servers: [server.url], timeoutMs: 60_000 });
    void codeOf(client.get("/a"));
    await until(() => server.connections === 1);
    // Its clock stands still, while another client goes there and back many times.
    await using elsewhere = await FakeEndpoint.open(echo);
    using other = openClient({ servers: [elsewhere.url] });
    for (let round = 0; round < 200; round += 1) await other.custom(OP, "/", bytes("x"));
    expect(server.connections).toBeLessThanOrEqual(2);
  });

  it("that sends garbage is left", async () => {
    await using server = await FakeEndpoint.open((request) =>
      request.key === "/hold" ? "later" : request.content,
    );
    using client = openClient({ servers: [server.url] });
    const lost = codeOf(client.custom(OP, "/hold", bytes("x")));
    await until(() => server.requests.length === 1);
    server.sendRaw(new Uint8Array([0xc1]));
    expect(await lost).toBe("ERR_CLIENT_OUTCOME_UNKNOWN");
    const next = client.custom(OP, "/", bytes("y"));
    client.clock.advance(100);
    expect(await next).toEqual(bytes("y"));
  });

  it("does not make the client hoard: beyond its bound a call is refused", async () => {
    using client = openClient({ servers: [DEAD] });
    const calls = Array.from({ length: 20_001 }, () => codeOf(client.custom(OP, "/", bytes("x"))));
    expect(await calls[20_000]).toBe("ERR_CLIENT_BUSY");
    client.close();
    expect(await calls[0]).toBe("ERR_CLIENT_CLOSED");
  });
});
