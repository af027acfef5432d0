import { describe, expect, it } from "vitest";
import { encodeOpenedSession, NATIVE_OP_SESSION } from "@quorate/codec";
import { CUSTOM_OP_CODE_MIN } from "@quorate/protocol";
import { FakeEndpoint, refusal, until, type Answering } from "./fake-endpoint.js";
import { openClient, passUntil } from "./support.js";

const OP = CUSTOM_OP_CODE_MIN;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "",
    (error: unknown) => (error as { readonly code: string }).code,
  );
const SESSION = encodeOpenedSession({ id: 7n, timeoutMs: 60_000, password: new Uint8Array(16) });

/** Grants sessions, and answers the rest as told. */
const withSession =
  (answering: Answering): Answering =>
  (request) => {
    if (request.op === NATIVE_OP_SESSION) return SESSION;
    return request.op === OP ? answering(request) : new Uint8Array(0);
  };

const keysOf = (server: FakeEndpoint): string[] =>
  server.requests.filter(({ op }) => op === OP).map(({ key }) => key);

describe("writes of a session that were turned away without effect", () => {
  it("are sent again in their order, all together", async () => {
    await using server = await FakeEndpoint.open(
      withSession(() => refusal("ERR_SERVER_NOT_READY")),
    );
    using client = openClient({ servers: [server.url] });
    const session = await client.session({ timeoutMs: 60_000 });
    let done = 0;
    const ask = (key: string): void =>
      void session.custom(OP, key, bytes(key)).then(() => (done += 1));
    for (const key of ["/a", "/b", "/c"]) ask(key);
    await until(() => keysOf(server).length === 3);
    // It has heard of that.
    await new Promise((resolve) => setTimeout(resolve, 50));
    ask("/d");
    server.answering = withSession(({ content }) => content);
    await passUntil(client, () => done === 4, 20);
    expect(keysOf(server).slice(-4)).toEqual(["/a", "/b", "/c", "/d"]);
  });

  it("wait, with all that is asked for behind them, for what is on its way", async () => {
    await using server = await FakeEndpoint.open(
      withSession(({ key, content }) => {
        if (key === "/b") return "later";
        return key === "/a" ? refusal("ERR_SERVER_NOT_READY") : content;
      }),
    );
    using client = openClient({ servers: [server.url] });
    const session = await client.session({ timeoutMs: 60_000 });
    const [a, b] = ["/a", "/b"].map((key) => codeOf(session.custom(OP, key, bytes(key))));
    await until(() => keysOf(server).length === 2);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const c = codeOf(session.custom(OP, "/c", bytes("/c")));
    for (let step = 0; step < 10; step += 1) {
      client.clock.advance(100);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(keysOf(server)).toEqual(["/a", "/b"]);
    server.releaseHeld();
    let isDone = false;
    void c.then(() => (isDone = true));
    await passUntil(client, () => isDone, 20);
    expect(await Promise.all([a, b, c])).toEqual(["ERR_SERVER_NOT_READY", "", ""]);
  });

  it("are not, once a later one was carried out: their callers are told", async () => {
    await using server = await FakeEndpoint.open(
      withSession(({ key, content }) =>
        key === "/b" || key === "/d" ? content : refusal("ERR_SERVER_BUSY"),
      ),
    );
    using client = openClient({ servers: [server.url] });
    const session = await client.session({ timeoutMs: 60_000 });
    const [a, b, c] = ["/a", "/b", "/c"].map((key) => codeOf(session.custom(OP, key, bytes(key))));
    await until(() => keysOf(server).length === 3);
    server.answering = withSession(({ content }) => content);
    let done = 0;
    for (const call of [a, b, c]) void call?.then(() => (done += 1));
    await passUntil(client, () => done === 3, 20);
    expect(await Promise.all([a, b, c])).toEqual(["ERR_SERVER_BUSY", "", ""]);
    expect(keysOf(server)).toEqual(["/a", "/b", "/c", "/c"]);
  });

  it("nor when what became of a later one is unknown", async () => {
    await using server = await FakeEndpoint.open(
      withSession(({ key }) => (key === "/b" ? "later" : refusal("ERR_SERVER_BUSY"))),
    );
    using client = openClient({ servers: [server.url] });
    const session = await client.session({ timeoutMs: 60_000 });
    const [a, b] = ["/a", "/b"].map((key) => codeOf(session.custom(OP, key, bytes(key))));
    await until(() => keysOf(server).length === 2);
    await new Promise((resolve) => setTimeout(resolve, 20));
    server.cut();
    expect(await b).toBe("ERR_CLIENT_OUTCOME_UNKNOWN");
    let isTold = false;
    void a?.then(() => (isTold = true));
    await passUntil(client, () => isTold, 20);
    expect(await a).toBe("ERR_SERVER_BUSY");
  });

  it("without a session each is sent again by itself", async () => {
    let refusals = 1;
    await using server = await FakeEndpoint.open(({ content }) =>
      (refusals -= 1) >= 0 ? refusal("ERR_SERVER_BUSY") : content,
    );
    using client = openClient({ servers: [server.url] });
    let done = 0;
    for (const key of ["/a", "/b"]) void client.custom(OP, key, bytes(key)).then(() => (done += 1));
    await passUntil(client, () => done === 2, 20);
    expect(keysOf(server)).toEqual(["/a", "/b", "/a"]);
  });
});
