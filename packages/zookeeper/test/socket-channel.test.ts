import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ByteChannel } from "../src/byte-channel.js";
import { socketChannel } from "../src/socket-channel.js";

const END_MS = 150;

let server: Server;
let client: Socket;
let channel: ByteChannel;
let closed: Promise<void>;

beforeEach(async () => {
  server = createServer({ allowHalfOpen: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const accepted = once(server, "connection") as Promise<[Socket]>;
  client = connect({
    port: (server.address() as AddressInfo).port,
    host: "127.0.0.1",
    allowHalfOpen: true,
  });
  client.on("error", () => undefined);
  const [socket] = await accepted;
  channel = socketChannel(socket, END_MS);
  closed = new Promise((resolve) => {
    channel.attach({ onData: () => undefined, onDrain: () => undefined, onClosed: resolve });
  });
});

afterEach(async () => {
  client.destroy();
  server.close();
  await once(server, "close");
});

describe("a channel that is to end", () => {
  test("sends what was written before it closes", async () => {
    channel.write(new Uint8Array([1, 2, 3]));
    channel.end();
    const [bytes] = (await once(client, "data")) as [Buffer];
    expect([...bytes]).toEqual([1, 2, 3]);
    client.end();
    await closed;
  });

  test("is cut after a while although its client goes on sending and never ends", async () => {
    client.resume();
    const chatter = setInterval(() => client.write("x"), END_MS / 10);
    channel.end();
    await closed;
    clearInterval(chatter);
  });

  test("is cut although its client does not read what is left", async () => {
    client.pause();
    channel.write(new Uint8Array(64 * 1024 * 1024));
    channel.end();
    await closed;
  });
});
