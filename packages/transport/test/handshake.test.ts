import { afterEach, describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { decodeHandshake, encodeHandshake, type HandshakeMsg, type HelloMsg } from "@quorate/codec";
import type { AddressInfo } from "node:net";
import type { PeerConnectorOptions, PeerListenerOptions } from "../src/index.js";
import { makeDeps, Network, one, three, two, until } from "./network.js";

let network = new Network();
afterEach(async () => {
  await network.close();
  network = new Network();
});

const hello: HelloMsg = {
  kind: "hello",
  cluster: "test",
  sender: one,
  target: two,
  role: "voter",
  nonce: new Uint8Array(16),
};

describe("peer handshake", () => {
  test.each([
    ["without a secret", undefined],
    ["with a secret", "s3cret"],
  ])("%s both ends learn whom they have", async (_, secret) => {
    const listener = await network.listen({ secret });
    const pipe = await network.dial(listener, { secret });
    await until(() => listener.pipes.length === 1);
    expect(pipe.peer).toBe(two);
    expect(listener.pipes[0]?.peer).toBe(one);
  });

  test("a node that is no voter may come as a watcher where that is allowed", async () => {
    const listener = await network.listen({ allowsWatchers: true });
    await network.dial(listener, { nodeId: three, role: "watcher" });
    await until(() => listener.pipes.length === 1);
    expect(listener.pipes[0]?.peer).toBe(three);
  });

  const refusals: readonly (readonly [
    string,
    Partial<PeerListenerOptions>,
    Partial<PeerConnectorOptions>,
    string,
  ])[] = [
    ["another cluster", {}, { cluster: "other" }, "ERR_PROTOCOL_CLUSTER"],
    ["a wrong secret", { secret: "a" }, { secret: "b" }, "ERR_PROTOCOL_SECRET"],
    ["a missing secret", { secret: "a" }, {}, "ERR_PROTOCOL_SECRET"],
    ["a secret too many", {}, { secret: "a" }, "ERR_PROTOCOL_SECRET"],
    ["an unknown node", {}, { nodeId: three }, "ERR_PROTOCOL_UNKNOWN_NODE"],
    ["a watcher uninvited", {}, { nodeId: three, role: "watcher" }, "ERR_PROTOCOL_UNKNOWN_NODE"],
    [
      "a watcher under a voter's id",
      { allowsWatchers: true },
      { role: "watcher" },
      "ERR_PROTOCOL_UNKNOWN_NODE",
    ],
    ["two nodes with one id", {}, { nodeId: two }, "ERR_SERVER_DUPLICATE_ID"],
    ["an address of another node", { nodeId: three }, {}, "ERR_PROTOCOL_HANDSHAKE"],
  ];
  test.each(refusals)("%s is refused, and told why", async (_, listening, dialling, code) => {
    const deps = makeDeps();
    const listener = await network.listen(listening, deps);
    await expect(network.dial(listener, dialling)).rejects.toMatchObject({ code });
    await until(() => deps.meter.of("peer_handshakes_refused") === 1);
    expect(listener.pipes).toEqual([]);
  });

  test("another protocol version is refused by both sides as that", async () => {
    const listener = await network.listen();
    const bytes = Uint8Array.from(encodeHandshake(hello));
    bytes[0] = 9;
    const replies = await exchange(listener.address.port, [bytes]);
    expect(replies).toMatchObject([{ kind: "refusal", code: "ERR_PROTOCOL_VERSION" }]);
    const server = await impostor((socket) => socket.send(bytes));
    await expect(network.dial(server)).rejects.toMatchObject({ code: "ERR_PROTOCOL_VERSION" });
    await server.close();
  });

  test("the dialler proves itself first: a stranger gets nothing to test guesses on", async () => {
    const listener = await network.listen({ secret: "a" });
    const replies = await exchange(listener.address.port, [
      encodeHandshake(hello),
      encodeHandshake({ kind: "proof", proof: new Uint8Array(32) }),
    ]);
    expect(replies).toMatchObject([
      { kind: "challenge", secured: true },
      { kind: "refusal", code: "ERR_PROTOCOL_SECRET" },
    ]);
  });

  test("a listener without the secret is found out, even when it claims to have it", async () => {
    const server = await impostor((socket, message) => {
      const reply: HandshakeMsg =
        message.kind === "hello"
          ? {
              kind: "challenge",
              cluster: "test",
              sender: two,
              nonce: new Uint8Array(16),
              secured: true,
            }
          : // What it was sent, reflected.
            {
              kind: "welcome",
              proof: message.kind === "proof" ? message.proof : new Uint8Array(),
            };
      socket.send(encodeHandshake(reply));
    });
    await expect(network.dial(server, { secret: "a" })).rejects.toMatchObject({
      code: "ERR_PROTOCOL_SECRET",
    });
    await server.close();
  });

  test("steps out of order are refused", async () => {
    const listener = await network.listen();
    const proof = encodeHandshake({ kind: "proof", proof: new Uint8Array() });
    const replies = await exchange(listener.address.port, [proof]);
    expect(replies).toMatchObject([{ kind: "refusal", code: "ERR_PROTOCOL_HANDSHAKE" }]);
  });
});

/** Sends frames one by one, each after the reply to the one before; returns all replies. */
async function exchange(port: number, frames: readonly Uint8Array[]): Promise<HandshakeMsg[]> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/quorate/peer`);
  const replies: HandshakeMsg[] = [];
  const left = [...frames];
  const sendNext = (): void => {
    const next = left.shift();
    if (next !== undefined) socket.send(next);
  };
  socket.on("open", sendNext);
  socket.on("message", (data) => {
    replies.push(decodeHandshake(data as Buffer));
    sendNext();
  });
  await new Promise((resolve) => socket.on("close", resolve));
  return replies;
}

/** A WebSocket server that answers every frame as it is told to. */
async function impostor(answer: (socket: WebSocket, message: HandshakeMsg) => void) {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (socket) => {
    socket.on("message", (data) => {
      const message = decodeHandshake(data as Buffer);
      if (message.kind !== "refusal") answer(socket, message);
    });
  });
  await new Promise((resolve) => server.on("listening", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: { host: "127.0.0.1", port },
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}
