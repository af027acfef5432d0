import { createSocket } from "node:dgram";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { InvariantError, QuorateError, toNodeId } from "@quorate/protocol";
import { exitCodeOf, run } from "../src/index.js";
import { memoryParts, MemoryServer, startMemoryNode, TestIo } from "./memory-node.js";

const directory = mkdtempSync(join(tmpdir(), "quorate-cli-"));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

const DEAD = "127.0.0.1:2";
const noParts = () => Promise.reject(new Error("no server here"));

async function quorate(args: readonly string[], io = new TestIo()) {
  const code = await run(args, io, noParts);
  return { code, out: io.text, bytes: io.bytes, err: io.errText };
}

describe("the verbs", () => {
  it("create, set, get, list, stat and delete a node", async () => {
    await using node = await startMemoryNode();
    const at = ["--server", node.url];
    expect(await quorate(["create", "/a", "hello", ...at])).toMatchObject({ code: 0, out: "/a\n" });
    expect(await quorate(["get", "/a", ...at])).toMatchObject({ code: 0, out: "hello", err: "" });
    expect(await quorate(["set", "/a", "again", ...at])).toMatchObject({ out: "version 1\n" });
    await quorate(["create", "/a/b", ...at]);
    await quorate(["create", "/a/c", ...at]);
    expect((await quorate(["ls", "/a", ...at])).out).toBe("b\nc\n");
    expect((await quorate(["stat", "/a", ...at])).out).toMatch(/^czxid +e3:1\nmzxid +e3:2\n/);
    expect(await quorate(["delete", "/a/b", ...at])).toMatchObject({ code: 0, out: "" });
    expect((await quorate(["ls", "/a", ...at])).out).toBe("c\n");
  });

  it("carry any bytes from standard input to standard output", async () => {
    await using node = await startMemoryNode();
    const bytes = "\u0000\u0001 not a line\n";
    const io = new TestIo({ QUORATE_SERVER: node.url }, bytes);
    expect(await quorate(["create", "/blob", "--stdin"], io)).toMatchObject({ code: 0 });
    expect((await quorate(["get", "/blob", "--server", node.url])).out).toBe(bytes);
  });

  it("take several servers and use one that lives", async () => {
    await using node = await startMemoryNode();
    const at = ["--server", DEAD, "--server", node.url];
    expect(await quorate(["create", "/a", ...at])).toMatchObject({ code: 0 });
  });

  it("print JSON when asked", async () => {
    await using node = await startMemoryNode();
    const at = ["--json", "--server", node.url];
    const json = async (...args: string[]): Promise<unknown> =>
      JSON.parse((await quorate([...args, ...at])).out);
    expect(await json("create", "/a", "x")).toEqual({ path: "/a", txnid: "e3:1" });
    expect(await json("set", "/a", "y")).toEqual({ path: "/a", txnid: "e3:2", version: 1 });
    expect(await json("get", "/a")).toMatchObject({ data: "y", encoding: "utf8" });
    expect(await json("stat", "/a")).toMatchObject({ path: "/a", stat: { mzxid: "e3:2" } });
    expect(await json("ls", "/")).toEqual({ path: "/", children: ["a", "zookeeper"] });
    expect(await json("delete", "/a")).toEqual({ path: "/a", txnid: "e3:3" });
  });
});

describe("a failure", () => {
  it("that is a refusal exits 3 with its code on standard error", async () => {
    await using node = await startMemoryNode();
    const result = await quorate(["get", "/none", "--server", node.url]);
    expect(result).toMatchObject({ code: 3, out: "" });
    expect(result.err).toMatch(/^quorate: ERR_ZNODE_NO_NODE: /);
    const stat = await quorate(["stat", "/none", "--server", node.url]);
    expect(stat).toMatchObject({ code: 3, out: "" });
    await quorate(["create", "/a", "--server", node.url]);
    const stale = await quorate(["set", "/a", "x", "--if-version", "7", "--server", node.url]);
    expect(stale.code).toBe(3);
    expect(stale.err).toContain("ERR_ZNODE_BAD_VERSION");
  });

  it("whose outcome is unknown exits 4", async () => {
    await using node = await startMemoryNode();
    node.server.writeError = new QuorateError("ERR_CLIENT_OUTCOME_UNKNOWN", "the leader was lost");
    const result = await quorate(["create", "/a", "--server", node.url, "--json"]);
    expect(result.code).toBe(4);
    expect(JSON.parse(result.err)).toMatchObject({ error: { code: "ERR_CLIENT_OUTCOME_UNKNOWN" } });
  });

  it("to reach any server exits 5 and says why", async () => {
    const result = await quorate(["get", "/a", "--server", DEAD, "--timeout", "200"]);
    expect(result.code).toBe(5);
    expect(result.err).toMatch(/ERR_CLIENT_UNREACHABLE.*127\.0\.0\.1:2.*ECONNREFUSED/);
  });

  it.each([
    [["frobnicate"], /ERR_ARG_VALUE: unknown command frobnicate; try --help\n$/],
    [["statuss", "--json"], /unknown command statuss; did you mean status\?/],
    [["get"], /ERR_ARG_VALUE: too few arguments: 0 of 1; try quorate get --help\n$/],
    [["config", "chek"], /wrong value: .*"chek".*"check", "explain"; try quorate config --help\n$/],
    // A condition that is lost on the way would be a write without one.
    [["set", "/a", "x", "--if-version"], /--if-version needs a value/],
    [["set", "/a", "x", "--if-version", ""], /--if-version is an integer.*, not ""/],
    [["set", "/a", "x", "--if-version", "x"], /--if-version is an integer.*, not "x"/],
    [["delete", "/a", "--if-version", "1.5"], /--if-version is an integer.*, not "1\.5"/],
    [["delete", "/a", "--if-version", "4294967296"], /version is an integer of 32 bits/],
    [["set", "/a", "x", "--if-version", "1", "--if-version", "2"], /--if-version is given twice/],
    [["watch", "/a", "--from"], /--from needs a value/],
    [["watch", "/a", "--timeout", "x"], /--timeout is a number/],
    [["get", "/a", "--timeout", "-1"], /--timeout is an integer in 1/],
    [["elect", "--once", "--members", "1=127.0.0.1:2", "--timeout", "x"], /--timeout is a number/],
    [["elect", "--members", "1=h:1", "--members", "2=h:2"], /--members is given twice/],
    [["start", "--data-dir", "a", "--data-dir", "b"], /--data-dir is given twice/],
    [["config", "check", "--config", "a", "--config", "b"], /--config is given twice/],
    [["server", "--config", "a", "--config", "b"], /--config is given twice/],
    [["server", "--hepl"], /Try: quorate server --help\n$/],
    [["get", "/a", "--sever", DEAD], /Unknown argument.*sever/],
    [["get", "a", "--server", DEAD], /ERR_ARG_PATH/],
    [["get", "/a", "--server", "localhost"], /written like.*not "localhost"/],
    [["start", "--nodes", "9"], /1 to 7/],
    [[], /a command is needed/],
    [["server", "--frob"], /--frob/],
    [["watcher", "--frob"], /--frob/],
    [["watcher", "--role", "voter", "--node-id", "1"], /ERR_CONFIG_VALUE|--role voter/],
    [["watcher", "--node-id", "5", "--data-dir", "d"], /ERR_CONFIG_VALUE: host: is required/],
    [["server"], /ERR_CONFIG_VALUE: nodeId: is required/],
    [["server", "--config", "/nowhere"], /ERR_CONFIG_FILE.*\/nowhere/],
  ])("of usage exits 2: %j", async (args, message) => {
    const result = await quorate(args);
    expect(result).toMatchObject({ code: 2, out: "" });
    expect(result.err).toMatch(message);
  });

  it.each([
    [["help", "create"], /^quorate create <path>/],
    [["help", "watcher"], /^quorate watcher --config FILE/],
  ])("is none: %j", async (args, help) => {
    const result = await quorate(args);
    expect(result).toMatchObject({ code: 0, err: "" });
    expect(result.out).toMatch(help);
  });

  it("exits by its kind", () => {
    const codeOf = (code: ConstructorParameters<typeof QuorateError>[0]): number =>
      exitCodeOf(new QuorateError(code, "x"));
    expect(codeOf("ERR_CONFIG_RELATION")).toBe(2);
    expect(codeOf("ERR_STORE_LOCKED")).toBe(3);
    expect(codeOf("ERR_SERVER_PORT_IN_USE")).toBe(3);
    expect(codeOf("ERR_CLIENT_TIMEOUT")).toBe(5);
    expect(codeOf("ERR_STORE_IO")).toBe(74);
    expect(codeOf("ERR_STORE_DAMAGED")).toBe(74);
    expect(codeOf("ERR_SYNC_DIVERGED")).toBe(70);
    expect(exitCodeOf(new InvariantError("x"))).toBe(70);
    expect(exitCodeOf(new TypeError("x"))).toBe(70);
  });
});

describe("start", () => {
  const startAt = (port: number) => {
    const dataDir = join(directory, `start-${port}`);
    return { dataDir, args: ["start", "--data-dir", dataDir, "--port", String(port)] };
  };

  it("is refused before anything is written when a client port is in use", async () => {
    const holder = createServer().listen(0, "127.0.0.1");
    await once(holder, "listening");
    const { port } = holder.address() as AddressInfo;
    const { dataDir, args } = startAt(port);
    const result = await quorate(args);
    holder.close();
    expect(result).toMatchObject({ code: 3, out: "" });
    expect(result.err).toMatch(
      /^quorate: ERR_SERVER_PORT_IN_USE: .*or choose others with --port\n$/,
    );
    expect(result.err).toContain(`127.0.0.1:${port} (clients of node 1)`);
    expect(existsSync(dataDir)).toBe(false);
  });

  it("is refused when an election port is in use, which is UDP", async () => {
    const holder = createSocket("udp4").bind(0, "127.0.0.1");
    await once(holder, "listening");
    const { port } = holder.address();
    const { dataDir, args } = startAt(port - 22);
    const result = await quorate(args);
    holder.close();
    expect(result.code).toBe(3);
    expect(result.err).toContain(`udp 127.0.0.1:${port} (of node 3)`);
    expect(existsSync(dataDir)).toBe(false);
  });
});

describe("status", () => {
  const peer = (id: number, requestAddr: string): Record<string, unknown> => ({
    id,
    electionAddr: `127.0.0.1:${id}`,
    messageAddr: `127.0.0.1:${100 + id}`,
    requestAddr,
  });

  it("tells every node of the ensemble, whichever was asked, and who is unreachable", async () => {
    await using node = await startMemoryNode([peer(2, DEAD)]);
    await quorate(["create", "/a", "--server", node.url]);
    const result = await quorate(["status", "--json", "--server", node.url]);
    expect(result.code).toBe(0);
    expect(JSON.parse(result.out)).toEqual({
      nodes: [
        {
          id: 1,
          role: "leader",
          epoch: 3,
          lastLogged: "e3:1",
          lastCommitted: "e3:1",
          lastApplied: "e3:1",
          lag: 0,
          digest: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
          digestAt: "e3:1",
          standing: "member",
          ready: true,
          logCommitMs: null,
          loopDelayMs: { p99: expect.any(Number) as number, max: expect.any(Number) as number },
          waitingFor: [],
        },
        {
          id: 2,
          role: "unreachable",
          server: DEAD,
          reason: expect.stringMatching(/^ERR_CLIENT_UNREACHABLE: .*ECONNREFUSED/) as string,
        },
      ],
    });
  });

  it("is a table for people", async () => {
    await using node = await startMemoryNode([peer(2, DEAD)]);
    const { out } = await quorate(["status", "--server", node.url]);
    const [head, first, second] = out.split("\n");
    expect(head).toMatch(/^id {2}role +epoch +lastLogged/);
    expect(first).toMatch(/^1 {3}leader +3 +e3:0/);
    expect(second).toMatch(/^2 {3}unreachable +ERR_CLIENT_UNREACHABLE/);
  });

  async function follow(node: { url: string }, io: TestIo, ...args: string[]) {
    const at = ["--server", node.url, "--interval", "100", ...args];
    const ended = run(["status", "--follow", ...at], io, noParts);
    const looks = async (count: number): Promise<void> => {
      while (io.text.split("leader").length <= count) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await looks(1);
    await quorate(["create", "/a", "--server", node.url]);
    await looks(3);
    io.signal();
    expect(await ended).toBe(0);
    return io.text;
  }

  it("follows as lines where nobody watches, until it is stopped", async () => {
    await using node = await startMemoryNode([peer(2, DEAD)]);
    const lines = (await follow(node, new TestIo())).trim().split("\n");
    const first = /^[\d:.]{12} {2}node 1 {2}leader {4}e3 {2}logged e3:0 {2}committed e3:0 {2}lag 0/;
    expect(lines[0]).toMatch(first);
    expect(lines[0]).toMatch(/fsync - ms {2}loop [\d.]+ ms {2}ready$/);
    expect(lines[1]).toMatch(/node 2 {2}unreachable {2}127\.0\.0\.1:2 {2}ERR_CLIENT_UNREACHABLE/);
    expect(lines.at(-2)).toContain("committed e3:1");
  });

  it("follows as a table that is drawn over, on a terminal", async () => {
    await using node = await startMemoryNode([peer(2, DEAD)]);
    const io = new TestIo();
    io.isTerminal = true;
    const frames = (await follow(node, io)).split("\u001b[3A\u001b[J");
    expect(frames.length).toBeGreaterThanOrEqual(3);
    const [head, leader, unreachable] = (frames[0] ?? "").split("\n");
    expect(head).toMatch(/id {2}role +epoch +lastLogged +lastCommitted +lag +fsync p50\/p99 ms/);
    expect(leader).toMatch(/^1 {3}leader +3 +e3:0 +e3:0 +0 +- +[\d.]+ +ready$/);
    expect(unreachable).toMatch(/^2 {3}unreachable +ERR_CLIENT_UNREACHABLE/);
    // Lines do not wrap while it draws, and do again behind it.
    expect(frames[0]?.startsWith("\u001b[?7l")).toBe(true);
    expect(frames.at(-1)?.endsWith("\u001b[?7h")).toBe(true);
  });

  it("follows as JSON, one object a look", async () => {
    await using node = await startMemoryNode();
    const lines = (await follow(node, new TestIo(), "--json")).trim().split("\n");
    const looks = lines.map((line) => JSON.parse(line) as { time: string; nodes: unknown[] });
    expect(looks.length).toBeGreaterThanOrEqual(3);
    expect(looks.at(-1)).toMatchObject({ nodes: [{ id: 1, lastCommitted: "e3:1", lag: 0 }] });
    expect(looks.map(({ time }) => time)).toEqual(looks.map(({ time }) => time).sort());
  });

  it("refuses to follow without a pause", async () => {
    const result = await quorate(["status", "--follow", "--interval", "0", "--server", DEAD]);
    expect(result).toMatchObject({ code: 2, out: "" });
    expect(result.err).toContain("--interval");
  });

  it("names the voters without which a new ensemble is not founded", async () => {
    await using node = await startMemoryNode();
    node.server.waitingFor = [toNodeId(2), toNodeId(5)];
    const { out } = await quorate(["status", "--server", node.url]);
    expect(out).toContain("\nnode 1 waits for 2, 5 to found the ensemble\n");
    const { out: json } = await quorate(["status", "--json", "--server", node.url]);
    expect(JSON.parse(json)).toMatchObject({ nodes: [{ id: 1, waitingFor: [2, 5] }] });
  });

  it("exits 5 when nobody answers, still naming each", async () => {
    const result = await quorate(["status", "--json", "--server", DEAD]);
    expect(result.code).toBe(5);
    expect(JSON.parse(result.out)).toMatchObject({
      nodes: [{ id: null, role: "unreachable", server: DEAD }],
    });
  });

  it("does not hang on a server that says nothing", async () => {
    const silent = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    const server = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const result = await quorate(["status", "--json", "--server", server, "--timeout", "100"]);
    expect(result.out).toMatch(/no answer in time/);
    silent.close();
  });
});

describe("start", () => {
  it("tells as JSON what it runs, and ends when all of its nodes have", async () => {
    // This program's file is missing, so every node ends at once.
    const dataDir = join(directory, "start");
    const args = ["start", "--json", "--nodes", "2", "--port", "9500", "--data-dir", dataDir];
    const { code, out, err } = await quorate(args);
    const events = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
    expect(events[0]).toMatchObject({
      time: expect.stringMatching(/^\d{4}-.*Z$/) as string,
      event: "started",
      dataDir,
      nodes: [
        { id: 1, requestAddr: "127.0.0.1:9500" },
        { id: 2, requestAddr: "127.0.0.1:9501" },
      ],
    });
    expect(err).toMatch(/node 1 ended with code 1; the end of .*node\.log/);
    expect(code).toBe(70);
  });
});

describe("help", () => {
  it.each([
    "start",
    "status",
    "create",
    "set",
    "delete",
    "get",
    "ls",
    "stat",
    "log",
    "config",
    "completion",
  ])("of %s has an example and the exit codes", async (command) => {
    const { code, out } = await quorate([command, "--help"]);
    expect(code).toBe(0);
    expect(out).toMatch(/Examples:\n +quorate /);
    expect(out).toMatch(/Exit codes:[^]*unknown outcome/);
  });

  it("of server and of all has them too", async () => {
    for (const args of [["server", "--help"], ["watcher", "--help"], ["--help"]]) {
      const { code, out } = await quorate(args);
      expect(code).toBe(0);
      expect(out).toMatch(/Exit codes:[^]*unknown outcome/);
    }
  });
});

describe("server", () => {
  function configFile(name: string): string {
    const file = join(directory, name);
    const host = { electionAddr: "0", messageAddr: "0", requestAddr: "0" };
    writeFileSync(file, JSON.stringify({ nodeId: 1, dataDir: directory, host }));
    return file;
  }

  async function until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise((resolve) => setImmediate(resolve));
  }

  it("runs until a signal, then ends with 0", async () => {
    const io = new TestIo();
    const server = new MemoryServer();
    const ended = run(["server", "--config", configFile("a.json")], io, () =>
      Promise.resolve(memoryParts(server)),
    );
    await until(() => io.awaitsSignal);
    io.signal();
    expect(await ended).toBe(0);
  });

  it("ends with the code of what ended it", async () => {
    const io = new TestIo();
    const server = new MemoryServer();
    const ended = run(["server", "--config", configFile("b.json")], io, () =>
      Promise.resolve(memoryParts(server)),
    );
    await until(() => io.awaitsSignal);
    server.fail(new QuorateError("ERR_STORE_IO", "the disk is gone"));
    expect(await ended).toBe(74);
    expect(io.errText).toBe("quorate: ERR_STORE_IO: the disk is gone\n");
  });

  it("refuses a wrong configuration with the nearest key", async () => {
    const file = join(directory, "wrong.json");
    writeFileSync(file, JSON.stringify({ nodeId: 1, datadir: "x" }));
    const result = await quorate(["server", "--config", file]);
    expect(result.code).toBe(2);
    expect(result.err).toContain('ERR_CONFIG_UNKNOWN_KEY: unknown setting "datadir"');
    expect(result.err).toContain('"dataDir"');
  });
});

describe("config", () => {
  function zooCfg(...lines: string[]): string {
    const dataDir = mkdtempSync(join(directory, "zoo-"));
    writeFileSync(join(dataDir, "myid"), "1");
    const file = join(dataDir, "zoo.cfg");
    writeFileSync(file, [`dataDir=${dataDir}`, ...lines].join("\n"));
    return file;
  }
  const one = "server.1=127.0.0.1:2888:3888;127.0.0.1:2181";

  it("explain prints each value and its origin, and warnings beside it", async () => {
    const file = zooCfg(one, "autopurge.purgeInterval=24");
    const io = new TestIo({ QUORATE_CLUSTER: "blue", QUORATE_SECRET: "hunter2-hunter2-hunter2" });
    const args = ["config", "explain", "--zoo-cfg", file, "--log-level", "debug"];
    const result = await quorate(args, io);
    expect(result.code).toBe(0);
    const rows = result.out.split("\n").map((line) => line.split(/ {2,}/));
    expect(rows).toContainEqual(["nodeId", "1", file.replace("zoo.cfg", "myid:1")]);
    expect(rows).toContainEqual(["host.requestAddr", "127.0.0.1:2181", `${file}:2`]);
    expect(rows).toContainEqual(["cluster", "blue", "QUORATE_CLUSTER"]);
    expect(rows).toContainEqual(["log.level", "debug", "--log-level"]);
    expect(rows).toContainEqual(["secret", "[redacted]", "QUORATE_SECRET"]);
    expect(rows).toContainEqual(["timings.leaseMs", "1000", "default"]);
    expect(result.out).not.toContain("hunter2");
    expect(result.err).toContain("warning: autopurge.purgeInterval has no effect here");
  });

  it("explain and check print JSON when asked", async () => {
    const file = zooCfg(one);
    const explained = await quorate(["config", "explain", "--json", "--zoo-cfg", file]);
    expect(JSON.parse(explained.out)).toMatchObject({
      settings: expect.arrayContaining([
        {
          key: "peers.0.messageAddr",
          value: "127.0.0.1:2888",
          from: `${file}:2`,
          origin: { kind: "file", file, line: 2 },
        },
      ]) as unknown,
      warnings: [expect.stringContaining("UDP") as unknown],
    });
    const checked = await quorate(["config", "check", "--json", "--zoo-cfg", file]);
    expect(checked).toMatchObject({ code: 0, err: "" });
    expect(JSON.parse(checked.out)).toMatchObject({ ok: true, nodeId: 1, voters: [1] });
  });

  it("check finds what a start would, with the same code, and starts nothing", async () => {
    const good = await quorate(["config", "check", "--zoo-cfg", zooCfg(one)]);
    expect(good).toMatchObject({ code: 0, out: "node 1 is a voter; the voters are 1\n" });
    const file = zooCfg(one, "sslQuorum=true");
    for (const command of [["config", "check"], ["config", "explain"], ["server"]]) {
      const bad = await quorate([...command, "--zoo-cfg", file]);
      expect(bad).toMatchObject({ code: 2, out: "" });
      expect(bad.err).toMatch(/^quorate: ERR_CONFIG_UNSUPPORTED: sslQuorum .*zoo\.cfg:3\)\n$/);
    }
    const json = await quorate(["config", "check", "--json", "--zoo-cfg", file]);
    expect(JSON.parse(json.err)).toMatchObject({ error: { code: "ERR_CONFIG_UNSUPPORTED" } });
  });

  it("explain shows what was given also when there is a mistake, then the mistake", async () => {
    const file = join(mkdtempSync(join(directory, "json-")), "node.json");
    const given = { nodeId: 300, dataDir: "d", secrt: "?", secretz: "hunter2", peers: [{ id: 1 }] };
    writeFileSync(file, JSON.stringify(given, null, 1));
    const args = ["config", "explain", "--config", file];
    const result = await quorate([...args, "--cluster", "blue"]);
    expect(result.code).toBe(2);
    const rows = result.out.split("\n").map((line) => line.split(/ {2,}/));
    expect(rows).toContainEqual(["nodeId", "300", `${file}:2`]);
    expect(rows).toContainEqual(["peers.0.id", "1", `${file}:8`]);
    expect(rows).toContainEqual(["cluster", "blue", "--cluster"]);
    expect(rows).toContainEqual(["secretz", "[redacted]", `${file}:5`]);
    expect(result.err).toMatch(/^quorate: ERR_CONFIG_UNKNOWN_KEY: .*secrt.*nodeId.*node\.json:2/);
    const json = await quorate([...args, "--json"]);
    expect(JSON.parse(json.out)).toMatchObject({
      settings: expect.arrayContaining([
        expect.objectContaining({ key: "nodeId", value: 300, from: `${file}:2` }),
      ]) as unknown,
    });
    expect(JSON.parse(json.err)).toMatchObject({ error: { code: "ERR_CONFIG_UNKNOWN_KEY" } });
  });

  it("takes the flags of server, and refuses others", async () => {
    const help = (await quorate(["server", "--help"])).out;
    const flags = [...help.matchAll(/^ {2}(--[\w-]+)/gm)].map(([, flag]) => flag);
    expect(flags).toContain("--zoo-cfg");
    const configHelp = (await quorate(["config", "--help"])).out;
    for (const flag of flags) expect(configHelp).toContain(flag);
    expect(await quorate(["config", "check", "--frob"])).toMatchObject({ code: 2 });
  });
});
