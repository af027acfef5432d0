import { createServer, type AddressInfo, type Socket } from "node:net";
import { JuteReader, requestRecords, RequestHeader, ZkOp } from "@quorate/zookeeper";
import { afterEach, describe, expect, it } from "vitest";
import { keyPath, Kind, prepare, runZkLoad, zkTemplates, type LoadOrder } from "../src/index.js";
import { Flight } from "../src/zk/flight.js";
import { ReplyScanner } from "../src/zk/reply-scanner.js";

function reply(xid: number, err: number, bodyBytes: number): Buffer {
  const bytes = Buffer.alloc(20 + bodyBytes, 0x7f);
  bytes.writeInt32BE(16 + bodyBytes, 0);
  bytes.writeInt32BE(xid, 4);
  bytes.writeBigInt64BE(99n, 8);
  bytes.writeInt32BE(err, 16);
  return bytes;
}

describe("the scanner of replies", () => {
  const stream = Buffer.concat([
    reply(1, 0, 80),
    reply(2, -101, 0),
    reply(-1, 0, 30),
    reply(3, 0, 5),
  ]);
  const expected = [
    [1, 0],
    [2, -101],
    [-1, 0],
    [3, 0],
  ];

  it("finds every header, wherever the stream is cut", () => {
    for (let size = 1; size <= stream.length; size += 1) {
      const found: number[][] = [];
      const scanner = new ReplyScanner((xid, err) => found.push([xid, err]));
      for (let at = 0; at < stream.length; at += size) {
        // The bytes are its owner's again after the call.
        const chunk = Buffer.from(stream.subarray(at, at + size));
        scanner.push(chunk);
        chunk.fill(0);
      }
      expect(found).toEqual(expected);
    }
  });

  it("refuses a length that no reply has", () => {
    const scanner = new ReplyScanner(() => undefined);
    const bytes = reply(1, 0, 0);
    bytes.writeInt32BE(3, 0);
    expect(() => scanner.push(bytes)).toThrow("a reply of 3 bytes");
  });
});

describe("a template", () => {
  const data = new Uint8Array([1, 2, 3]);
  const templates = zkTemplates("/some/root", data);

  it.each([
    [Kind.set, ZkOp.setData, { path: keyPath("/some/root", 4_567_890), data, version: -1 }],
    [Kind.get, ZkOp.getData, { path: "/some/root/04567/890", watch: false }],
    [Kind.remove, ZkOp.delete, { path: "/some/root/fresh/04567890", version: -1 }],
  ])("of kind %i is the request that its record would be", (kind, type, value) => {
    const template = templates[kind];
    const target = Buffer.alloc(4096);
    template?.copyTo(target, 7, 12, 4_567_890);
    const length = target.readInt32BE(7);
    const reader = new JuteReader(target.subarray(11, 11 + length));
    expect(RequestHeader.read(reader)).toEqual({ xid: 12, type });
    const read = requestRecords.get(type)?.read(reader) as Record<string, unknown>;
    expect({
      ...read,
      ...("data" in read ? { data: new Uint8Array(read["data"] as Buffer) } : {}),
    }).toEqual(value);
  });
});

it("keeps what is in flight in order, within its capacity", () => {
  const flight = new Flight(3);
  for (let round = 0; round < 5; round += 1) {
    for (let i = 0; i < flight.capacity; i += 1) flight.push(Kind.get, i, i / 2);
    expect(() => flight.push(Kind.get, 0, 0)).toThrow("in flight");
    for (let i = 0; i < flight.capacity; i += 1) {
      flight.shift((kind, key, from) => expect([kind, key, from]).toEqual([Kind.get, i, i / 2]));
    }
  }
  expect(() => flight.shift(() => undefined)).toThrow("nothing is in flight");
});

/** Answers every request, some of them with an error; ends a connection where it is told to. */
async function fakeServer(errAt: (count: number) => number | "end") {
  const sockets = new Set<Socket>();
  let requests = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    let waiting = Buffer.alloc(0);
    let isIntroduced = false;
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      waiting = Buffer.concat([waiting, chunk]);
      while (waiting.length >= 4 && waiting.length >= 4 + waiting.readInt32BE(0)) {
        const length = waiting.readInt32BE(0);
        const xid = waiting.readInt32BE(4);
        waiting = waiting.subarray(4 + length);
        if (!isIntroduced) {
          isIntroduced = true;
          const answer = Buffer.alloc(41);
          answer.writeInt32BE(37, 0);
          answer.writeInt32BE(30_000, 8);
          answer.writeBigInt64BE(77n, 12);
          answer.writeInt32BE(16, 20);
          socket.write(answer);
          continue;
        }
        requests += 1;
        const err = errAt(requests);
        if (err === "end") {
          socket.destroy();
          return;
        }
        socket.write(reply(xid, err, err === 0 ? 80 : 0));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

describe("a load", () => {
  let close: () => void = () => undefined;
  afterEach(() => close());

  const order = (server: string): LoadOrder => ({
    servers: [server],
    connections: 2,
    outstanding: 4,
    workload: "mixed",
    valueBytes: 64,
    keys: 10,
    keyChoice: "uniform",
    ratePerSecond: null,
    requests: null,
    warmUpMs: 50,
    measureMs: 200,
    seed: 1,
    root: "/load",
  });

  it("reports what was done, and refusals by their names", async () => {
    const server = await fakeServer((count) => (count % 10 === 0 ? -127 : 0));
    close = server.close;
    const edges: string[] = [];
    const report = await runZkLoad(order(server.address), { onWindow: (edge) => edges.push(edge) });
    expect(edges).toEqual(["begin", "end"]);
    expect(report.done).toBeGreaterThan(100);
    expect(report.doneByKind["get"]).toBeGreaterThan((report.doneByKind["set"] ?? 0) * 4);
    expect(report.errors["throttled"]).toBeGreaterThan(report.done / 15);
    expect(report).toMatchObject({ unanswered: 0, unsent: 0, connects: 2 });
  });

  it("ends after so many requests, and tells how long they took", async () => {
    const server = await fakeServer(() => 0);
    close = server.close;
    const bounds = { requests: 500, warmUpMs: 0, measureMs: 20_000 };
    const report = await runZkLoad({ ...order(server.address), ...bounds });
    expect(report.done).toBe(500);
    expect(report.seconds).toBeLessThan(10);
    expect(report.seconds).toBeGreaterThan(0);
  });

  it("refuses what is beyond its bounds before it connects", async () => {
    const wrong = { ...order("127.0.0.1:1"), connections: 0 };
    await expect(runZkLoad(wrong)).rejects.toMatchObject({ code: "ERR_ARG_VALUE" });
    const root = { ...order("127.0.0.1:1"), root: "/" };
    await expect(runZkLoad(root)).rejects.toMatchObject({ code: "ERR_ARG_VALUE" });
  });

  it("has its nodes made also when the connection ends meanwhile", async () => {
    let created = 0;
    const server = await fakeServer((count) => {
      created = count;
      return count === 30 ? "end" : 0;
    });
    close = server.close;
    const { root, keys, valueBytes } = { ...order(server.address), keys: 60 };
    await prepare({ servers: [server.address], root, keys, valueBytes });
    // The root, its folder for new nodes, a directory, 60 nodes, what was lost, the session's end.
    expect(created).toBeGreaterThan(64);
  });

  it("looks for its server again when it lost it, and says what it does not know", async () => {
    const server = await fakeServer((count) => (count === 100 ? "end" : 0));
    close = server.close;
    const report = await runZkLoad({ ...order(server.address), warmUpMs: 0 });
    expect(report.connects).toBe(3);
    expect(report.errors["CONNECTION_LOSS"]).toBe(4);
    expect(report.done).toBeGreaterThan(200);
  });
});
