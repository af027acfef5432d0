import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createClient } from "@quorate/client";
import { EPOCH_HEADROOM } from "../src/import/limits.js";
import { run } from "../src/run.js";
import { startMemoryNode, TestIo, type MemoryNode } from "./memory-node.js";
import { FakeZookeeper, type FakeNode } from "./support/fake-zookeeper.js";

const directory = mkdtempSync(join(tmpdir(), "quorate-import-unit-"));
afterAll(() => rmSync(directory, { recursive: true }));

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const TREE: Readonly<Record<string, FakeNode>> = {
  "/a": { data: bytes("one") },
  "/a/b": { data: bytes("two"), stat: { version: 3 } },
  "/c": {},
};

interface Ran {
  readonly code: number;
  readonly report: Record<string, unknown>;
  readonly err: string;
}

async function importFrom(source: string, target: MemoryNode, ...more: string[]): Promise<Ran> {
  return runWith(new TestIo(), source, target, ...more);
}

async function runWith(io: TestIo, source: string, target: MemoryNode, ...more: string[]) {
  const args = ["import", "--zookeeper", source, "--server", target.url, "--json", ...more];
  const noParts = (): never => {
    throw new Error("no server");
  };
  const code = await run([...args, "--spool-dir", directory], io, noParts);
  const report = (io.text === "" ? {} : JSON.parse(io.text)) as Ran["report"];
  return { code, report, err: io.errText };
}

async function textAt(target: MemoryNode, path: string): Promise<string> {
  const client = createClient({ servers: [target.url] });
  try {
    return Buffer.from((await client.get(path)).data).toString();
  } finally {
    client.close();
  }
}

describe("quorate import", () => {
  it("copies a tree, above the source's epoch, and leaves nothing behind", async () => {
    await using source = await FakeZookeeper.start(TREE);
    await using target = await startMemoryNode();
    const { code, report } = await importFrom(source.address, target);
    expect(code).toBe(0);
    expect(report).toMatchObject({
      nodes: 4,
      added: 4,
      bytes: 6,
      passes: 1,
      changed: 0,
      epoch: 7 + EPOCH_HEADROOM + 1,
      sourceZxid: "0x700000000",
      isSourceNewer: false,
    });
    expect(await textAt(target, "/a/b")).toBe("two");
    expect(readdirSync(directory)).toEqual([]);
    expect(await importFrom(source.address, target, "--verify")).toMatchObject({ code: 0 });
  });

  it("reads again what changes, until it is the tree of one moment", async () => {
    await using source = await FakeZookeeper.start(TREE);
    await using target = await startMemoryNode();
    source.onAsked = (what) => {
      if (what !== "getData /c" || source.zxid !== 7n << 32n) return;
      source.put("/a/b", { data: bytes("newer") });
      source.nodes.delete("/c");
      source.put("/", { stat: { cversion: 5 } });
      source.nodes.set("/late", { data: bytes("late") });
    };
    const { code, report } = await importFrom(source.address, target);
    expect(code).toBe(0);
    expect(report).toMatchObject({ nodes: 4, passes: 2, changed: 0 });
    expect(await textAt(target, "/a/b")).toBe("newer");
    expect(await textAt(target, "/late")).toBe("late");
  });

  it("writes nothing of a source that never holds still, unless told to", async () => {
    await using source = await FakeZookeeper.start(TREE);
    await using target = await startMemoryNode();
    source.onAsked = (what) => {
      if (what.startsWith("sync")) source.put("/a", { data: bytes(String(source.zxid)) });
    };
    const refused = await importFrom(source.address, target, "--passes", "3");
    expect(refused.code).toBe(3);
    expect(refused.err).toContain("ERR_IMPORT_CHANGING");
    await expect(textAt(target, "/a")).rejects.toMatchObject({ code: "ERR_ZNODE_NO_NODE" });
    const more = ["--passes", "3", "--accept-changes"];
    const taken = await importFrom(source.address, target, ...more);
    expect(taken).toMatchObject({ code: 0, report: { changed: 1, isSourceNewer: true } });
  });

  it("refuses what it may not read, or leaves it out with all below", async () => {
    await using source = await FakeZookeeper.start({
      ...TREE,
      "/a": { isHidden: true },
      "/masked": { acl: [{ perms: 1, scheme: "digest", id: "bob:x" }] },
      "/mine": { stat: { ephemeralOwner: 77n } },
    });
    await using target = await startMemoryNode();
    const refused = await importFrom(source.address, target);
    expect(refused.code).toBe(3);
    expect(refused.err).toContain("ERR_IMPORT_UNREADABLE");
    const { code, report } = await importFrom(source.address, target, "--skip-unreadable");
    expect(code).toBe(0);
    expect(report).toMatchObject({ nodes: 2, ephemerals: 1, unreadable: { count: 2 } });
    await expect(textAt(target, "/a/b")).rejects.toMatchObject({ code: "ERR_ZNODE_NO_NODE" });
  });

  it("goes on when connections are lost, on servers that are not behind", async () => {
    await using source = await FakeZookeeper.start(TREE);
    await using target = await startMemoryNode();
    let losses = 2;
    source.onAsked = (what) => {
      if (what !== "getAcl /a/b" || losses === 0) return;
      losses -= 1;
      throw new Error("the connection is lost");
    };
    expect(await importFrom(source.address, target)).toMatchObject({ code: 0 });
    expect(source.lastZxids).toEqual([0n, 7n << 32n, 7n << 32n]);
  });

  it("takes a part of a tree as a whole", async () => {
    await using source = await FakeZookeeper.start({ ...TREE, "/a/zookeeper": {} });
    await using target = await startMemoryNode();
    const { code, report } = await importFrom(`${source.address}/a`, target);
    expect(code).toBe(0);
    expect(report).toMatchObject({ nodes: 2, reserved: { paths: ["/zookeeper"] } });
    expect(await textAt(target, "/b")).toBe("two");
    const absent = await importFrom(`${source.address}/none`, target);
    expect(absent.err).toContain("ERR_ZNODE_NO_NODE");
  });

  it("gives its credentials, from a file or the environment", async () => {
    await using source = await FakeZookeeper.start(TREE);
    await using target = await startMemoryNode();
    const io = new TestIo({ QUORATE_ZOOKEEPER_AUTH: "digest:bob:pw\nip:1" });
    expect((await runWith(io, source.address, target, "--dry-run")).code).toBe(0);
    expect(source.credentials).toEqual(["digest:bob:pw", "ip:1"]);
    const elsewhere = mkdtempSync(join(tmpdir(), "quorate-import-auth-"));
    const authFile = join(elsewhere, "auth");
    writeFileSync(authFile, "digest:bob:wrong");
    source.acceptsCredentials = false;
    const refused = await importFrom(source.address, target, "--auth-file", authFile);
    rmSync(elsewhere, { recursive: true });
    expect(refused.code).toBe(3);
    expect(refused.err).toContain("ERR_SESSION_AUTH_FAILED");
  });

  it("refuses a target that holds a tree of its own, before anything is done", async () => {
    await using source = await FakeZookeeper.start(TREE);
    await using target = await startMemoryNode();
    const client = createClient({ servers: [target.url] });
    await client.create("/own");
    client.close();
    const before = target.server.status().lastApplied;
    for (const more of [[], ["--dry-run"]]) {
      const { code, err } = await importFrom(source.address, target, ...more);
      expect(code).toBe(3);
      expect(err).toContain("ERR_ZNODE_IMPORT_CONFLICT");
    }
    expect(target.server.status().lastApplied).toBe(before);
  });

  it("tells what differs", async () => {
    await using source = await FakeZookeeper.start(TREE);
    await using target = await startMemoryNode();
    await importFrom(source.address, target);
    source.put("/a/b", { data: bytes("other"), stat: { version: 4 } });
    source.put("/new", {});
    source.put("/", { stat: { cversion: 9, pzxid: source.zxid } });
    const { code, report } = await importFrom(source.address, target, "--verify");
    expect(code).toBe(6);
    expect(report["differences"]).toEqual({
      count: 8,
      first: [
        { path: "/", what: "mzxid" },
        { path: "/", what: "children" },
        { path: "/", what: "pzxid" },
        { path: "/", what: "cversion" },
        { path: "/a/b", what: "mzxid" },
        { path: "/a/b", what: "version" },
        { path: "/a/b", what: "data" },
        { path: "/new", what: "missing" },
      ],
    });
  });

  it("knows containers and times to live from a snapshot's print", async () => {
    await using source = await FakeZookeeper.start(TREE);
    await using target = await startMemoryNode();
    const elsewhere = mkdtempSync(join(tmpdir(), "quorate-import-owners-"));
    const owners = join(elsewhere, "snapshot.txt");
    const entry = (path: string, czxid: string, owner: string): string =>
      `${path}\n  cZxid = ${czxid}\n  mZxid = ${czxid}\n  ephemeralOwner = ${owner}\n`;
    const long = "0x8000000000000000";
    // Another /c than the one that is there now keeps its owner to itself.
    writeFileSync(owners, entry("/a", "0x00000700000000", long) + entry("/c", "0x1", long));
    expect((await importFrom(source.address, target, "--owners", owners)).code).toBe(0);
    const client = createClient({ servers: [target.url] });
    expect((await client.exists("/a"))?.ephemeralOwner).toBe(1n << 63n);
    expect((await client.exists("/c"))?.ephemeralOwner).toBe(0n);
    client.close();
    rmSync(elsewhere, { recursive: true });
  });

  it("refuses what makes no sense", async () => {
    await using target = await startMemoryNode();
    const usage = async (...args: string[]): Promise<number> =>
      (await importFrom("127.0.0.1:1", target, ...args)).code;
    expect(await usage("--verify", "--dry-run")).toBe(2);
    expect(await usage("--passes", "0")).toBe(2);
    expect(await usage("--auth-file", join(directory, "none"))).toBe(2);
    expect((await importFrom("127.0.0.1:1/a//b", target)).code).toBe(2);
    expect((await importFrom("no-port", target)).code).toBe(2);
  });
});
