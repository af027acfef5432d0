import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { freePorts } from "@quorate/testkit/processes";
import { CONTAINER_OWNER, ttlOwner, type AclEntry, type Stat } from "@quorate/znode";
import { ZkSource } from "../../src/import/zk-source.js";
import { ZkLink } from "../../src/import/zk-link.js";
import { create, remove, set, whyNoZookeeper, Zookeeper } from "../support/zookeeper.js";
import { quorate, startEnsemble } from "./support.js";

const SECRET = "a secret of this ensemble";
const PASSWORD = "bob:secret";
const SEQUENTIAL = 2;
const HOUR_MS = 3_600_000;

const directory = mkdtempSync(join(tmpdir(), "quorate-import-test-"));
afterAll(() => rmSync(directory, { recursive: true }));
const file = (name: string, text: string): string => {
  const path = join(directory, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
};
const secretFile = file("secret", SECRET);
const authFile = file("auth", `digest:${PASSWORD}\n`);

function bobs(perms: number): AclEntry[] {
  const hash = createHash("sha1").update(PASSWORD).digest("base64");
  return [{ perms, scheme: "digest", id: `bob:${hash}` }];
}

/** What a ZooKeeper in use holds. Its session owns the ephemerals: it stays open. */
async function populate(zookeeper: Zookeeper): Promise<{ link: ZkLink; owners: string }> {
  const link = await zookeeper.link([{ scheme: "digest", auth: PASSWORD }]);
  await create(link, "/app", { data: "first" });
  await set(link, "/app", "second");
  await create(link, "/app/jobs");
  for (let i = 0; i < 5; i += 1) await create(link, "/app/jobs/n-", { flags: SEQUENTIAL });
  await remove(link, "/app/jobs/n-0000000001");
  await remove(link, "/app/jobs/n-0000000004");
  await create(link, "/app/worker", { flags: 1 });
  const box = await create(link, "/box", { flags: 4 });
  await create(link, "/box/inside", { data: "x".repeat(5000) });
  const soon = await create(link, "/soon", { flags: 5, ttl: HOUR_MS });
  await create(link, "/hidden", { data: "for bob", acl: bobs(31) });
  await create(link, "/hidden/below", { acl: bobs(17) });
  await create(link, "/zookeeper/quota/app");
  const limits = "count=1000,bytes=-1";
  await create(link, "/zookeeper/quota/app/zookeeper_limits", { data: limits });
  const stats = "count=-1,bytes=-1";
  await create(link, "/zookeeper/quota/app/zookeeper_stats", { data: stats });
  // As SnapshotFormatter prints them.
  const line = (one: typeof box, owner: bigint): string =>
    `${one.path}\n  cZxid = 0x${one.stat.czxid.toString(16).padStart(14, "0")}\n` +
    `  ctime = Thu Jan 01 00:00:00 UTC 1970\n  ephemeralOwner = 0x${owner.toString(16)}\n`;
  return { link, owners: line(box, CONTAINER_OWNER) + line(soon, ttlOwner(HOUR_MS)) };
}

interface Report {
  readonly report: Record<string, unknown>;
  readonly code: number;
  readonly err: string;
}

async function importFrom(port: number, servers: readonly string[], ...more: string[]) {
  const ours = servers.flatMap((server) => ["--server", server]);
  const source = ["--zookeeper", `127.0.0.1:${port}`, "--secret-file", secretFile, "--json"];
  const { code, out, err } = await quorate("import", ...source, ...ours, ...more);
  const report = (out === "" ? {} : JSON.parse(out)) as Report["report"];
  return { code, err, report } satisfies Report;
}

const statAt = async (source: ZkSource, path: string): Promise<Stat> => source.exists(path);

describe.skipIf(whyNoZookeeper !== null)(`import from ZooKeeper ${whyNoZookeeper ?? ""}`, () => {
  it("copies a live tree with all that is known of it, and clients move over", async () => {
    const [port = 0] = await freePorts(1);
    await using zookeeper = await Zookeeper.start(port);
    await using started = await startEnsemble({ config: { secret: SECRET } });
    const { servers } = started.ensemble;
    const { link: theirs, owners } = await populate(zookeeper);
    const ownersFile = file("owners", owners);
    const from = (...more: string[]) => importFrom(port, servers, ...more);

    const hidden = await from();
    expect(hidden.code).toBe(3);
    expect(hidden.err).toContain("ERR_IMPORT_UNREADABLE");
    expect(hidden.err).toContain("/hidden (its ACL does not let it be read)");

    const auth = ["--auth-file", authFile, "--owners", ownersFile];
    expect(await from(...auth, "--dry-run")).toMatchObject({
      code: 0,
      report: { mode: "dryRun", nodes: 14, added: null, ephemerals: 1 },
    });
    const done = await from(...auth);
    expect(done).toMatchObject({ code: 0, report: { nodes: 14, added: 14, ephemerals: 1 } });
    expect(done.report["unreadable"]).toEqual({ count: 0, paths: [] });
    const verified = await from(...auth, "--verify");
    expect(verified.report["differences"]).toEqual({ count: 0, first: [] });
    expect(verified.code).toBe(0);
    // Again: everything is there, the very same.
    expect(await from(...auth)).toMatchObject({ code: 0, report: { added: 0 } });

    const bob = [{ scheme: "digest", auth: PASSWORD }];
    const [host = "", ourPort = ""] = (servers[0] ?? "").split(":");
    const address = { host, port: Number(ourPort) };
    const here = new ZkSource({ servers: [address], chroot: "" }, bob);
    const there = new ZkSource({ servers: [{ host: "127.0.0.1", port }], chroot: "" }, bob);
    await here.sync();
    for (const path of ["/app/jobs", "/box", "/box/inside", "/soon", "/hidden/below"]) {
      const { ephemeralOwner: _hidden, ...stat } = await statAt(there, path);
      expect(await statAt(here, path)).toMatchObject(stat);
      expect((await here.acl(path)).acl).toEqual((await there.acl(path)).acl);
    }
    // Told to no client of ZooKeeper, here as there.
    const owner = async (path: string): Promise<bigint> => {
      const { out } = await quorate("stat", path, "--server", servers[0] ?? "", "--json");
      const { stat } = JSON.parse(out) as { stat: { ephemeralOwner: string } };
      return BigInt(`0x${stat.ephemeralOwner}`);
    };
    expect(await owner("/box")).toBe(CONTAINER_OWNER);
    expect(await owner("/soon")).toBe(ttlOwner(HOUR_MS));

    // A client that has seen the source's newest state is taken on, and sequences go on.
    const moved = await ZkLink.open({ ...address, credentials: bob, lastZxid: theirs.lastZxid });
    const next = await create(moved, "/app/jobs/n-", { flags: SEQUENTIAL });
    const nextThere = await create(theirs, "/app/jobs/n-", { flags: SEQUENTIAL });
    expect(next.path).toBe("/app/jobs/n-0000000005");
    expect(next.path).toBe(nextThere.path);
    expect(next.stat.czxid).toBeGreaterThan(theirs.lastZxid);

    const later = await from(...auth, "--verify");
    expect(later.code).toBe(6);
    expect(later.report["differences"]).toMatchObject({
      first: expect.arrayContaining([{ path: "/app/jobs/n-0000000005", what: "czxid" }]) as unknown,
    });
    const refused = await from(...auth);
    expect(refused.code).toBe(3);
    expect(refused.err).toContain("ERR_ZNODE_IMPORT_CONFLICT");
    for (const one of [here, there, moved, theirs]) one.close();
  });
});
