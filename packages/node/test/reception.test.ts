import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silentMeter } from "@quorate/protocol";
import { CONNECTIONS_MAX, SILENT_SWEEPS_MAX } from "../src/native/limits.js";
import { Reception } from "../src/native/reception.js";
import { openTestPort, RecordingLogger, until } from "./support.js";

let server: Server;
let reception: Reception;
let logger: RecordingLogger;
let isReady: boolean;
let http: Socket[];
let heard: string;
let zookeeper: { readonly socket: Socket; readonly text: string }[];
let clients: Socket[];

beforeEach(async () => {
  isReady = true;
  http = [];
  heard = "";
  zookeeper = [];
  clients = [];
  logger = new RecordingLogger();
  reception = new Reception(
    {
      http: (socket) => {
        http.push(socket);
        socket.on("data", (data: Buffer) => (heard += data.toString()));
      },
      zookeeper: (socket, bytes) => {
        if (isReady) zookeeper.push({ socket, text: Buffer.from(bytes).toString("latin1") });
        return isReady;
      },
    },
    { logger, meter: silentMeter },
  );
  server = createServer({ allowHalfOpen: true }, (socket) => reception.take(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});

afterEach(async () => {
  for (const socket of [...clients, ...http]) socket.destroy();
  reception.closeSilent();
  reception.cutOff();
  server.close();
  await once(server, "close");
});

async function dial(): Promise<Socket> {
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.on("error", () => undefined);
  clients.push(socket);
  await once(socket, "connect");
  return socket;
}

describe("the one port of all clients", () => {
  it("gives a capital letter to HTTP, with all that was read in front", async () => {
    const client = await dial();
    client.write("GET /");
    await until(() => http.length === 1);
    client.write("status");
    await until(() => heard === "GET /status");
  });

  it.each([
    ["a four-letter word", "srvr"],
    ["one that comes in pieces", "s"],
    ["a connect request", "\0\0\0\x2c"],
  ])("gives %s to those who serve ZooKeeper's clients", async (_, bytes) => {
    const client = await dial();
    client.write(bytes, "latin1");
    await until(() => zookeeper.length === 1);
    expect(zookeeper[0]?.text).toBe(bytes);
  });

  it("closes ZooKeeper's clients while nobody can serve them", async () => {
    isReady = false;
    const client = await dial();
    client.write("srvr");
    await once(client, "close");
    expect(zookeeper).toEqual([]);
  });

  it.each([
    ["TLS", "\x16\x03\x01\x02"],
    ["anything else", "\xff\xfe"],
  ])("closes what speaks %s, and says so", async (_, bytes) => {
    const client = await dial();
    client.write(bytes, "latin1");
    await once(client, "close");
    expect([http.length, zookeeper.length]).toEqual([0, 0]);
    expect(logger.lines).toEqual(["closed a client connection"]);
  });

  it("closes who says nothing, after a bound", async () => {
    const client = await dial();
    const late = await dial();
    let isClosed = false;
    client.on("close", () => (isClosed = true));
    await until(() => server.listenerCount("connection") > 0);
    for (let i = 0; i < SILENT_SWEEPS_MAX; i += 1) reception.sweep();
    late.write("srvr");
    await until(() => zookeeper.length === 1);
    expect(isClosed).toBe(false);
    reception.sweep();
    await once(client, "close");
    expect(late.destroyed).toBe(false);
  });

  it("closes who leaves without a word, and who resets", async () => {
    (await dial()).end();
    (await dial()).resetAndDestroy();
    const open = (): Promise<number> =>
      new Promise((resolve) => server.getConnections((_, count) => resolve(count)));
    await expect.poll(open).toBe(0);
  });

  it("cuts ZooKeeper's clients off when told to, and nobody else", async () => {
    const word = await dial();
    const page = await dial();
    word.write("srvr");
    page.write("GET");
    await until(() => zookeeper.length === 1 && http.length === 1);
    reception.cutOff();
    await once(word, "close");
    expect(http[0]?.destroyed).toBe(false);
  });
});

describe("too many who speak HTTP", () => {
  it("are dropped, and leave room when they go", async () => {
    await using setup = await openTestPort();
    const { port } = setup.port.address;
    const ask = (): Socket => {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => undefined);
      clients.push(socket);
      socket.write("GET /watch HTTP/1.1\r\nHost: localhost\r\n");
      return socket;
    };
    const first = ask();
    for (let i = 1; i < CONNECTIONS_MAX; i += 1) ask();
    await until(() => clients.every(({ pending }) => !pending));
    const dropped = ask();
    await once(dropped, "close");
    expect(setup.logger.lines).toContain("dropped a client connection: too many are open");
    first.destroy();
    const { url } = setup;
    const isOk = (): Promise<boolean> =>
      fetch(`http://${url}/healthz`).then(
        ({ ok }) => ok,
        () => false,
      );
    await expect.poll(isOk).toBe(true);
  });
});
