import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TXNID_ZERO, type Txnid } from "@quorate/protocol";
import {
  encodeSubscribe,
  encodeTaken,
  NATIVE_OP_AUTH,
  NATIVE_OP_SUBSCRIBE,
  NATIVE_OP_TAKEN,
} from "@quorate/codec";
import { Perms } from "@quorate/znode";
import { embed, type EmbeddedNode } from "../src/index.js";
import { RawClient, until } from "./support.js";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const BOB = "bob:secret";
const AUTH = [{ perms: Perms.all, scheme: "auth", id: "" }];
const OPEN = [{ perms: Perms.all, scheme: "world", id: "anyone" }];

let dataDir = "";
let node: EmbeddedNode;

async function start(zookeeper: object = {}): Promise<void> {
  node = await embed({ dataDir, zookeeper });
  await node.ready();
  await node.client.addAuth("digest", BOB);
}

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "quorate-rights-"));
});

afterEach(async () => {
  await node.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const portOf = (): string => `127.0.0.1:${node.requestAddress.port}`;

/** What a client of the native port hears up to the node `/end`, as kinds and paths. */
async function heard(proof: string | null, after: Txnid = TXNID_ZERO): Promise<string[]> {
  using client = await RawClient.connect(portOf());
  if (proof !== null) {
    client.send({ id: 1, op: NATIVE_OP_AUTH, key: "digest", content: text(proof) });
  }
  client.send({ id: 2, op: NATIVE_OP_SUBSCRIBE, key: "", content: encodeSubscribe(after) });
  const all = (): string[] =>
    client.events
      .flatMap(({ events }) => events)
      .flatMap(({ operations }) => operations.map(({ kind, path }) => `${kind} ${path}`));
  await until(() => all().includes("create /end"));
  return all();
}

/** The same as an HTTP client has it; the status if it is refused. */
async function watched(credentials: string | null): Promise<string[] | number> {
  const headers: Record<string, string> =
    credentials === null ? {} : { authorization: `Basic ${btoa(credentials)}` };
  const aborter = new AbortController();
  const { signal } = aborter;
  const response = await fetch(`http://${portOf()}/watch?from=e0:0`, { headers, signal });
  if (!response.ok || response.body === null) return response.status;
  let body = "";
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  while (!body.includes('"/end"')) body += decoder.decode((await reader.read()).value);
  aborter.abort();
  return [...body.matchAll(/"kind":"(\w+)","path":"([^"]*)"/g)].map(
    ([, kind = "", path = ""]) => `${kind} ${path}`,
  );
}

/** Open and private nodes, that stay, that go, that change hands, and both in one transaction. */
async function live(): Promise<void> {
  const { client } = node;
  await client.create("/open", text("o"));
  await client.create("/private", text("hunter2"), { acl: AUTH });
  await client.set("/private", text("hunter3"));
  await client.create("/private/below", text("o"));
  await client.create("/gone", text("hunter2"), { acl: AUTH });
  await client.delete("/gone");
  await client.create("/was", text("o"));
  await client.delete("/was");
  await client.multi([
    { kind: "create", path: "/multi-open" },
    { kind: "create", path: "/multi-private", data: text("hunter2"), acl: AUTH },
  ]);
  await client.create("/later", text("hunter2"), { acl: AUTH });
  await client.setAcl("/later", OPEN);
  await client.create("/end");
}

const OF_ALL = [
  "create /open",
  "create /private",
  "set /private",
  "create /private/below",
  "create /gone",
  "delete /gone",
  "create /was",
  "delete /was",
  "create /multi-open",
  "create /multi-private",
  "create /later",
  "setAcl /later",
  "create /end",
];

/** What of it everybody may hear of: those who could read the node then. */
const OPEN_ONES = [
  "create /open",
  "create /private/below",
  "create /was",
  "delete /was",
  "create /multi-open",
  "setAcl /later",
  "create /end",
];

describe("those who follow what is committed", () => {
  it("hear of what they may read, as of then, and the host's own program of everything", async () => {
    await start();
    const events = node.subscribe();
    await live();
    expect(await heard(null)).toEqual(OPEN_ONES);
    expect(await watched(null)).toEqual(OPEN_ONES);
    expect(await watched("eve:secret")).toEqual(OPEN_ONES);
    expect(await heard(BOB)).toEqual(OF_ALL);
    expect(await watched(BOB)).toEqual(OF_ALL);
    const own: string[] = [];
    for await (const { operations } of events) {
      own.push(...operations.map(({ kind, path }) => `${kind} ${path}`));
      if (own.includes("create /end")) break;
    }
    expect(own).toEqual(OF_ALL);
  });

  it("hear of the same of what was before the node came up: the log says who may read", async () => {
    await start();
    await live();
    await node.close();
    await start();
    expect(await heard(null)).toEqual(OPEN_ONES);
    expect(await heard(BOB)).toEqual(OF_ALL);
  });

  it("hear of the end of a session by what each of its nodes was", async () => {
    await start();
    const session = await node.session();
    await session.addAuth("digest", BOB);
    await session.create("/mine", text("hunter2"), { mode: "ephemeral", acl: AUTH });
    await session.create("/ours", text("o"), { mode: "ephemeral" });
    await session.close();
    await node.client.create("/end");
    expect(await heard(null)).toEqual(["create /ours", "delete /ours", "create /end"]);
    expect(await heard(BOB)).toEqual([
      "create /mine",
      "create /ours",
      "delete /mine",
      "delete /ours",
      "create /end",
    ]);
  });

  it("are told how far it has come also where they may hear of nothing", async () => {
    await start();
    await node.client.create("/private", text("hunter2"), { acl: AUTH });
    using client = await RawClient.connect(portOf());
    client.send({ id: 2, op: NATIVE_OP_SUBSCRIBE, key: "", content: encodeSubscribe(null) });
    await until(() => client.events.length === 1);
    const from = client.events[0]?.upTo ?? TXNID_ZERO;
    // What is on its way takes the mark along; so this one is done.
    client.send({ id: 2, op: NATIVE_OP_TAKEN, key: "", content: encodeTaken(from) });
    const { txnid } = await node.client.set("/private", text("hunter3"));
    await until(() => client.events.at(-1)?.upTo === txnid);
    expect(client.events.flatMap(({ events }) => events)).toEqual([]);
  });

  it("are asked for an identity over HTTP as anywhere else, and may give it there", async () => {
    await start({ requiredSchemes: ["digest"] });
    await node.client.create("/end");
    const response = await fetch(`http://${portOf()}/watch?from=e0:0`);
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toBe('Basic realm="quorate", charset="UTF-8"');
    expect(await response.json()).toMatchObject({ error: { code: "ERR_SESSION_AUTH_REQUIRED" } });
    expect(await watched(BOB)).toEqual(["create /end"]);
    using client = await RawClient.connect(portOf());
    const content = encodeSubscribe(TXNID_ZERO);
    client.send({ id: 2, op: NATIVE_OP_SUBSCRIBE, key: "", content });
    await until(() => client.replies.length === 1);
    expect(client.replies).toMatchObject([{ error: { code: "ERR_SESSION_AUTH_REQUIRED" } }]);
    expect(client.events).toEqual([]);
  });
});
