import { describe, expect, it } from "vitest";
import {
  errorCodeOf,
  makeTxnid,
  QuorateError,
  type CommittedEvent,
  type Txnid,
} from "@quorate/protocol";
import { SUBSCRIPTIONS_MAX } from "../src/limits.js";
import { FakeEndpoint, NOW, refusal, until } from "./fake-endpoint.js";
import { openClient } from "./support.js";

const DEAD = "127.0.0.1:1";
const at = (counter: number): Txnid => makeTxnid(7, counter);
const event = (counter: number): CommittedEvent => ({
  txnid: at(counter),
  operations: [{ kind: "delete", path: "/a" }],
});
const echo = (request: { content: Uint8Array }): Uint8Array => request.content;

const compacted = (oldest: string): QuorateError =>
  new QuorateError("ERR_CLIENT_COMPACTED", "gone", { details: { oldest } });

type Events = AsyncIterableIterator<CommittedEvent, undefined>;

async function nextOf(events: Events): Promise<Txnid | undefined> {
  return (await events.next()).value?.txnid;
}

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(
    () => undefined,
    (error: unknown) => errorCodeOf(error),
  );
}

describe("a client's subscription", () => {
  it("asks for its prefix and start, gives what it hears, and tells what was taken", async () => {
    await using server = await FakeEndpoint.open(echo);
    using client = openClient({ servers: [server.url] });
    const events = client.subscribe({ prefix: "/a", from: at(4) });
    await until(() => server.subscriptions.length === 1);
    expect(server.lastSubscription).toMatchObject({ prefix: "/a", after: at(4) });
    server.lastSubscription.send(at(9), [event(5), event(7)]);
    expect([await nextOf(events), await nextOf(events)]).toEqual([at(5), at(7)]);
    const waiting = nextOf(events);
    await until(() => server.taken.at(-1) === at(9));
    server.lastSubscription.send(at(10), [event(10)]);
    expect(await waiting).toBe(at(10));
  });

  it("begins at the call and from now on where nothing is said", async () => {
    await using server = await FakeEndpoint.open(echo);
    using client = openClient({ servers: [server.url] });
    const events = client.subscribe({ bookmarks: true });
    await until(() => server.subscriptions.length === 1);
    expect(server.lastSubscription).toMatchObject({ prefix: "", after: null });
    expect((await events.next()).value).toEqual({ txnid: NOW, operations: [] });
  });

  it("resumes behind what it received when its server dies, elsewhere, without a repeat", async () => {
    await using first = await FakeEndpoint.open(echo);
    await using second = await FakeEndpoint.open(echo);
    using client = openClient({ servers: [first.url, second.url] });
    const events = client.subscribe({ from: at(1) });
    await until(() => first.subscriptions.length === 1);
    first.lastSubscription.send(at(3), [event(2)]);
    expect(await nextOf(events)).toBe(at(2));
    first.lastSubscription.send(at(6));
    const waiting = nextOf(events);
    await until(() => first.taken.at(-1) === at(6));
    first.cut();
    await until(() => second.subscriptions.length === 1);
    expect(second.lastSubscription.after).toBe(at(6));
    second.lastSubscription.send(at(7), [event(7)]);
    expect(await waiting).toBe(at(7));
  });

  it("resumes from where it began although it never heard an event", async () => {
    await using server = await FakeEndpoint.open(echo);
    using client = openClient({ servers: [server.url] });
    const events = client.subscribe({ bookmarks: true });
    expect(await nextOf(events)).toBe(NOW);
    server.cut();
    await until(() => server.subscriptions.length === 2);
    expect(server.lastSubscription.after).toBe(NOW);
  });

  it("takes no more than a window into its buffer, however often it is resumed", async () => {
    await using server = await FakeEndpoint.open(() => refusal("ERR_ZNODE_NO_NODE"));
    using client = openClient({ servers: [server.url] });
    const events = client.subscribe({ from: at(1) });
    await until(() => server.subscriptions.length === 1);
    server.lastSubscription.send(at(3), [event(2), event(3)]);
    expect(await nextOf(events)).toBe(at(2));
    server.cut();
    // Connected again, as a read shows; the subscription waits for its consumer.
    await client.exists("/a");
    expect(server.subscriptions.length).toBe(1);
    expect(await nextOf(events)).toBe(at(3));
    const waiting = nextOf(events);
    await until(() => server.subscriptions.length === 2);
    server.lastSubscription.send(at(4), [event(4)]);
    expect(await waiting).toBe(at(4));
  });

  it("gives what it received before it throws that it was too slow", async () => {
    await using server = await FakeEndpoint.open(echo);
    using client = openClient({ servers: [server.url] });
    const events = client.subscribe({ from: at(1) });
    await until(() => server.subscriptions.length === 1);
    server.lastSubscription.send(at(2), [event(2)]);
    server.lastSubscription.end(refusal("ERR_CLIENT_TOO_SLOW"));
    expect(await nextOf(events)).toBe(at(2));
    expect(await codeOf(events.next())).toBe("ERR_CLIENT_TOO_SLOW");
    expect(await events.next()).toMatchObject({ done: true });
  });

  it("asks the other servers before it gives up what one no longer holds", async () => {
    await using first = await FakeEndpoint.open(echo);
    await using second = await FakeEndpoint.open(echo);
    first.subscribing = ({ end }) => end(compacted("e7:50"));
    using client = openClient({ servers: [first.url, second.url] });
    const events = client.subscribe({ from: at(3) });
    await until(() => second.subscriptions.length === 1);
    second.lastSubscription.send(at(4), [event(4)]);
    expect(await nextOf(events)).toBe(at(4));
    second.subscribing = ({ end }) => end(compacted("e7:40"));
    second.cut();
    const ended: unknown = await events.next().catch((error: unknown) => error);
    expect(ended).toMatchObject({
      code: "ERR_CLIENT_COMPACTED",
      details: { oldest: "e7:40" },
    });
    expect([first.subscriptions.length, second.subscriptions.length]).toEqual([2, 2]);
  });

  it("asks them all before it believes that there is no such txnid", async () => {
    await using first = await FakeEndpoint.open(echo);
    await using second = await FakeEndpoint.open(echo);
    using client = openClient({ servers: [first.url, second.url] });
    const next = codeOf(client.subscribe({ from: at(99) }).next());
    for (const server of [first, second]) {
      await until(() => server.subscriptions.length === 1);
      server.lastSubscription.end(refusal("ERR_ARG_TXNID"));
    }
    expect(await next).toBe("ERR_ARG_TXNID");
  });

  it("turns to another server when its own falls behind, and when it stops", async () => {
    await using first = await FakeEndpoint.open(echo);
    await using second = await FakeEndpoint.open(echo);
    using client = openClient({ servers: [first.url, second.url] });
    const events = client.subscribe({ from: at(1) });
    await until(() => first.subscriptions.length === 1);
    first.lastSubscription.end(refusal("ERR_SERVER_NOT_READY"));
    await until(() => second.subscriptions.length === 1);
    second.lastSubscription.end(refusal("ERR_SERVER_CLOSED"));
    await until(() => first.subscriptions.length === 2);
    first.lastSubscription.send(at(2), [event(2)]);
    expect(await nextOf(events)).toBe(at(2));
  });

  it("waits on a server that is about to be ready", async () => {
    await using server = await FakeEndpoint.open(echo);
    server.subscribing = ({ end }) => end(refusal("ERR_SERVER_NOT_READY"));
    using client = openClient({ servers: [server.url] });
    const events = client.subscribe({ bookmarks: true });
    await until(() => server.subscriptions.length === 1);
    server.subscribing = ({ send }) => send(at(3));
    await until(() => {
      client.clock.advance(50);
      return server.subscriptions.length === 2;
    });
    expect(await nextOf(events)).toBe(at(3));
    expect(server.connections).toBe(1);
  });

  it("notices a server that fell silent", async () => {
    await using server = await FakeEndpoint.open(echo);
    using client = openClient({ servers: [server.url] });
    const events = client.subscribe({ bookmarks: true });
    await nextOf(events);
    server.answersPings = false;
    await until(() => {
      client.clock.advance(100);
      return server.subscriptions.length === 2;
    });
    expect(server.pings).toBeGreaterThan(0);
  });

  it("must begin in time, and then never gives up", async () => {
    using lost = openClient({ servers: [DEAD] });
    const never = codeOf(lost.subscribe({ timeoutMs: 300 }).next());
    let code: string | undefined;
    void never.then((ended) => (code = ended));
    await until(() => {
      lost.clock.advance(50);
      return code !== undefined;
    });
    expect(code).toBe("ERR_CLIENT_UNREACHABLE");
    await using server = await FakeEndpoint.open(echo);
    using client = openClient({ servers: [server.url] });
    const events = client.subscribe({ bookmarks: true, timeoutMs: 300 });
    await nextOf(events);
    server.closesAtOnce = true;
    server.cut();
    const waiting = nextOf(events);
    for (let i = 0; i < 20; i += 1) {
      client.clock.advance(1000);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    server.closesAtOnce = false;
    server.subscribing = ({ send }) => send(at(200), [event(200)]);
    await until(() => {
      client.clock.advance(100);
      return server.subscriptions.length === 2;
    });
    expect(await waiting).toBe(at(200));
  });

  it("ends by its signal, by its client, and by its consumer, and tells the server", async () => {
    await using server = await FakeEndpoint.open(echo);
    using client = openClient({ servers: [server.url] });
    const abort = new AbortController();
    const aborted = client.subscribe({ signal: abort.signal }).next();
    const left = client.subscribe();
    const closed = client.subscribe().next();
    await until(() => server.subscriptions.length === 3);
    abort.abort();
    expect(await codeOf(aborted)).toBe("ERR_CLIENT_ABORTED");
    await left.return?.();
    await until(() => server.unsubscribes === 2);
    client.close();
    expect(await codeOf(closed)).toBe("ERR_CLIENT_CLOSED");
    expect(await codeOf(client.subscribe().next())).toBe("ERR_CLIENT_CLOSED");
    expect(await codeOf(client.subscribe({ signal: abort.signal }).next())).toBe(
      "ERR_CLIENT_CLOSED",
    );
  });

  it("is refused when there are too many, or for what the server says", async () => {
    await using server = await FakeEndpoint.open(echo);
    server.subscribing = ({ end }) => end(refusal("ERR_ARG_VALUE"));
    using client = openClient({ servers: [server.url] });
    expect(await codeOf(client.subscribe({ prefix: "/a/" }).next())).toBe("ERR_ARG_VALUE");
    server.subscribing = ({ send }) => send(at(1));
    for (let i = 0; i < SUBSCRIPTIONS_MAX; i += 1) client.subscribe();
    expect(await codeOf(client.subscribe().next())).toBe("ERR_CLIENT_BUSY");
  });
});
