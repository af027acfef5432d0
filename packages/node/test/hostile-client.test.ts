import { connect, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { NATIVE_SUBPROTOCOL } from "@quorate/codec";
import { FRAME_FRAGMENTS_MAX } from "../src/native/limits.js";
import { openTestPort, until, type PortSetup } from "./support.js";

/** A client that writes what it likes and hears what comes. */
class RawSocket implements Disposable {
  text = "";
  isEnded = false;
  isOver = false;
  readonly socket: Socket;

  constructor(setup: PortSetup) {
    // Half open, as one that never closes its side.
    this.socket = connect({
      port: setup.port.address.port,
      host: "127.0.0.1",
      allowHalfOpen: true,
    });
    this.socket.on("data", (data: Buffer) => (this.text += data.toString("latin1")));
    this.socket.on("error", () => undefined);
    this.socket.on("end", () => (this.isEnded = true));
    this.socket.on("close", () => (this.isOver = true));
  }

  upgrade(): void {
    this.socket.write(
      get(
        "/",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        `Sec-WebSocket-Key: ${"A".repeat(22)}==`,
        `Sec-WebSocket-Protocol: ${NATIVE_SUBPROTOCOL}`,
      ),
    );
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

const get = (path: string, ...headers: string[]): string =>
  [`GET ${path} HTTP/1.1`, "Host: localhost", ...headers, "", ""].join("\r\n");

describe("watches that one connection asks for without waiting", () => {
  it("free their places with it", async () => {
    await using setup = await openTestPort();
    using client = new RawSocket(setup);
    client.socket.write(get("/watch").repeat(20));
    await until(() => setup.feed.subscriptionCount > 0);
    await until(() => client.text.includes("retry: 1000"));
    client.socket.destroy();
    await until(() => setup.feed.subscriptionCount === 0);
  });
});

describe("a refused upgrade", () => {
  it("does not keep its connection, nor the port open", async () => {
    const setup = await openTestPort();
    using client = new RawSocket(setup);
    client.socket.write(
      get("/", "Origin: https://evil.example", "Connection: Upgrade", "Upgrade: websocket"),
    );
    await until(() => client.text.includes("403"));
    await setup[Symbol.asyncDispose]();
  });
});

describe("a request that offers HTTP/2 in the clear, as curl --http2 and Java do", () => {
  const offer = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"];

  it("is answered in HTTP/1.1", async () => {
    await using setup = await openTestPort();
    using client = new RawSocket(setup);
    client.socket.write(get("/readyz", ...offer));
    await until(() => client.isEnded);
    expect(client.text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(client.text).toContain('{"ready":true}');
  });

  it("is judged by its Host and Origin like any other", async () => {
    await using setup = await openTestPort();
    using client = new RawSocket(setup);
    client.socket.write(get("/readyz", ...offer, "Origin: https://evil.example"));
    await until(() => client.isEnded);
    expect(client.text).toMatch(/^HTTP\/1\.1 403 /);
  });

  it("may be for a watch, which ends with its connection", async () => {
    await using setup = await openTestPort();
    using client = new RawSocket(setup);
    client.socket.write(get("/watch", ...offer));
    await until(() => client.text.includes("retry: 1000"));
    client.socket.destroy();
    await until(() => setup.feed.subscriptionCount === 0);
  });
});

describe("a frame in pieces", () => {
  /** One byte of a frame of requests that never ends. */
  const piece = (isFirst: boolean): Buffer =>
    Buffer.from([isFirst ? 2 : 0, 0x81, 0, 0, 0, 0, 0x91]);
  const pieces = (count: number): Buffer =>
    Buffer.concat(Array.from({ length: count }, (_, index) => piece(index === 0)));

  it("is taken in as many as browsers make, and closes the connection in more", async () => {
    await using setup = await openTestPort();
    for (const [count, closed] of [
      [FRAME_FRAGMENTS_MAX, 0],
      [FRAME_FRAGMENTS_MAX + 1, 1],
    ] as const) {
      using client = new RawSocket(setup);
      client.upgrade();
      await until(() => setup.port.connectionCount === 1);
      client.socket.write(pieces(count));
      // Answered in order: a ping behind it shows that it was read.
      client.socket.write(Buffer.from([0x89, 0x80, 0, 0, 0, 0]));
      await until(() => client.text.includes("\x8a\x00") || setup.port.connectionCount === 0);
      expect(setup.port.connectionCount).toBe(1 - closed);
      client.socket.destroy();
      await until(() => setup.port.connectionCount === 0);
    }
    expect(setup.logger.lines).toContain("closed a client connection: it broke the protocol");
  });

  it("does not keep what came between its pieces", async () => {
    await using setup = await openTestPort();
    using client = new RawSocket(setup);
    client.upgrade();
    await until(() => setup.port.connectionCount === 1);
    const pong = Buffer.concat([Buffer.from([0x8a, 0x80 | 125, 0, 0, 0, 0]), Buffer.alloc(125)]);
    const padding = Buffer.concat(Array.from({ length: 520 }, () => pong));
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 1000 && !client.isOver; i += 1) {
      const isFree = client.socket.write(Buffer.concat([piece(i === 0), padding]));
      await until(() => isFree || client.isOver || client.socket.writableLength === 0);
    }
    await until(() => setup.port.connectionCount === 0);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(30_000_000);
  });
});

describe("a client that pings and never reads", () => {
  it("is closed before its answers pile up", async () => {
    await using setup = await openTestPort();
    using client = new RawSocket(setup);
    client.upgrade();
    await until(() => setup.port.connectionCount === 1);
    client.socket.pause();
    const ping = Buffer.concat([Buffer.from([0x89, 0x80 | 125, 0, 0, 0, 0]), Buffer.alloc(125)]);
    const pings = Buffer.concat(Array.from({ length: 1000 }, () => ping));
    const before = process.memoryUsage().arrayBuffers;
    while (setup.port.connectionCount === 1) {
      const isFree = client.socket.write(pings);
      await until(() => isFree || setup.port.connectionCount === 0);
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(30_000_000);
  });
});
