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
  WatcherEvent,
  ZkOp,
  ZkXid,
} from "@quorate/zookeeper";
import { afterEach, beforeEach, expect, it } from "vitest";
import { runIdle, type IdleResult } from "../src/sessions/idle-run.js";
import type { Victims } from "../src/sessions/victims.js";

const COUNT = 7;
const ROOT_NODES = 3;

/** What this server does wrong. */
let fault:
  "none" | "forgets a session" | "forgets an ephemeral" | "forgets watches" | "tells twice";
const sockets = new Set<Socket>();
const watchers = new Set<Socket>();
const nodes = new Set<string>();
let sessions = 0n;
let isAnyForgotten = false;

/** A server of many sessions, as far as idle ones need it. */
const server = createServer((socket) => {
  sockets.add(socket);
  const decoder = new FrameDecoder(1_000_000);
  let isIntroduced = false;
  socket.on("error", () => socket.destroy());
  socket.on("close", () => {
    sockets.delete(socket);
    watchers.delete(socket);
  });
  socket.on("data", (chunk) => {
    decoder.push(chunk);
    for (let packet = decoder.next(); packet !== null; packet = decoder.next()) {
      if (isIntroduced) answer(packet, socket);
      else introduce(packet, socket);
      isIntroduced = true;
    }
  });
});

function send(socket: Socket, write: (writer: JuteWriter) => void): void {
  const writer = new JuteWriter();
  const at = writer.beginFrame();
  write(writer);
  writer.endFrame(at);
  socket.write(writer.bytes().slice());
}

function introduce(packet: Uint8Array, socket: Socket): void {
  const reader = new JuteReader(packet);
  reader.int();
  reader.long();
  reader.int();
  const known = reader.long();
  const isForgotten = fault === "forgets a session" && known !== 0n && !isAnyForgotten;
  if (isForgotten) isAnyForgotten = true;
  if (known === 0n) sessions += 1n;
  send(socket, (writer) => {
    writer.int(0);
    writer.int(isForgotten ? 0 : 10_000);
    writer.long(isForgotten ? 0n : known === 0n ? sessions : known);
    writer.buffer(new Uint8Array(16));
    writer.boolean(false);
  });
}

function answer(packet: Uint8Array, socket: Socket): void {
  const reader = new JuteReader(packet);
  const { xid, type } = RequestHeader.read(reader);
  const request = requestRecords.get(type)?.read(reader) as { path: string; watch?: boolean };
  if (type === ZkOp.create) nodes.add(request.path);
  if (type === ZkOp.getData && request.watch === true) watchers.add(socket);
  if (type === ZkOp.setWatches && fault !== "forgets watches") watchers.add(socket);
  send(socket, (writer) => {
    ReplyHeader.write(writer, { xid, zxid: 1n, err: 0 });
    const stat = { czxid: 1n, mzxid: 1n, ctime: 1, mtime: 1, version: 0, cversion: 0, aversion: 0 };
    const rest = { ephemeralOwner: 0n, dataLength: 0, numChildren: 0, pzxid: 1n };
    const children = [...nodes].slice(ROOT_NODES + (fault === "forgets an ephemeral" ? 1 : 0));
    const value = { path: request?.path, data: null, stat: { ...stat, ...rest }, children };
    responseRecords.get(type)?.write(writer, value);
  });
  if (type === ZkOp.setData) tellOf(request.path);
}

function tellOf(path: string): void {
  for (const socket of watchers) {
    for (let times = fault === "tells twice" ? 2 : 1; times > 0; times -= 1) {
      send(socket, (writer) => {
        ReplyHeader.write(writer, { xid: ZkXid.notification, zxid: -1n, err: 0 });
        WatcherEvent.write(writer, { type: 3, state: 3, path });
      });
    }
  }
}

let address = "";

beforeEach(async () => {
  fault = "none";
  nodes.clear();
  sessions = 0n;
  isAnyForgotten = false;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  server.close();
  await once(server, "close");
});

function run(): Promise<IdleResult> {
  const victims: Victims = {
    servers: [address],
    pids: () => [process.pid],
    leader: () => Promise.resolve(1),
    signal: () => undefined,
    // All of a server's connections end with it.
    kill: async () => {
      const ended = [...sockets].map((socket) => once(socket.destroy(), "close"));
      await Promise.all(ended);
    },
    start: () => undefined,
    untilReady: () => Promise.resolve(),
    logs: () => "",
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const times = { idleMs: 50, settleMs: 100, timeoutMs: 10_000, notifiedMs: 500 };
  return runIdle({ victims, sessions: COUNT, rounds: 2, ...times, onRound: () => undefined });
}

it("has nothing to say of sessions that keep what they have", async () => {
  const { dropped, expired, ephemeralsLeft, notified, problems } = await run();
  expect(problems).toEqual([]);
  expect(dropped).toEqual([COUNT, COUNT]);
  expect({ expired, ephemeralsLeft, notified }).toEqual({
    expired: 0,
    ephemeralsLeft: COUNT,
    notified: COUNT,
  });
});

it("counts a session that expired, whose watch is gone with it", async () => {
  fault = "forgets a session";
  const { problems } = await run();
  expect(problems).toEqual(["1 sessions expired", `${COUNT - 1} watches told of the change once`]);
});

it("counts an ephemeral that is lost", async () => {
  fault = "forgets an ephemeral";
  expect((await run()).problems).toEqual([`${COUNT - 1} ephemerals are left`]);
});

it.each(["forgets watches", "tells twice"] as const)("a server that %s is found", async (what) => {
  fault = what;
  expect((await run()).problems).toEqual(["0 watches told of the change once"]);
});
