import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import zookeeper from "node-zookeeper-client";
import { silentLogger, silentMeter, type Clock } from "@quorate/protocol";
import { socketChannel, ZkFrontEnd } from "../src/index.js";
import { FakeService } from "./support/fake-service.js";
import { factsOf } from "./support/harness.js";

const clock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  setTimer: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return { cancel: () => clearTimeout(timer) };
  },
  defer: (callback) => void setImmediate(callback),
};

let service: FakeService;
let frontEnd: ZkFrontEnd;
let server: Server;
let port = 0;

beforeEach(async () => {
  service = new FakeService(clock);
  frontEnd = new ZkFrontEnd({
    service,
    clock,
    random: { next: Math.random, nextUint64: () => randomBytes(8).readBigUInt64BE() },
    logger: silentLogger,
    meter: silentMeter,
    facts: factsOf(service),
    options: { words: ["*"] },
  });
  server = createServer((socket) => frontEnd.accept(socketChannel(socket)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  ({ port } = server.address() as AddressInfo);
});

afterEach(async () => {
  frontEnd.close();
  server.close();
  await once(server, "close");
});

type Call = (done: (error: object | null, ...values: unknown[]) => void) => void;

/** The values that a callback gets, or its error's name. */
async function called(call: Call): Promise<readonly unknown[]> {
  return new Promise((resolve) => {
    call((error, ...values) => resolve(error === null ? values : [error]));
  });
}

describe("node-zookeeper-client, unchanged, over a socket", () => {
  test("connects, writes, reads, watches, runs a transaction and closes its session", async () => {
    const client = zookeeper.createClient(`127.0.0.1:${port}`, { sessionTimeout: 10_000 });
    client.connect();
    await once(client, "connected");

    expect(await called((done) => client.create("/a", Buffer.from("one"), done))).toEqual(["/a"]);
    const events: unknown[] = [];
    const watch = (event: unknown): void => void events.push(event);
    const [data] = await called((done) => client.getData("/a", watch, done));
    expect(String(data)).toBe("one");
    await called((done) => client.setData("/a", Buffer.from("two"), -1, done));
    // It comes before the reply to the write that caused it.
    expect(events).toMatchObject([{ type: 3, path: "/a" }]);

    const [error] = await called((done) => client.getData("/none", done));
    expect(error).toMatchObject({ name: "NO_NODE" });
    const transaction = client
      .transaction()
      .create("/a/b", Buffer.from("x"))
      .setData("/a", Buffer.from("three"))
      .check("/a");
    const [results] = await called((done) => transaction.commit(done));
    expect(results).toHaveLength(3);
    const [children] = await called((done) => client.getChildren("/a", done));
    expect(children).toEqual(["b"]);

    const ephemeral = zookeeper.CreateMode.EPHEMERAL_SEQUENTIAL;
    const [path] = await called((done) => client.create("/a/e-", ephemeral, done));
    expect(path).toMatch(/^\/a\/e-\d{10}$/);
    client.close();
    await once(client, "disconnected");
    await expect.poll(() => service.sessionCount).toBe(0);
  });
});

describe("sockets", () => {
  test("a word is answered to who shuts down its side at once", async () => {
    const socket = connect(port, "127.0.0.1");
    socket.end("srvr");
    let text = "";
    for await (const chunk of socket) text += String(chunk);
    expect(text).toMatch(/^Zookeeper version: .*\n(.*\n)+Node count: 7\n$/);
  });

  test("a client that is gone leaves nothing behind", async () => {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    await expect.poll(() => frontEnd.connections.size).toBe(1);
    socket.resetAndDestroy();
    await expect.poll(() => frontEnd.connections.size).toBe(0);
  });
});
