import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import {
  errorCodeOf,
  makeTxnid,
  QuorateError,
  silentLogger,
  TXNID_ZERO,
  type OpenStore,
} from "@quorate/protocol";
import { ZnodeOp } from "@quorate/znode";
import { runNode, type NodeParts } from "../src/run-node.js";
import { FakeOp, FakeServer, RawClient, testConfig, until } from "./support.js";

const logger = { ...silentLogger, close: () => Promise.resolve() };
const noStore: OpenStore = () => Promise.reject(new Error("no store here"));

function partsOf(server: FakeServer, over: Partial<NodeParts> = {}): NodeParts {
  return {
    startServer: () => Promise.resolve(server),
    createOpenStore: () => noStore,
    logger,
    ...over,
  };
}

describe("a running node", () => {
  it("serves clients until it is stopped, and drains before it closes", async () => {
    const server = new FakeServer();
    const node = await runNode(testConfig(), partsOf(server));
    using client = await RawClient.connect(`127.0.0.1:${node.requestAddress.port}`);
    client.send({ id: 1, op: FakeOp.write });
    await until(() => client.replies.length === 1);
    await node.stop();
    expect(await node.done).toEqual({ kind: "stopped" });
    expect(server.stops).toBe(1);
    await until(() => client.closeCode !== null);
    await expect(RawClient.connect(`127.0.0.1:${node.requestAddress.port}`)).rejects.toThrow();
  });

  it("tells that it is starting while its store is verified", async () => {
    const server = new FakeServer();
    let start = (): void => undefined;
    let port = 0;
    const probe = createServer().listen(0, "127.0.0.1");
    await once(probe, "listening");
    port = (probe.address() as AddressInfo).port;
    probe.close();
    await once(probe, "close");
    const host = { electionAddr: "0", messageAddr: "0", requestAddr: String(port) };
    const starting = runNode(
      testConfig({ host }),
      partsOf(server, {
        startServer: () =>
          new Promise((resolve) => {
            start = () => resolve(server);
          }),
      }),
    );
    const status = async (): Promise<{ standing: string; ready: boolean }> =>
      (await (await fetch(`http://127.0.0.1:${port}/status`)).json()) as never;
    let seen = await status().catch(() => null);
    while (seen === null) seen = await status().catch(() => null);
    expect(seen).toMatchObject({ standing: "starting", role: "electing", ready: false });
    using client = await RawClient.connect(`127.0.0.1:${port}`);
    client.send({ id: 1 });
    await until(() => client.replies.length === 1);
    expect(client.replies[0]).toMatchObject({ error: { code: "ERR_SERVER_NOT_READY" } });
    start();
    const node = await starting;
    expect(await status()).toMatchObject({ standing: "member", ready: true });
    await node.stop();
  });

  it("is followed in-process: from a txnid, by prefix, until it is enough", async () => {
    const server = new FakeServer();
    const node = await runNode(testConfig(), partsOf(server));
    const say = (key: string): unknown =>
      server.committed.append([{ op: ZnodeOp.broadcast, key, content: new Uint8Array(1) }]);
    say("a");
    server.ready = false;
    const seen: string[] = [];
    const live = node.subscribe({ prefix: "a" });
    for await (const { operations } of node.subscribe({ prefix: "a", from: TXNID_ZERO })) {
      seen.push(...operations.map(({ path }) => path));
      if (seen.length === 3) break;
      say("b");
      say("a/x");
    }
    expect(seen).toEqual(["a", "a/x", "a/x"]);
    expect((await live.next()).value).toMatchObject({ txnid: makeTxnid(1, 3) });
    const marks = node.subscribe({ from: makeTxnid(1, 5), bookmarks: true });
    expect((await marks.next()).value).toEqual({ txnid: makeTxnid(1, 5), operations: [] });
    const abort = new AbortController();
    const aborted = node.subscribe({ signal: abort.signal }).next();
    abort.abort();
    await expect(aborted).rejects.toMatchObject({ code: "ERR_CLIENT_ABORTED" });
    await expect(node.subscribe({ signal: abort.signal }).next()).rejects.toThrow(/aborted/);
    await expect(node.subscribe({ prefix: "/a/" }).next()).rejects.toThrow(/prefix/);
    const ended = marks.next();
    await node.stop();
    await expect(ended).rejects.toMatchObject({ code: "ERR_SERVER_CLOSED" });
  });

  it("gives its server the role, the custom handler and the authentication", async () => {
    const customHandler = { onNewRequest: () => undefined, attach: () => undefined };
    const authenticate = (): Promise<void> => Promise.resolve();
    const given: unknown[] = [];
    const voter = { id: 2, electionAddr: "1", messageAddr: "2", requestAddr: "3" };
    const node = await runNode(
      testConfig({ role: "watcher", peers: [voter] }),
      partsOf(new FakeServer(), {
        customHandler,
        authenticate,
        startServer: (options, deps) => {
          given.push(options.role, options.voters, deps.customHandler, deps.authenticate);
          return Promise.resolve(new FakeServer());
        },
      }),
    );
    expect(given).toEqual(["watcher", [2], customHandler, authenticate]);
    await node.ping();
  });

  it("ends with its server and says why", async () => {
    const server = new FakeServer();
    const node = await runNode(testConfig(), partsOf(server));
    server.fail(new QuorateError("ERR_STORE_IO", "the disk is gone"));
    expect(await node.done).toMatchObject({ kind: "failed", error: { code: "ERR_STORE_IO" } });
  });

  it.each(["electionAddr", "messageAddr", "requestAddr"])(
    "leaves nothing open when its %s is in use",
    async (kind) => {
      const taken =
        kind === "electionAddr" ? createSocket("udp4").bind(0, "127.0.0.1") : createServer();
      if ("listen" in taken) taken.listen(0, "127.0.0.1");
      await once(taken, "listening");
      const { port } = taken.address() as AddressInfo;
      const host = { electionAddr: "0", messageAddr: "0", requestAddr: "0", [kind]: String(port) };
      const started: unknown[] = [];
      const failed: unknown = await runNode(
        testConfig({ host }),
        partsOf(new FakeServer(), {
          startServer: () => {
            started.push(1);
            return Promise.resolve(new FakeServer());
          },
        }),
      ).catch((error: unknown) => error);
      expect(errorCodeOf(failed)).toBe("ERR_SERVER_PORT_IN_USE");
      expect(String(failed)).toContain(String(port));
      expect(started).toEqual([]);
      taken.close();
    },
  );

  it("closes its ports when the store cannot be opened", async () => {
    const locked = new QuorateError("ERR_STORE_LOCKED", "another process has it");
    const failed: unknown = await runNode(
      testConfig(),
      partsOf(new FakeServer(), { startServer: () => Promise.reject(locked) }),
    ).catch((error: unknown) => error);
    expect(failed).toBe(locked);
  });

  it("prints its configuration at start without the secret", async () => {
    const lines: string[] = [];
    const written = {
      ...logger,
      child: () => ({
        ...silentLogger,
        info: (message: string, data?: unknown) =>
          void lines.push(`${message} ${JSON.stringify(data)}`),
      }),
    };
    const secret = "hunter2-hunter2-hunter2";
    const node = await runNode(
      testConfig({ secret }),
      partsOf(new FakeServer(), { logger: written }),
    );
    await node.stop();
    expect(lines[0]).toMatch(/^starting .*"cluster":"quorate"/);
    expect(lines.join()).not.toContain("hunter2");
  });
});
