import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, fetchStatus } from "@quorate/client";
import { TXNID_ZERO } from "@quorate/protocol";
import { freePorts } from "@quorate/testkit/processes";
import { describe, expect, it } from "vitest";
import {
  COMMAND,
  exampleFile,
  isReady,
  LineProcess,
  loadOf,
  others,
  quorate,
  startEnsemble,
  TYPESCRIPT,
  until,
  verdict,
} from "./support.js";

const WATCHER = 4;
const BELOW = 5;

const FREQUENT_CHECKPOINTS = { checkpointBytes: 2 * 1024 * 1024 };
const ENTRIES_BEHIND = 20_000;
/** With what the store keeps behind a checkpoint, 32 MiB, they are more than its log holds. */
const ENTRY_BYTES = 2500;
const OUTSTANDING = 200;

async function watched() {
  const started = await startEnsemble({ watchers: 1 });
  const { ensemble } = started;
  ensemble.start(WATCHER);
  await ensemble.until("the watcher ready", ([seen]) => seen?.ready === true, { ids: [WATCHER] });
  return started;
}

describe("three voters and a watcher", () => {
  it("the watcher serves on when the leader is killed, and misses nothing", async () => {
    await using started = await watched();
    const { ensemble, leader } = started;
    // One client writes and reads through the watcher alone.
    const load = loadOf(ensemble);
    await load.start("w");
    await load.more(300);
    await ensemble.kill("SIGKILL", leader);
    const next = await ensemble.untilReady(others(ensemble, leader));
    await ensemble.until(
      "the watcher to follow the next leader",
      ([seen]) => seen?.ready === true && seen.leader === next,
      { ids: [WATCHER] },
    );
    ensemble.start(leader);
    await load.more(300);
    expect(await verdict(load, ensemble)).toEqual([]);
    const seen = await ensemble.untilEqual([...ensemble.ids, WATCHER]);
    expect(seen.ready).toBe(true);
    expect(await ensemble.status(WATCHER)).toMatchObject({ role: "watcher", epoch: 0 });
  });

  it("the watcher comes back from kill -9 with what it held and what it missed", async () => {
    await using started = await watched();
    const { ensemble } = started;
    const voters = ensemble.ids.map((id) => [ensemble.serverOf(id)]);
    const client = createClient({ servers: voters.flat() });
    try {
      for (let round = 0; round < 3; round += 1) {
        await client.create(`/before-${round}`);
        await ensemble.kill("SIGKILL", WATCHER);
        await client.create(`/while-${round}`);
        ensemble.start(WATCHER);
        await ensemble.untilEqual([...ensemble.ids, WATCHER]);
      }
    } finally {
      client.close();
    }
    const at = ["--server", ensemble.serverOf(WATCHER)];
    expect((await quorate("ls", "/", ...at)).out.split("\n")).toEqual(
      expect.arrayContaining(["before-2", "while-2"]),
    );
    // A write through it, and a linearizable read of it there.
    expect((await quorate("create", "/mine", "x", ...at)).code).toBe(0);
    expect((await quorate("get", "/mine", "--linearizable", ...at)).out).toBe("x");
    const status = await quorate("status", "--json", ...at);
    const { nodes } = JSON.parse(status.out) as { nodes: { id: number; role: string }[] };
    expect(nodes.find(({ id }) => id === WATCHER)?.role).toBe("watcher");
    expect(await ensemble.kill("SIGTERM", WATCHER)).toEqual([{ code: 0, signal: null }]);
  });

  it("a watcher and a follower that are 20,000 entries behind catch up from snapshot and log", async () => {
    // Small, so that the history spans several checkpoints and its beginning is compacted away.
    await using started = await startEnsemble({ watchers: 1, config: FREQUENT_CHECKPOINTS });
    const { ensemble, leader } = started;
    const [late = 0] = others(ensemble, leader);
    await ensemble.kill("SIGKILL", late);
    const client = createClient({ servers: [ensemble.serverOf(leader)], timeoutMs: 30_000 });
    const paths = Array.from({ length: 100 }, (_, i) => `/${i}`);
    try {
      for (const path of paths) await client.create(path);
      const data = new Uint8Array(ENTRY_BYTES).fill(120);
      const write = async (from: number): Promise<void> => {
        for (let i = from; i < ENTRIES_BEHIND; i += OUTSTANDING) {
          await client.set(paths[i % paths.length] ?? "", data);
        }
      };
      await Promise.all(Array.from({ length: OUTSTANDING }, (_, from) => write(from)));
      ensemble.start(late, WATCHER);
      // While they catch up it goes on.
      const all = [...ensemble.ids, WATCHER];
      let isThere = false;
      const caughtUp = ensemble
        .until("all ready", (seen) => seen.every((one) => one?.ready === true), { ids: all })
        .finally(() => (isThere = true));
      for (let i = 0; !isThere; i += 1) await client.set(paths[i % paths.length] ?? "", data);
      await caughtUp;
      await ensemble.untilEqual(all);
    } finally {
      client.close();
    }
    const plansOf = (peer: number): (string | undefined)[] => {
      const line = new RegExp(`synchronising a peer.* peer=${peer} plan=(\\w+)`, "g");
      return [...ensemble.process(leader).log.matchAll(line)].map(([, plan]) => plan);
    };
    expect(plansOf(late).at(-1)).toBe("snapshot");
    expect(plansOf(WATCHER)).toEqual(["snapshot"]);
    // It is whole on disk as well: started again, it needs the log's end alone.
    await ensemble.kill("SIGKILL", WATCHER);
    ensemble.start(WATCHER);
    await ensemble.untilEqual([...ensemble.ids, WATCHER]);
    expect(plansOf(WATCHER)).toEqual(["snapshot", "diff"]);
  });

  it("the watcher does not keep a quorum alive", async () => {
    await using started = await watched();
    const { ensemble, leader } = started;
    await ensemble.kill("SIGKILL", ...others(ensemble, leader));
    const lost = await ensemble.until(
      "the leader and the watcher to stop serving",
      (all) => all.every((seen) => seen?.ready === false),
      { ids: [leader, WATCHER] },
    );
    expect(lost.map(({ role }) => role)).not.toContain("leader");
    ensemble.start(...others(ensemble, leader));
    await ensemble.untilReady();
    await ensemble.untilEqual([...ensemble.ids, WATCHER]);
  });

  it("two watchers in a chain: one stream of the leader, and every entry in its order", async () => {
    await using started = await startEnsemble({ watchers: 2 });
    const { ensemble, leader } = started;
    ensemble.start(WATCHER);
    const ready = (id: number) =>
      ensemble.until(`${id} ready`, ([seen]) => seen?.ready === true, { ids: [id] });
    await ready(WATCHER);
    ensemble.start(BELOW);
    await ready(BELOW);
    expect(await ensemble.status(BELOW)).toMatchObject({ role: "watcher", leader: WATCHER });
    expect(ensemble.process(leader).log).not.toContain(
      `a peer joined node=${leader} peer=${BELOW}`,
    );
    const follower = createClient({ servers: [ensemble.serverOf(BELOW)] });
    const seen: string[] = [];
    const following = (async () => {
      for await (const { operations } of follower.subscribe({ prefix: "/s", from: TXNID_ZERO })) {
        seen.push(...operations.map(({ path }) => path));
        if (seen.length === 300) return;
      }
    })();
    const writer = createClient({ servers: [ensemble.serverOf(BELOW)] });
    try {
      await writer.create("/s");
      for (let i = 1; i < 100; i += 1) await writer.create(`/s/${i}`);
      // The middle of the chain dies: its end finds the leader, and the middle comes back.
      await ensemble.kill("SIGKILL", WATCHER);
      await ensemble.until(
        "the end of the chain to follow the leader",
        ([end]) => end?.ready === true && end.leader === leader,
        { ids: [BELOW] },
      );
      for (let i = 100; i < 200; i += 1) await writer.create(`/s/${i}`);
      ensemble.start(WATCHER);
      await ready(WATCHER);
      for (let i = 200; i < 300; i += 1) await writer.create(`/s/${i}`);
      await following;
      const all = ["/s", ...Array.from({ length: 299 }, (_, i) => `/s/${i + 1}`)];
      expect(seen).toEqual(all);
      await ensemble.untilEqual([...ensemble.ids, WATCHER, BELOW]);
    } finally {
      writer.close();
      follower.close();
    }
  });
});

describe("the example of two watchers in a chain", () => {
  it("starts from one file, serves and follows at its end, and ends as one", async () => {
    const directory = mkdtempSync(join(tmpdir(), "quorate-chain-"));
    const { config, servers } = await onFreePorts("watchers/ensemble.json", directory);
    await using chain = new LineProcess(
      [`QUORATE="${COMMAND.join(" ")}" exec ./watchers/start.sh "$0" "$1"`, config, directory],
      ["bash", "-c"],
    );
    try {
      await until("all five", async () => (await Promise.all(servers.map(isReady))).every(Boolean));
      const [first = "", , , middle = "", end = ""] = servers;
      expect(await fetchStatus(end)).toMatchObject({ role: "watcher", leader: 4 });
      expect([1, 2, 3]).toContain((await fetchStatus(middle)).leader);

      const follow = exampleFile("subscribe/follow.ts");
      await using following = new LineProcess([...TYPESCRIPT, follow, end, "/jobs", "e0:0"]);
      const client = createClient({ servers: [end] });
      const paths = ["/jobs", ...Array.from({ length: 100 }, (_, i) => `/jobs/${i}`)];
      for (const path of paths) await client.create(path);
      client.close();
      await until("all at the chain's end", () => following.lines.length >= paths.length);
      expect(following.lines.map((line) => line.split(" ")[2])).toEqual(paths);
      const answer = await quorate("ls", "/jobs", "--linearizable", "--server", first);
      expect(answer.out.trim().split("\n")).toHaveLength(100);
    } finally {
      chain.signal("SIGTERM");
      expect(await chain.exited, chain.err).toBe(0);
      rmSync(directory, { recursive: true, force: true });
    }
    expect(await Promise.all(servers.map(isReady))).not.toContain(true);
  });
});

/** Copies an example's configuration with other ports. */
async function onFreePorts(
  name: string,
  directory: string,
): Promise<{ config: string; servers: readonly string[] }> {
  const text = readFileSync(exampleFile(name), "utf8");
  const ports = await freePorts(text.match(/127\.0\.0\.1:\d+/g)?.length ?? 0);
  const moved = text.replace(/127\.0\.0\.1:\d+/g, () => `127.0.0.1:${ports.shift()}`);
  const config = join(directory, "ensemble.json");
  writeFileSync(config, moved);
  const { peers } = JSON.parse(moved) as { peers: { requestAddr: string }[] };
  return { config, servers: peers.map(({ requestAddr }) => requestAddr) };
}
