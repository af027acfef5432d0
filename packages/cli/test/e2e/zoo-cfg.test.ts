import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { fetchStatus } from "@quorate/client";
import { freePorts, ServerProcess } from "@quorate/testkit/processes";
import { COMMAND, isReady, quorate, until } from "./support.js";

interface ZooEnsemble extends AsyncDisposable {
  readonly files: readonly string[];
  readonly servers: readonly string[];
  start(index: number): ServerProcess;
}

/**
 * A directory with a zoo.cfg and a myid for each node, as ZooKeeper's own guides lay them out:
 * three participants, and behind them so many observers.
 */
async function layOutZoo(observers = 0): Promise<ZooEnsemble> {
  const directory = mkdtempSync(join(tmpdir(), "quorate-zoo-"));
  const ids = Array.from({ length: 3 + observers }, (_, i) => i + 1);
  const ports = await freePorts(3 * ids.length);
  const roleOf = (id: number): string => (id > 3 ? "observer" : "participant");
  const lines = ids.map((id) => {
    const [message = 0, election = 0, client = 0] = ports.slice(3 * id - 3);
    return `server.${id}=127.0.0.1:${message}:${election}:${roleOf(id)};127.0.0.1:${client}`;
  });
  const files = ids.map((id) => {
    const dataDir = join(directory, String(id));
    mkdirSync(dataDir);
    writeFileSync(join(dataDir, "myid"), `${id}\n`);
    const file = join(dataDir, "zoo.cfg");
    const common = ["tickTime=2000", "initLimit=10", "syncLimit=5", "maxClientCnxns=60"];
    const own = id > 3 ? ["peerType=observer"] : [];
    writeFileSync(
      file,
      [...common, `dataDir=${dataDir}`, ...lines, ...own, "forceSync=yes"].join("\n"),
    );
    return file;
  });
  const processes: ServerProcess[] = [];
  return {
    files,
    servers: ids.map((id) => `127.0.0.1:${ports[3 * id - 1] ?? 0}`),
    start(index) {
      const file = files[index] ?? "";
      const process = new ServerProcess([...COMMAND, "server", "--zoo-cfg", file]);
      processes.push(process);
      return process;
    },
    async [Symbol.asyncDispose]() {
      for (const process of processes) process.signal("SIGKILL");
      await Promise.all(processes.map(({ ended }) => ended));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

it("three processes from zoo.cfg files form an ensemble that survives its leader", async () => {
  await using zoo = await layOutZoo();
  const { servers } = zoo;
  const processes = [zoo.start(0), zoo.start(1), zoo.start(2)];
  const readyOnes = async (): Promise<string[]> => {
    const answers = await Promise.all(servers.map(isReady));
    return servers.filter((_, i) => answers[i]);
  };
  await until("all three", async () => (await readyOnes()).length === 3);
  const [first = "", second = "", third = ""] = servers;
  expect(await quorate("create", "/a", "zoo", "--server", first)).toMatchObject({ code: 0 });
  const read = await quorate("get", "/a", "--linearizable", "--server", third);
  expect(read).toEqual({ code: 0, out: "zoo", err: "" });
  const asked = await quorate("status", "--json", "--server", second);
  const { nodes } = JSON.parse(asked.out) as { nodes: { id: number; role: string }[] };
  expect(nodes.map(({ id }) => id)).toEqual([1, 2, 3]);
  const leader = nodes.findIndex(({ role }) => role === "leader");
  expect(leader).toBeGreaterThanOrEqual(0);
  expect(processes[0]?.log).toContain("forceSync has no effect here");
  processes[leader]?.signal("SIGKILL");
  await processes[leader]?.ended;
  const rest = servers.filter((_, i) => i !== leader);
  await until("the other two", async () => (await readyOnes()).join() === rest.join());
  const again = ["--server", rest[0] ?? ""];
  expect(await quorate("set", "/a", "on", "--if-version", "0", ...again)).toMatchObject({
    code: 0,
  });
  zoo.start(leader);
  await until("all three again", async () => (await readyOnes()).length === 3);
  const last = await quorate("get", "/a", "--linearizable", "--server", servers[leader] ?? "");
  expect(last.out).toBe("on");
});

it("an observer of zoo.cfg runs as a watcher: it serves reads and does not vote", async () => {
  await using zoo = await layOutZoo(1);
  const [first = "", second = "", , observer = ""] = zoo.servers;
  const voters = [zoo.start(0), zoo.start(1), zoo.start(2)];
  await until("the voters", async () =>
    (await Promise.all(zoo.servers.slice(0, 3).map(isReady))).every(Boolean),
  );
  expect((await quorate("create", "/a", "zoo", "--server", first)).code).toBe(0);
  zoo.start(3);
  await until("the observer", () => isReady(observer));
  const { leader, ...status } = await fetchStatus(observer);
  expect(status).toMatchObject({ id: 4, role: "watcher", epoch: 0, ready: true });
  expect([1, 2, 3]).toContain(leader);
  const at = ["--server", observer];
  await until("the entry", async () => (await quorate("get", "/a", ...at)).code === 0);
  expect(await quorate("get", "/a", ...at)).toEqual({ code: 0, out: "zoo", err: "" });
  // What is written through it is everywhere.
  expect((await quorate("set", "/a", "on", ...at)).code).toBe(0);
  expect((await quorate("get", "/a", "--linearizable", "--server", second)).out).toBe("on");

  // With two of three voters gone it is no third: nobody leads, and it serves no more.
  const gone = [1, 2, 3].filter((id) => id !== leader).map((id) => voters[id - 1]);
  for (const process of gone) process?.signal("SIGKILL");
  await until("no quorum", async () => !(await isReady(observer)));
  const survivor = zoo.servers[(leader ?? 0) - 1] ?? "";
  await until("the leader to give up", async () => (await fetchStatus(survivor)).role !== "leader");
});

it("a node that hears no vote says that the election port is UDP", async () => {
  await using zoo = await layOutZoo();
  const alone = zoo.start(0);
  await until("the warning", () => alone.log.includes("no vote arrives from any other node"));
  expect(alone.log).toMatch(/udp 127\.0\.0\.1:\d+/);
  expect(alone.log).toMatch(/UDP here \(TCP in ZooKeeper\)/);
});

it("config explain names the lines of zoo.cfg and myid", async () => {
  await using zoo = await layOutZoo();
  const [file = ""] = zoo.files;
  const explained = await quorate("config", "explain", "--zoo-cfg", file);
  expect(explained.code).toBe(0);
  expect(explained.out).toContain(`${file.replace("zoo.cfg", "myid")}:1`);
  expect(explained.out).toMatch(/^host\.requestAddr +127\.0\.0\.1:\d+ .*zoo\.cfg:6$/m);
});
