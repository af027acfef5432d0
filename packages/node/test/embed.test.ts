import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  errorCodeOf,
  OpCode,
  QuorateError,
  type CustomState,
  type LogEntryMsg,
} from "@quorate/protocol";
import { embed, embedEnsemble, type EmbeddedNode } from "../src/index.js";
import { RawClient, until } from "./support.js";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const string = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const ECHO = 60;
const FAIL = 61;
const ADD = 70;
const SUM = 71;

let dataDir = "";
let nodes: EmbeddedNode[] = [];
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "quorate-embed-"));
  nodes = [];
});
afterEach(async () => {
  await Promise.all(nodes.map((node) => node.close()));
  rmSync(dataDir, { recursive: true, force: true });
});

async function one(...args: Parameters<typeof embed> extends [unknown, ...infer R] ? R : never) {
  const node = await embed({ dataDir }, ...args);
  nodes.push(node);
  return node;
}

async function three(
  ...args: Parameters<typeof embedEnsemble> extends [unknown, unknown, ...infer R] ? R : never
) {
  nodes = await embedEnsemble(3, { dataDir }, ...args);
  await Promise.all(nodes.map((node) => node.ready()));
  return nodes;
}

class Counter implements CustomState {
  readonly writes = [ADD];
  readonly reads = [SUM];
  sum = 0;
  apply = ({ content }: LogEntryMsg): Uint8Array => {
    this.sum += content[0] ?? 0;
    return new Uint8Array([this.sum]);
  };
  read = () => ({ ok: true, content: new Uint8Array([this.sum]) }) as const;
  save = (): Uint8Array => new Uint8Array([this.sum]);
  load = (saved: Uint8Array | null): void => void (this.sum = saved?.[0] ?? 0);
}

describe("an embedded node", () => {
  it("serves ZooKeeper's clients on its one port, and ends them when it closes", async () => {
    const node = await one();
    await node.ready();
    await node.client.create("/a", text("x"));
    const { port } = node.requestAddress;
    const ask = connect(port, "127.0.0.1");
    ask.end("srvr");
    const answer = (await ask.toArray()).join("");
    expect(answer).toMatch(/^Zookeeper version: 3\.9\.\d/);
    expect(answer).toMatch(/Mode: standalone\nNode count: 5\n$/);

    const client = connect(port, "127.0.0.1");
    // No session yet, 4 s, no password, not read-only.
    client.write(
      Buffer.from(
        `0000002d${"00".repeat(12)}00000fa0${"00".repeat(8)}00000010${"00".repeat(17)}`,
        "hex",
      ),
    );
    const [reply] = (await once(client, "data")) as [Buffer];
    expect([reply.length, reply.readInt32BE(8), reply.readUInt8(12)]).toEqual([41, 4000, 1]);
    const closed = once(client, "close");
    client.resume();
    await node.close();
    await closed;
  });

  it("is a whole server with a client of its own, and goes on with its data", async () => {
    const node = await one();
    await node.client.create("/greeting", text("hello"));
    await node.client.set("/greeting", text("again"), { version: 0 });
    await node.close();
    await using back = await embed({ dataDir });
    const { data, stat } = await back.client.get("/greeting", { linearizable: true });
    expect([string(data), stat.version]).toEqual(["again", 1]);
    expect((await back.client.children("/")).children).toContain("greeting");
    await expect(back.client.create("/greeting")).rejects.toMatchObject({
      code: "ERR_ZNODE_NODE_EXISTS",
    });
  });

  it("lists more children to its own program than fit a frame of native clients", async () => {
    const node = await one();
    await node.ready();
    const names = Array.from({ length: 160 }, (_, i) => String(i).padStart(20_000, "n"));
    await Promise.all(names.map((name) => node.client.create(`/${name}`)));
    const { children } = await node.client.children("/");
    expect(children).toHaveLength(names.length + 1);
    using client = await RawClient.connect(`127.0.0.1:${node.requestAddress.port}`);
    client.send({ id: 1, op: OpCode.children, key: "/", content: new Uint8Array(0) });
    client.send({ id: 2, op: OpCode.exists, key: "/", content: new Uint8Array(0) });
    await until(() => client.replies.length === 2);
    expect(client.replies).toMatchObject([
      { id: 1, ok: false, error: { code: "ERR_ARG_TOO_LARGE" } },
      { id: 2, ok: true },
    ]);
  });

  it("lets a read see the writes that were asked for before it", async () => {
    const { client } = await one();
    const writes = Array.from({ length: 20 }, (_, i) => client.create(`/n${i}`, text(String(i))));
    const read = client.get("/n19");
    expect(string((await read).data)).toBe("19");
    await Promise.all(writes);
  });

  it("tells what is committed, in-process", async () => {
    const node = await one();
    await node.ready();
    const events = node.subscribe({ prefix: "/a" });
    await node.client.create("/a", text("x"));
    const { value } = await events.next();
    expect(value?.operations).toMatchObject([{ kind: "create", path: "/a" }]);
    await node.close();
    await expect(events.next()).rejects.toMatchObject({ code: "ERR_SERVER_CLOSED" });
  });

  it("is closed twice, while it elects, by a signal, and refuses what comes then", async () => {
    const aborter = new AbortController();
    // Two of its three voters are nowhere: it elects for ever.
    const peers = [1, 2, 3].map((id) => ({
      id,
      electionAddr: `127.0.0.1:${id === 1 ? 0 : 2 * id}`,
      messageAddr: `127.0.0.1:${id === 1 ? 0 : 2 * id}`,
      requestAddr: `127.0.0.1:${id === 1 ? 0 : 2 * id + 1}`,
    }));
    const node = await embed({ dataDir, nodeId: 1, peers }, { signal: aborter.signal });
    nodes.push(node);
    expect(node.status()).toMatchObject({ role: "electing", ready: false });
    await expect(node.ready({ timeoutMs: 30 })).rejects.toMatchObject({
      code: "ERR_SERVER_NOT_READY",
      retryable: true,
    });
    const waiting = node.client.get("/x");
    aborter.abort();
    await expect(waiting).rejects.toMatchObject({ code: "ERR_SERVER_CLOSED" });
    await Promise.all([node.close(), node.close()]);
    await node.close();
    expect(await node.done).toEqual({ kind: "stopped" });
    await expect(node.client.get("/x")).rejects.toMatchObject({ code: "ERR_SERVER_CLOSED" });
    await expect(embed({ dataDir }, { signal: aborter.signal })).rejects.toMatchObject({
      code: "ERR_SERVER_CLOSED",
    });
  });

  it("says by a code which port or directory is in use, and leaves nothing open", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as AddressInfo;
    const host = { electionAddr: "0", messageAddr: "0", requestAddr: String(port) };
    const failed = await embed({ dataDir, host }).catch((error: unknown) => error);
    expect(errorCodeOf(failed)).toBe("ERR_SERVER_PORT_IN_USE");
    expect(String(failed)).toContain(String(port));
    taken.close();
    const node = await one();
    const second = await embed({ dataDir }).catch((error: unknown) => error);
    expect(errorCodeOf(second)).toBe("ERR_STORE_LOCKED");
    await node.client.create("/still");
  });

  it("refuses wrong settings before anything is opened", async () => {
    await expect(embed({})).rejects.toMatchObject({ code: "ERR_CONFIG_VALUE" });
    await expect(embed({ dataDir, datadir: "x" })).rejects.toMatchObject({
      code: "ERR_CONFIG_UNKNOWN_KEY",
    });
    const handlers = { 7: () => new Uint8Array() };
    await expect(embed({ dataDir }, { handlers })).rejects.toMatchObject({
      code: "ERR_CONFIG_VALUE",
    });
  });

  it("bounds each call by time and signal, and says what is not known", async () => {
    const { client } = await one({ handlers: { [ECHO]: () => new Promise(() => undefined) } });
    const call = client.custom(ECHO, "k", text("x"), { timeoutMs: 20 });
    await expect(call).rejects.toMatchObject({ code: "ERR_CLIENT_OUTCOME_UNKNOWN" });
    const aborter = new AbortController();
    const { signal } = aborter;
    const aborted = client.custom(ECHO, "k", text("x"), { signal });
    aborter.abort();
    await expect(aborted).rejects.toMatchObject({
      code: "ERR_CLIENT_OUTCOME_UNKNOWN",
      cause: { code: "ERR_CLIENT_ABORTED" },
    });
    await expect(client.get("/", { signal })).rejects.toMatchObject({ code: "ERR_CLIENT_ABORTED" });
  });
});

describe("three embedded nodes", () => {
  it("are an ensemble: every node writes, each reads, and a reset ends no term", async () => {
    const all = await three();
    for (const [i, { client }] of all.entries()) await client.create(`/n${i}`);
    for (const { client } of all) {
      const { children } = await client.children("/", { linearizable: true });
      expect(children).toEqual(["n0", "n1", "n2", "zookeeper"]);
    }
    await Promise.all(all.map((node) => node.ping()));
    const before = all.map((node) => node.status()?.epoch);
    const leader = all.find((node) => node.status()?.role === "leading");
    leader?.resetConnections();
    await leader?.client.create("/during");
    const isBack = (): boolean => all.every((node) => node.status()?.ready === true);
    while (!isBack()) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(all.map((node) => node.status()?.epoch)).toEqual(before);
    expect(leader?.status()?.role).toBe("leading");
  });

  it("answer operations of the program's own, logged or not, asked at any of them", async () => {
    const counters: Counter[] = [];
    const all = await three((nodeId) => ({
      handlers: {
        [ECHO]: async ({ fid, content }) =>
          Promise.resolve(text(`${nodeId}<${fid}:${string(content)}`)),
        [FAIL]: () => {
          throw new Error("not today");
        },
      },
      createCustomState: () => {
        const counter = new Counter();
        counters.push(counter);
        return counter;
      },
    }));
    const leader = all.find((node) => node.status()?.role === "leading")?.status()?.id;
    for (const [i, { client }] of all.entries()) {
      const echoed = await client.custom(ECHO, "k", text("hi"));
      expect(string(echoed)).toBe(`${leader}<${i + 1}:hi`);
      await expect(client.custom(FAIL, "k", text(""))).rejects.toMatchObject({
        code: "ERR_SERVER_CUSTOM_FAILED",
        message: "not today",
      });
      await expect(client.custom(99, "k", text(""))).rejects.toBeInstanceOf(QuorateError);
      expect(await client.custom(ADD, "", new Uint8Array([5]))).toEqual(
        new Uint8Array([5 * (i + 1)]),
      );
    }
    for (const { client } of all) {
      expect((await client.custom(SUM, "", text("")))[0]).toBeGreaterThanOrEqual(5);
    }
    const sums = (): number[] => counters.map(({ sum }) => sum).filter((sum) => sum > 0);
    while (sums().filter((sum) => sum === 15).length < 3) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  });

  it.each([
    ["an object", {}, "a value of type object"],
    ["nothing", undefined, "a value of type undefined"],
    ["null", null, "null"],
    ["text", "done", "a value of type string"],
    ["a promise of text", Promise.resolve("done"), "a value of type string"],
    ["bytes of another kind", new Uint16Array(1), "a value of type object"],
  ])("refuse a handler's answer at once that is %s", async (_, answer, what) => {
    const { client } = await one({ handlers: { [ECHO]: () => answer as Uint8Array } });
    await expect(client.custom(ECHO, "k", text(""))).rejects.toMatchObject({
      code: "ERR_SERVER_CUSTOM_FAILED",
      message: `the handler of operation ${ECHO} must return a Uint8Array, not ${what}`,
    });
  });

  it("go on when the one that leads is closed", async () => {
    const all = await three();
    const leading = all.findIndex((node) => node.status()?.role === "leading");
    await all[leading]?.close();
    const rest = all.filter((_, i) => i !== leading);
    const deadline = performance.now() + 10_000;
    for (;;) {
      try {
        await rest[0]?.client.create("/after");
        break;
      } catch (error) {
        if (errorCodeOf(error) !== "ERR_SERVER_NOT_READY" || performance.now() > deadline)
          throw error;
      }
    }
    expect(await rest[1]?.client.exists("/after", { linearizable: true })).not.toBeNull();
  });
});
