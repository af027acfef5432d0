import { describe, expect, it } from "vitest";
import { makeTxnid, TXNID_ZERO, type Txnid } from "@quorate/protocol";
import {
  encodeSubscribe,
  encodeTaken,
  NATIVE_OP_SUBSCRIBE,
  NATIVE_OP_TAKEN,
  NATIVE_OP_UNSUBSCRIBE,
} from "@quorate/codec";
import { ZnodeOp } from "@quorate/znode";
import { CONNECTION_SUBSCRIPTIONS_MAX, WINDOW_BYTES } from "../src/feed/limits.js";
import { FakeOp, openTestPort, RawClient, until, type PortSetup } from "./support.js";

function subscribe(client: RawClient, id: number, prefix: string, after: Txnid | null): void {
  client.send({ id, op: NATIVE_OP_SUBSCRIBE, key: prefix, content: encodeSubscribe(after) });
}

function taken(client: RawClient, id: number, upTo: Txnid): void {
  client.send({ id, op: NATIVE_OP_TAKEN, key: "", content: encodeTaken(upTo) });
}

function say(setup: PortSetup, key: string, bytes = 3): Txnid {
  return setup.server.committed.append([
    { op: ZnodeOp.broadcast, key, content: new Uint8Array(bytes) },
  ]);
}

const pathsOf = (client: RawClient, id: number): string[] =>
  client.events
    .filter((message) => message.id === id)
    .flatMap(({ events }) => events.flatMap(({ operations }) => operations.map((one) => one.path)));

describe("subscriptions on the native port", () => {
  it("say where they start, then what matches, beside other requests", async () => {
    await using setup = await openTestPort();
    using client = await RawClient.connect(setup.url);
    const before = say(setup, "a");
    subscribe(client, 5, "a", TXNID_ZERO);
    subscribe(client, 6, "b", null);
    client.send({ id: 7, op: FakeOp.write });
    await until(() => client.events.length >= 3 && client.replies.length === 1);
    const last = say(setup, "b");
    await until(() => pathsOf(client, 6).length === 1);
    expect(pathsOf(client, 5)).toEqual(["a"]);
    expect(client.events.filter(({ id }) => id === 6)).toMatchObject([
      { upTo: before, events: [] },
      { upTo: last, events: [{ txnid: last }] },
    ]);
  });

  it("send large pages in pieces that are whole again at the client", async () => {
    await using setup = await openTestPort();
    using client = await RawClient.connect(setup.url);
    const last = say(setup, "a", 900_000);
    subscribe(client, 1, "", TXNID_ZERO);
    await until(() => client.events.length === 2);
    const [event] = client.events[1]?.events ?? [];
    expect(event?.txnid).toBe(last);
    expect(event?.operations[0]).toMatchObject({ kind: "broadcast", data: { length: 900_000 } });
  });

  it("send no more than the window of one that takes nothing", async () => {
    await using setup = await openTestPort();
    using client = await RawClient.connect(setup.url);
    for (let i = 0; i < 20; i += 1) say(setup, "a", 200_000);
    subscribe(client, 1, "", TXNID_ZERO);
    await until(() => client.events.length === 3);
    client.send({ id: 2 });
    await until(() => client.replies.length === 1);
    expect(setup.feed.inFlightBytes).toBeLessThan(WINDOW_BYTES + 500_000);
    while (pathsOf(client, 1).length < 20) {
      const last = client.events.at(-1)?.upTo ?? TXNID_ZERO;
      taken(client, 1, last);
      await until(() => client.events.at(-1)?.upTo !== last);
    }
    taken(client, 1, setup.server.committed.head);
    await until(() => setup.feed.inFlightBytes === 0);
  });

  it("end when asked to, and when their connection does", async () => {
    await using setup = await openTestPort();
    using client = await RawClient.connect(setup.url);
    subscribe(client, 1, "", null);
    subscribe(client, 2, "", null);
    await until(() => client.events.length === 2);
    client.send({ id: 1, op: NATIVE_OP_UNSUBSCRIBE, key: "", content: new Uint8Array(0) });
    await until(() => client.replies.length === 1);
    say(setup, "a");
    await until(() => client.events.length === 3);
    expect(client.events[2]?.id).toBe(2);
    client.socket.terminate();
    await until(() => setup.feed.subscriptionCount === 0);
  });

  it("are refused or ended under their id, with the code of the reason", async () => {
    await using setup = await openTestPort();
    using client = await RawClient.connect(setup.url);
    setup.server.ready = false;
    subscribe(client, 1, "", null);
    subscribe(client, 2, "/a/", TXNID_ZERO);
    client.send({ id: 3, op: NATIVE_OP_SUBSCRIBE, key: "", content: new Uint8Array(3) });
    subscribe(client, 4, "", TXNID_ZERO);
    await until(() => client.replies.length === 3 && client.events.length === 1);
    setup.server.committed.installSnapshot(4);
    await until(() => client.replies.length === 4);
    setup.server.ready = true;
    for (let id = 10; id <= 10 + CONNECTION_SUBSCRIPTIONS_MAX; id += 1) {
      subscribe(client, id, "", null);
    }
    await until(() => client.replies.length === 5);
    const ends = client.replies.map((reply) => [reply.id, reply.ok ? "" : reply.error.code]);
    expect(ends).toEqual([
      [1, "ERR_SERVER_NOT_READY"],
      [2, "ERR_ARG_VALUE"],
      [3, "ERR_ARG_VALUE"],
      [4, "ERR_CLIENT_COMPACTED"],
      [10 + CONNECTION_SUBSCRIPTIONS_MAX, "ERR_SERVER_BUSY"],
    ]);
    const [, , , compacted] = client.replies;
    expect(compacted?.ok === false && compacted.error.details).toEqual({ oldest: "e1:4" });
  });

  it("are told that the server stops", async () => {
    await using setup = await openTestPort();
    using client = await RawClient.connect(setup.url);
    subscribe(client, 1, "", makeTxnid(1, 5));
    await until(() => client.events.length === 1);
    setup.feed.close();
    await setup.port.close();
    await until(() => client.closeCode !== null);
    expect(client.replies).toMatchObject([{ id: 1, error: { code: "ERR_SERVER_CLOSED" } }]);
  });

  it("close the connection of a client that uses an id twice", async () => {
    await using setup = await openTestPort();
    using client = await RawClient.connect(setup.url);
    subscribe(client, 1, "", null);
    subscribe(client, 1, "", null);
    await until(() => client.closeCode !== null);
    expect(setup.feed.subscriptionCount).toBe(0);
    expect(setup.logger.lines).toContain("closed a client connection: an id is in use");
  });

  it("cost a client that floods its port nothing but itself", async () => {
    await using setup = await openTestPort();
    using flooding = await RawClient.connect(setup.url);
    using other = await RawClient.connect(setup.url);
    subscribe(other, 1, "", null);
    for (let i = 0; i < 20_000; i += 1) {
      const op = i % 2 === 0 ? NATIVE_OP_SUBSCRIBE : NATIVE_OP_UNSUBSCRIBE;
      flooding.send({ id: i >> 1, op, key: `${i >> 6}`, content: encodeSubscribe(null) });
    }
    await until(() => other.events.length === 1);
    say(setup, "a");
    await until(() => other.events.length === 2);
    expect(setup.feed.subscriptionCount).toBeLessThanOrEqual(1 + CONNECTION_SUBSCRIPTIONS_MAX);
    await until(() => flooding.replies.length === 10_000);
    expect(flooding.closeCode).toBeNull();
  });
});

describe("a thousand subscribers that read nothing", () => {
  it("cost the memory of one: what they share is not copied for each", async () => {
    await using setup = await openTestPort();
    const clients: RawClient[] = [];
    for (let i = 0; i < 40; i += 1) {
      const client = await RawClient.connect(setup.url);
      clients.push(client);
      for (let id = 1; id <= 25; id += 1) subscribe(client, id, "a", null);
    }
    await until(() => clients.every(({ events }) => events.length === 25));
    expect(setup.feed.subscriptionCount).toBe(1000);
    for (const { socket } of clients) socket.pause();
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 40; i += 1) {
      say(setup, "a", 250_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => setup.feed.inFlightBytes >= WINDOW_BYTES);
    // A copy for each would be 1000 windows: half a gigabyte, and more.
    expect(setup.feed.inFlightBytes).toBeLessThan(WINDOW_BYTES + 600_000);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(60_000_000);
    for (const { socket } of clients) socket.terminate();
    await until(() => setup.feed.subscriptionCount === 0);
    expect(setup.feed.inFlightBytes).toBe(0);
  });
});
