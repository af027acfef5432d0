import { createServer, type AddressInfo, type Server } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { encodeHandshake } from "@quorate/codec";
import {
  FRAME_BYTES_MAX,
  makeTxnid,
  PROTOCOL_VERSION,
  type PeerMsg,
  type PeerPipe,
} from "@quorate/protocol";
import { createPeerConnector } from "../src/index.js";
import { makeDeps, Network, one, two, until } from "./network.js";

let network = new Network();
afterEach(async () => {
  await network.close();
  network = new Network();
});

/** So that what closes a connection is not the handshake's timeout. */
const NEVER_MS = 60_000;
const commit: PeerMsg = { kind: "commit", txnid: makeTxnid(1, 1) };

/** The listener still takes a proper peer and carries its messages. */
async function expectAlive(listener: Awaited<ReturnType<Network["listen"]>>): Promise<void> {
  const before = listener.pipes.length;
  const pipe = await network.dial(listener);
  await until(() => listener.pipes.length === before + 1);
  const received: PeerMsg[] = [];
  listener.pipes[before]?.attach({
    onMessages: (messages) => received.push(...messages),
    onClose: () => undefined,
  });
  pipe.send(commit);
  await until(() => received.length === 1);
}

/** A WebSocket that passed the handshake as node 1 and then does as it likes. */
async function proven(port: number): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/quorate/peer`, { maxPayload: 0 });
  socket.on("error", () => undefined);
  await new Promise((resolve) => socket.on("open", resolve));
  const answered = (): Promise<unknown> =>
    new Promise((resolve) => socket.once("message", resolve));
  const nonce = new Uint8Array(16);
  let reply = answered();
  socket.send(
    encodeHandshake({
      kind: "hello",
      cluster: "test",
      sender: one,
      target: two,
      role: "voter",
      nonce,
    }),
  );
  await reply;
  reply = answered();
  socket.send(encodeHandshake({ kind: "proof", proof: new Uint8Array() }));
  await reply;
  return socket;
}

function closeCodeOf(pipe: PeerPipe | undefined): () => string | undefined {
  let code: string | undefined;
  pipe?.attach({
    onMessages: () => undefined,
    onClose: (reason) => {
      code = reason.code;
    },
  });
  return () => code;
}

describe("a listener under bad weather", () => {
  test.each([
    ["garbage", Buffer.from("\x16\x03\x01\x02\x00garbage\r\n\r\n")],
    ["a plain HTTP request", Buffer.from("GET / HTTP/1.1\r\nhost: x\r\n\r\n")],
    ["an upgrade on another path", upgrade("/other")],
    [
      "an upgrade to something else",
      Buffer.from(String(upgrade("/quorate/peer")).replace("13", "7")),
    ],
    ["headers without end", Buffer.from(`GET / HTTP/1.1\r\nx: ${"y".repeat(100_000)}`)],
  ])("closes a connection that sends %s, and stays up", async (_, bytes) => {
    const listener = await network.listen({ handshakeTimeoutMs: NEVER_MS });
    const { socket, isClosed } = network.raw(listener.address.port);
    socket.write(bytes);
    await until(isClosed);
    await expectAlive(listener);
  });

  test("drops a silent connection at the handshake timeout", async () => {
    const listener = await network.listen({ handshakeTimeoutMs: 30 });
    const silent = network.raw(listener.address.port);
    const halfWay = network.raw(listener.address.port);
    halfWay.socket.write(upgrade("/quorate/peer"));
    await until(() => silent.isClosed() && halfWay.isClosed());
    expect(listener.pipes).toEqual([]);
  });

  test("an established pipe outlives the handshake timeout", async () => {
    const listener = await network.listen({ handshakeTimeoutMs: 30 });
    const pipe = await network.dial(listener);
    const code = closeCodeOf(pipe);
    // Connections made later are timed out later: when this one is gone, the pipe was spared.
    const silent = network.raw(listener.address.port);
    await until(silent.isClosed);
    expect(code()).toBeUndefined();
  });

  test("a stranger's many bytes are cut off long before they fill a frame", async () => {
    const listener = await network.listen({ handshakeTimeoutMs: NEVER_MS });
    const { socket, isClosed } = network.raw(listener.address.port);
    socket.write(upgrade("/quorate/peer"));
    // The header of a frame of 4 MiB, then its content without end.
    const header = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0]);
    socket.write(Buffer.concat([header, Buffer.alloc(1024 * 1024)]));
    await until(isClosed);
    await expectAlive(listener);
  });

  test("the oldest unfinished handshake makes room for a real peer", async () => {
    const listener = await network.listen({ handshakeTimeoutMs: NEVER_MS });
    const strangers = Array.from({ length: 140 }, () => network.raw(listener.address.port));
    await until(() => strangers.some((stranger) => stranger.isClosed()));
    await expectAlive(listener);
  });

  test.each([
    ["garbage", Buffer.from([PROTOCOL_VERSION, 0x91, 0x91, 99])],
    ["another version", Buffer.from([PROTOCOL_VERSION + 1, 0x90])],
    ["an empty frame", Buffer.alloc(0)],
    ["a text frame", "hello"],
    ["an oversized frame", Buffer.alloc(FRAME_BYTES_MAX + 1)],
  ])("a proven peer that sends %s loses its pipe and nothing else", async (_, bytes) => {
    const listener = await network.listen();
    const socket = await proven(listener.address.port);
    await until(() => listener.pipes.length === 1);
    const code = closeCodeOf(listener.pipes[0]);
    socket.send(bytes);
    await until(() => code() !== undefined);
    expect(code()).toMatch(/^ERR_PROTOCOL_(DECODE|VERSION)$/);
    await expectAlive(listener);
  });

  test("reports a port in use as ERR_SERVER_PORT_IN_USE", async () => {
    const listener = await network.listen();
    await expect(network.listen({ bind: listener.address })).rejects.toMatchObject({
      code: "ERR_SERVER_PORT_IN_USE",
    });
  });

  test("refuses to listen for strangers without a secret", async () => {
    const bind = { host: "0.0.0.0", port: 0 };
    await expect(network.listen({ bind })).rejects.toMatchObject({ code: "ERR_CONFIG_INSECURE" });
  });

  test("keeps pipes until a role takes them, and closes the oldest beyond the bound", async () => {
    const listener = await network.listen();
    listener.onPipe(null);
    const dialled: PeerPipe[] = [];
    for (let i = 0; i < 65; i += 1) dialled.push(await network.dial(listener));
    const oldest = closeCodeOf(dialled[0]);
    await until(() => oldest() !== undefined);
    const pipes: PeerPipe[] = [];
    listener.onPipe((pipe) => pipes.push(pipe));
    expect(pipes).toEqual([]);
    await until(() => pipes.length === 64);
  });

  test("closing ends its pipes and its port, also towards a peer that answers nothing (F6)", async () => {
    const listener = await network.listen();
    const socket = await proven(listener.address.port);
    socket.pause();
    const code = closeCodeOf(await network.dial(listener));
    await listener.close();
    await until(() => code() !== undefined);
    await expect(network.dial(listener)).rejects.toMatchObject({ code: "ERR_PROTOCOL_CLOSED" });
    socket.terminate();
  });
});

describe("a connector under bad weather", () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  async function answering(bytes: string | null) {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.on("data", () => {
        if (bytes !== null) socket.end(bytes);
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return { address: { host: "127.0.0.1", port: (server.address() as AddressInfo).port } };
  }

  test("a refused connection is ERR_PROTOCOL_CLOSED and may be tried again", async () => {
    const server = await answering(null);
    await new Promise((resolve) => servers.pop()?.close(resolve));
    await expect(network.dial(server)).rejects.toMatchObject({
      code: "ERR_PROTOCOL_CLOSED",
      retryable: true,
    });
  });

  test.each([
    ["another protocol", "SSH-2.0-something\r\n"],
    ["a web server", "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"],
  ])("%s at the address is ERR_PROTOCOL_HANDSHAKE", async (_, bytes) => {
    const server = await answering(bytes);
    await expect(network.dial(server)).rejects.toMatchObject({ code: "ERR_PROTOCOL_HANDSHAKE" });
  });

  test("a silent address is ERR_PROTOCOL_TIMEOUT", async () => {
    const server = await answering(null);
    await expect(network.dial(server, { handshakeTimeoutMs: 30 })).rejects.toMatchObject({
      code: "ERR_PROTOCOL_TIMEOUT",
    });
  });

  test("an attempt given up is ERR_SERVER_CLOSED, before or during it", async () => {
    const server = await answering(null);
    await expect(network.dial(server, {}, AbortSignal.abort())).rejects.toMatchObject({
      code: "ERR_SERVER_CLOSED",
    });
    const controller = new AbortController();
    const attempt = network.dial(server, {}, controller.signal);
    controller.abort();
    await expect(attempt).rejects.toMatchObject({ code: "ERR_SERVER_CLOSED" });
  });

  test("a node without an address is ERR_PROTOCOL_UNKNOWN_NODE", async () => {
    const connector = createPeerConnector(
      { nodeId: one, cluster: "test", role: "voter", peers: new Map() },
      makeDeps(),
    );
    const attempt = connector.connect(two, { signal: new AbortController().signal });
    await expect(attempt).rejects.toMatchObject({ code: "ERR_PROTOCOL_UNKNOWN_NODE" });
  });
});

function upgrade(path: string): Buffer {
  return Buffer.from(
    `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n` +
      "sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
  );
}
