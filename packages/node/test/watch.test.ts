import { connect } from "node:net";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { describe, expect, it } from "vitest";
import type { Txnid } from "@quorate/protocol";
import { ZnodeOp } from "@quorate/znode";
import { STALL_MS } from "../src/feed/limits.js";
import { WATCH_QUIET_SWEEPS_MAX, WATCHES_MAX } from "../src/native/limits.js";
import { openTestPort, until, type PortSetup } from "./support.js";

function say(setup: PortSetup, key: string, content: Uint8Array = new Uint8Array([104])): Txnid {
  return setup.server.committed.append([{ op: ZnodeOp.broadcast, key, content }]);
}

/** A watch as `curl -N` has it. */
class HttpWatch implements AsyncDisposable {
  text = "";
  isOver = false;
  readonly #response: IncomingMessage;

  private constructor(response: IncomingMessage) {
    this.#response = response;
    response.on("data", (chunk: Buffer) => (this.text += chunk.toString()));
    response.on("error", () => undefined);
    response.on("close", () => (this.isOver = true));
  }

  static async open(
    setup: PortSetup,
    query: string,
    headers: Record<string, string> = {},
  ): Promise<HttpWatch> {
    const url = `http://${setup.url}/watch${query}`;
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      httpRequest(url, { headers, agent: false }, resolve).on("error", reject).end();
    });
    return new HttpWatch(response);
  }

  get status(): number {
    return this.#response.statusCode ?? 0;
  }

  get headers(): IncomingMessage["headers"] {
    return this.#response.headers;
  }

  /** Blocks without the comments. */
  get blocks(): string[] {
    return this.text.split("\n\n").filter((block) => block !== "" && !block.startsWith(":"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#response.destroy();
    await until(() => this.isOver);
  }
}

describe("a watch over HTTP", () => {
  it("tells where it starts and then each event, as an EventSource reads it", async () => {
    await using setup = await openTestPort();
    say(setup, "/a");
    await using watch = await HttpWatch.open(setup, "?prefix=/a&from=e0:0");
    expect(watch.status).toBe(200);
    expect(watch.headers["content-type"]).toBe("text/event-stream; charset=utf-8");
    say(setup, "/b");
    say(setup, "/a/b", new Uint8Array([0xff]));
    await until(() => watch.blocks.length === 4);
    const [retry, start, first, second] = watch.blocks;
    expect([retry, start]).toEqual(["retry: 1000", "id: e0:0"]);
    expect(first).toBe(
      `id: e1:1\ndata: {"txnid":"e1:1","operations":` +
        `[{"kind":"broadcast","path":"/a","data":"h","encoding":"utf8"}]}`,
    );
    expect(second).toMatch(/^id: e1:3\ndata: .*"data":"\/w==","encoding":"base64"/);
  });

  it("resumes behind the Last-Event-ID that a browser sends, whatever its address says", async () => {
    await using setup = await openTestPort();
    for (const key of ["/a", "/b", "/c"]) say(setup, key);
    await using watch = await HttpWatch.open(setup, "?from=e1:1", { "last-event-id": "e1:2" });
    await until(() => watch.blocks.length === 3);
    expect(watch.blocks.slice(1).map((block) => block.split("\n")[0])).toEqual([
      "id: e1:2",
      "id: e1:3",
    ]);
  });

  it("moves the id along when what follows does not match", async () => {
    await using setup = await openTestPort();
    say(setup, "/a");
    say(setup, "/b");
    await using watch = await HttpWatch.open(setup, "?prefix=/a&from=e0:0");
    await until(() => watch.blocks.length === 4);
    expect(watch.blocks.slice(2).map((block) => block.split("\n")[0])).toEqual([
      "id: e1:1",
      "id: e1:2",
    ]);
  });

  it.each([
    ["?from=5", 400, "ERR_ARG_TXNID"],
    ["?prefix=/a/&from=e0:0", 400, "ERR_ARG_VALUE"],
    ["?path=/a", 400, "ERR_ARG_VALUE"],
    ["?prefix=/a&prefix=/b&from=e0:4", 400, "ERR_ARG_VALUE"],
    ["?from=e0:3", 410, "ERR_CLIENT_COMPACTED"],
  ])("is refused for %s with %i", async (query, status, code) => {
    await using setup = await openTestPort();
    setup.server.committed.installSnapshot(4);
    const response = await fetch(`http://${setup.url}/watch${query}`);
    expect(response.status).toBe(status);
    const { error } = (await response.json()) as { error: Record<string, string> };
    expect(error["code"]).toBe(code);
    if (status === 410) expect(error["oldest"]).toBe("e1:4");
  });

  it("is refused for now while the node does not serve, to be tried again", async () => {
    await using setup = await openTestPort();
    setup.server.ready = false;
    const response = await fetch(`http://${setup.url}/watch`);
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
  });

  it("is refused for a page of another origin, and open to one on the list", async () => {
    await using setup = await openTestPort({ allowedOrigins: ["https://good.example"] });
    await using evil = await HttpWatch.open(setup, "", { origin: "https://evil.example" });
    expect([evil.status, evil.headers["access-control-allow-origin"]]).toEqual([403, undefined]);
    await using rebound = await HttpWatch.open(setup, "", { host: "evil.example" });
    expect(rebound.status).toBe(403);
    await using good = await HttpWatch.open(setup, "", { origin: "https://good.example" });
    expect(good.status).toBe(200);
    expect(good.headers["access-control-allow-origin"]).toBe("https://good.example");
    expect(good.headers.vary).toBe("Origin");
  });

  it("is told why it ends", async () => {
    await using setup = await openTestPort();
    await using watch = await HttpWatch.open(setup, "");
    await until(() => watch.blocks.length === 2);
    setup.server.committed.installSnapshot(4);
    await until(() => watch.isOver);
    expect(watch.blocks.at(-1)).toMatch(
      /^event: end\ndata: {"code":"ERR_CLIENT_COMPACTED",.*"oldest":"e1:4"}$/,
    );
    expect(setup.feed.subscriptionCount).toBe(0);
  });

  it("is told that the server stops", async () => {
    const setup = await openTestPort();
    await using watch = await HttpWatch.open(setup, "");
    await until(() => watch.blocks.length === 2);
    setup.feed.close();
    await setup[Symbol.asyncDispose]();
    await until(() => watch.isOver);
    expect(watch.blocks.at(-1)).toMatch(/^event: end\ndata: {"code":"ERR_SERVER_CLOSED"/);
  });

  it("is a GET and nothing else", async () => {
    await using setup = await openTestPort();
    for (const method of ["HEAD", "POST", "OPTIONS"]) {
      const response = await fetch(`http://${setup.url}/watch`, { method });
      expect(response.status).toBe(405);
    }
    expect(setup.feed.subscriptionCount).toBe(0);
  });

  it("is kept alive by comments while nothing happens", async () => {
    await using setup = await openTestPort();
    await using watch = await HttpWatch.open(setup, "");
    for (let i = 0; i < WATCH_QUIET_SWEEPS_MAX; i += 1) setup.clock.runTimers();
    await until(() => watch.text.includes("\n\n:\n\n"));
  });

  it("frees its place when the client goes", async () => {
    await using setup = await openTestPort();
    const watch = await HttpWatch.open(setup, "");
    expect(setup.feed.subscriptionCount).toBe(1);
    await watch[Symbol.asyncDispose]();
    await until(() => setup.feed.subscriptionCount === 0);
  });

  it("leaves places for other clients", async () => {
    await using setup = await openTestPort();
    const watches = await Promise.all(
      Array.from({ length: WATCHES_MAX }, () => HttpWatch.open(setup, "")),
    );
    await using refused = await HttpWatch.open(setup, "");
    expect(refused.status).toBe(503);
    expect((await fetch(`http://${setup.url}/healthz`)).status).toBe(200);
    await Promise.all(watches.map((watch) => watch[Symbol.asyncDispose]()));
  });

  it("of a client that never reads is held to its window and cut off", async () => {
    await using setup = await openTestPort();
    let now = 0;
    setup.clock.now = () => now;
    const socket = connect(setup.port.address.port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.pause();
    socket.write(`GET /watch?from=e0:0 HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await until(() => setup.feed.subscriptionCount === 1);
    const megabytes = new Uint8Array(900_000).fill(104);
    // What the kernel's buffers take, and a window.
    for (let i = 0; i < 100 && setup.feed.inFlightBytes === 0; i += 1) {
      say(setup, "/a", megabytes);
      for (let turn = 0; turn < 20; turn += 1)
        await new Promise((resolve) => setImmediate(resolve));
    }
    for (let i = 0; i < 10; i += 1) say(setup, "/a", megabytes);
    await until(() => setup.feed.inFlightBytes > 0);
    expect(setup.feed.inFlightBytes).toBeLessThan(2_000_000);
    now = STALL_MS + 1;
    await until(() => {
      setup.clock.runTimers();
      return setup.feed.subscriptionCount === 0;
    });
    expect(setup.logger.lines).toContain("a subscription ended");
    await until(() => {
      setup.clock.runTimers();
      return setup.feed.inFlightBytes === 0;
    });
    socket.destroy();
  });
});
