import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, vi } from "vitest";
import { errorCodeOf, makeTxnid, type CommittedEvent } from "@quorate/protocol";
import { NATIVE_SUBPROTOCOL } from "@quorate/codec";
import { createClient } from "../src/index.js";
import { CLOSE_MS } from "../src/limits.js";
import { FakeEndpoint, refusal, until } from "./fake-endpoint.js";
import { openClient, passUntil } from "./support.js";

const OP = 60;
const NOTHING = new Uint8Array(0);
const echo = (request: { content: Uint8Array }): Uint8Array => request.content;
const event = (counter: number): CommittedEvent => ({
  txnid: makeTxnid(7, counter),
  operations: [{ kind: "delete", path: "/a" }],
});

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(
    () => undefined,
    (error: unknown) => errorCodeOf(error) ?? String(error),
  );
}

describe("a list of servers", () => {
  it.each(["localhost:65536", "localhost:99999", "user@host:1", "a?b:1", "a#b:1", "a%zz:1"])(
    "with %s, of which no address can be made, is refused at once",
    (server) => {
      expect(() => createClient({ servers: ["127.0.0.1:1", server] })).toThrow(/written like/);
    },
  );
});

describe("a socket that cannot be made", () => {
  it("counts as a server out of reach, and the client goes on to the next", async () => {
    let attempts = 0;
    const openSocket = (): never => {
      attempts += 1;
      throw new SyntaxError("no such URL");
    };
    using client = openClient({ servers: ["a:1", "b:2"], timeoutMs: 300 }, { openSocket });
    const read = codeOf(client.get("/a"));
    const events = client.subscribe({ timeoutMs: 300 });
    const next = codeOf(events.next());
    const ended = Promise.all([read, next]);
    let isOver = false;
    void ended.then(() => (isOver = true));
    await passUntil(client, () => isOver, 10);
    expect(await ended).toEqual(["ERR_CLIENT_UNREACHABLE", "ERR_CLIENT_UNREACHABLE"]);
    expect(attempts).toBeGreaterThan(2);
    // With pauses in between, which grow.
    expect(attempts).toBeLessThan(20);
  });
});

describe("a subscription that a server turns away again and again", () => {
  it.each(["ERR_SERVER_NOT_READY", "ERR_SERVER_BUSY"] as const)(
    "with %s does not make the client come back without a pause",
    async (code) => {
      await using server = await FakeEndpoint.open(echo);
      server.subscribing = ({ after, prefix, send, end }) => {
        send(after ?? makeTxnid(7, 1));
        if (prefix === "/bad") end(refusal(code));
      };
      using client = openClient({ servers: [server.url] });
      client.subscribe({ from: makeTxnid(7, 1) });
      client.subscribe({ prefix: "/bad", from: makeTxnid(7, 1) });
      await until(() => server.connections === 2);
      // Its clock stands still, while another client goes there and back many times.
      await using elsewhere = await FakeEndpoint.open(echo);
      using other = openClient({ servers: [elsewhere.url] });
      for (let round = 0; round < 200; round += 1) await other.custom(OP, "/", NOTHING);
      expect(server.connections).toBeLessThanOrEqual(3);
      await passUntil(client, () => server.connections > 3, 100);
    },
  );
});

describe("a request that a server never answers, though it answers pings", () => {
  it("does not keep the client at a server that takes nothing else on", async () => {
    await using first = await FakeEndpoint.open(({ key }) =>
      key === "/stuck" ? "later" : refusal("ERR_SERVER_CLOSED"),
    );
    await using second = await FakeEndpoint.open(echo);
    using client = openClient({ servers: [first.url, second.url] });
    const stuck = codeOf(client.custom(OP, "/stuck", NOTHING, { timeoutMs: 600_000 }));
    await until(() => first.requests.length === 1);
    let isAnswered = false;
    void client.custom(OP, "/next", NOTHING).then(() => (isAnswered = true));
    await passUntil(client, () => isAnswered, 20);
    expect(await stuck).toBe("ERR_CLIENT_OUTCOME_UNKNOWN");
  });

  it("is let go by the client when its time is over", async () => {
    await using first = await FakeEndpoint.open(() => "later");
    await using second = await FakeEndpoint.open(echo);
    using client = openClient({ servers: [first.url, second.url] });
    const late = codeOf(client.custom(OP, "/late", NOTHING, { timeoutMs: 100 }));
    await until(() => first.requests.length === 1);
    client.clock.advance(150);
    expect(await late).toBe("ERR_CLIENT_OUTCOME_UNKNOWN");
    first.answering = () => refusal("ERR_SERVER_CLOSED");
    // Nothing that anybody waits for holds it back: it leaves without any pause.
    await client.custom(OP, "/next", NOTHING);
    expect(second.requests.map(({ key }) => key)).toEqual(["/next"]);
  });
});

describe("a server that falls silent", () => {
  it("is left although no call waits for its answer any longer", async () => {
    await using first = await FakeEndpoint.open(() => "later");
    await using second = await FakeEndpoint.open(echo);
    first.answersPings = false;
    using client = openClient({ servers: [first.url, second.url], timeoutMs: 100 });
    // One short call after the other: each is given up before the silence has lasted.
    await until(() => {
      void codeOf(client.custom(OP, "/", NOTHING));
      client.clock.advance(120);
      return second.requests.length > 0;
    });
  });
});

describe("a client that is closed", () => {
  it("leaves nothing open behind, whatever its server does", async () => {
    await using server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    let isOver = false;
    let isAsked = false;
    // Opens the connection, and takes no part in anything that follows.
    server.on("upgrade", ({ headers }, socket) => {
      const key = `${headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
      const accept = createHash("sha1").update(key).digest("base64");
      socket.write(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
          `Sec-WebSocket-Accept: ${accept}\r\n` +
          `Sec-WebSocket-Protocol: ${NATIVE_SUBPROTOCOL}\r\n\r\n`,
      );
      socket.on("data", () => (isAsked = true));
      socket.once("end", () => {
        isOver = true;
        socket.destroy();
      });
    });
    const client = openClient({ servers: [`127.0.0.1:${port}`] });
    const read = codeOf(client.get("/a"));
    await until(() => isAsked);
    client.close();
    expect(await read).toBe("ERR_CLIENT_CLOSED");
    await vi.waitUntil(() => isOver, { timeout: 3 * CLOSE_MS });
  });

  it("leaves no timer behind while it connects", async () => {
    const client = openClient({ servers: ["127.0.0.1:1"] });
    const read = codeOf(client.get("/a"));
    client.close();
    expect(await read).toBe("ERR_CLIENT_CLOSED");
    expect(client.clock.timerCount).toBe(0);
  });
});

describe("a signal that lives longer than its calls", () => {
  it("keeps none of them, however they ended", async () => {
    await using server = await FakeEndpoint.open(({ key, content }) =>
      key === "/refused" ? refusal("ERR_ZNODE_NO_NODE") : key === "/late" ? "later" : content,
    );
    using client = openClient({ servers: [server.url] });
    const { signal } = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners += 1;
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners -= 1;
      removeEventListener.apply(signal, args);
    };
    await client.custom(OP, "/done", NOTHING, { signal });
    await codeOf(client.custom(OP, "/refused", NOTHING, { signal }));
    const late = codeOf(client.custom(OP, "/late", NOTHING, { signal, timeoutMs: 100 }));
    const left = client.subscribe({ signal });
    const ended = client.subscribe({ signal, prefix: "/ended" });
    await until(() => server.subscriptions.length === 2);
    expect(listeners).toBe(3);
    client.clock.advance(200);
    await late;
    await left.return?.();
    server.lastSubscription.end(refusal("ERR_ARG_VALUE"));
    expect(await codeOf(ended.next().then(() => ended.next()))).toBe("ERR_ARG_VALUE");
    expect(listeners).toBe(0);
  });
});

describe("a consumer of a subscription", () => {
  it("that throws ends it at the server", async () => {
    await using server = await FakeEndpoint.open(echo);
    server.subscribing = ({ send }) => send(makeTxnid(7, 3), [event(2), event(3)]);
    using client = openClient({ servers: [server.url] });
    const events = client.subscribe({ from: makeTxnid(7, 1) });
    const consume = async (): Promise<void> => {
      for await (const { txnid } of events) throw new Error(`cannot take ${txnid}`);
    };
    await expect(consume()).rejects.toThrow(/cannot take/);
    await until(() => server.unsubscribes === 1);
    // A second loop over the same one finds it over, and does not begin anew.
    for await (const { txnid } of events) throw new Error(`${txnid} after the end`);
    expect(server.subscriptions.length).toBe(1);
  });
});
