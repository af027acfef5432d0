import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import {
  FrameDecoder,
  JuteReader,
  JuteWriter,
  ReplyHeader,
  RequestHeader,
  requestRecords,
  responseRecords,
  ZkOp,
} from "@quorate/zookeeper";
import { afterEach, beforeEach, expect, it } from "vitest";
import { runSyncReads, type SyncReadResult } from "../src/sessions/sync-read.js";
import type { Victims } from "../src/sessions/victims.js";

const NOTHING = new Uint8Array(0);
const stat = {
  czxid: 1n,
  mzxid: 1n,
  ctime: 1,
  mtime: 1,
  version: 0,
  cversion: 0,
  aversion: 0,
  ephemeralOwner: 0n,
  dataLength: 0,
  numChildren: 0,
  pzxid: 1n,
};

let data: Uint8Array = NOTHING;
let shown: Uint8Array = NOTHING;
/** Whether reads show what was written last, or what was there at first. */
let isHonest = true;
let zxid = 1n;
let mzxid = 1n;
const sockets = new Set<Socket>();

/** A server of one node, as far as a counter needs it. */
const server = createServer((socket) => {
  sockets.add(socket);
  const decoder = new FrameDecoder(1_000_000);
  let isIntroduced = false;
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk) => {
    decoder.push(chunk);
    for (let packet = decoder.next(); packet !== null; packet = decoder.next()) {
      const writer = new JuteWriter();
      const at = writer.beginFrame();
      if (isIntroduced) answer(packet, writer);
      else introduce(writer);
      isIntroduced = true;
      writer.endFrame(at);
      socket.write(writer.bytes().slice());
    }
  });
});

function introduce(writer: JuteWriter): void {
  writer.int(0);
  writer.int(10_000);
  writer.long(7n);
  writer.buffer(new Uint8Array(16));
  writer.boolean(false);
}

function answer(packet: Uint8Array, writer: JuteWriter): void {
  const reader = new JuteReader(packet);
  const { xid, type } = RequestHeader.read(reader);
  const request = requestRecords.get(type)?.read(reader) as { path: string; data: Uint8Array };
  if (type === ZkOp.create || type === ZkOp.setData) {
    zxid += 1n;
    mzxid = zxid;
    data = request.data.slice();
    if (isHonest || type === ZkOp.create) shown = data;
  }
  ReplyHeader.write(writer, { xid, zxid, err: 0 });
  // The Stat says the truth all the same: the value alone has to give the server away.
  const value = { path: request.path, data: shown, stat: { ...stat, mzxid } };
  responseRecords.get(type)?.write(writer, value);
}

let address = "";

beforeEach(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  server.close();
  await once(server, "close");
});

function run(): Promise<SyncReadResult> {
  const victims = { servers: [address] } as unknown as Victims;
  return runSyncReads({
    victims,
    readers: 2,
    rounds: 2,
    roundMs: 150,
    faults: ["none"],
    timeoutMs: 10_000,
    seed: 1,
    onRound: () => undefined,
  });
}

it("has nothing to say of reads that show what was acknowledged", async () => {
  isHonest = true;
  const { writes, reads, stale, problems } = await run();
  expect({ stale, problems }).toEqual({ stale: [], problems: [] });
  expect(writes).toBeGreaterThan(2);
  expect(reads).toBeGreaterThan(10);
});

it("finds reads behind a sync that show less than was acknowledged before it", async () => {
  isHonest = false;
  const { stale } = await run();
  expect(stale.length).toBeGreaterThan(0);
  expect(stale[0]).toMatch(/^reader \d at 127.0.0.1:\d+ read 0, due was \d+$/);
});
