import { once } from "node:events";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { freePorts } from "@quorate/testkit/processes";
import { COMMAND, others, quorate, startEnsemble } from "./support.js";

/** Preloaded: a thread that hangs in the system as one does in a disk; nothing can end it. */
const HUNG_THREAD = `data:text/javascript,import { Worker } from "node:worker_threads";
  new Worker('require("node:child_process").execFileSync("sleep", ["15"])', { eval: true });`;

it("a command that is done ends although a thread of it hangs", async () => {
  const [node, main] = COMMAND;
  const startedAt = performance.now();
  const child = spawn(node, ["--import", HUNG_THREAD, main, "log", "verify", "/nowhere"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let err = "";
  child.stderr.on("data", (chunk) => void (err += String(chunk)));
  const end = await once(child, "exit");
  expect(end).toEqual([null, "SIGKILL"]);
  expect(performance.now() - startedAt).toBeLessThan(10_000);
  // Why it ended is told before, with the code that it should have had.
  expect(err).toMatch(/^quorate: ERR_[A-Z_]+: .*\n/);
  expect(err).toMatch(/killing this process instead of code \d+\n$/);
});

const DEAD = "127.0.0.1:2";

it("the verbs write through every node and read at any, local or linearizable", async () => {
  await using started = await startEnsemble();
  const { servers } = started.ensemble;
  for (const [i, server] of servers.entries()) {
    const done = await quorate("create", `/n${i}`, `data ${i}`, "--server", server);
    expect(done).toEqual({ code: 0, out: `/n${i}\n`, err: "" });
    for (const reader of servers) {
      const read = await quorate("get", `/n${i}`, "--linearizable", "--server", reader);
      expect(read).toEqual({ code: 0, out: `data ${i}`, err: "" });
    }
  }
  await started.ensemble.untilEqual();
  const at = ["--server", servers[1] ?? ""];
  expect((await quorate("get", "/n0", ...at)).out).toBe("data 0");
  expect((await quorate("set", "/n0", "new", "--if-version", "0", ...at)).out).toBe("version 1\n");
  expect((await quorate("ls", "/", ...at)).out).toBe("n0\nn1\nn2\nzookeeper\n");
  expect((await quorate("stat", "/n0", ...at)).out).toMatch(/^version +1$/m);
  expect((await quorate("delete", "/n1", ...at)).code).toBe(0);
});

it("status tells all nodes, the unreachable with their reason", async () => {
  await using started = await startEnsemble();
  const { ensemble, leader } = started;
  const [gone = 0, left = 0] = others(ensemble, leader);
  await ensemble.kill("SIGKILL", gone);
  const asked = await quorate("status", "--json", "--server", ensemble.serverOf(left));
  expect(asked.code).toBe(0);
  const { nodes } = JSON.parse(asked.out) as { nodes: Record<string, unknown>[] };
  expect(nodes.map(({ id }) => id)).toEqual([1, 2, 3]);
  const roles = new Map(nodes.map(({ id, role }) => [id, role]));
  expect(roles.get(leader)).toBe("leader");
  expect(roles.get(left)).toBe("follower");
  expect(roles.get(gone)).toBe("unreachable");
  expect(nodes.find(({ id }) => id === gone)?.["reason"]).toMatch(/^ERR_CLIENT_UNREACHABLE: /);
  expect(Object.keys(nodes.find(({ id }) => id === leader) ?? {})).toEqual(
    expect.arrayContaining(["epoch", "lastLogged", "lastCommitted", "digest", "digestAt"]),
  );
});

it("exit codes tell usage, refusal, unknown outcome and unreachable apart", async () => {
  await using started = await startEnsemble();
  const { ensemble, leader } = started;
  const at = ["--server", ensemble.serverOf(leader)];
  const usage = await quorate("get", ...at);
  expect(usage).toMatchObject({ code: 2, out: "" });
  expect(usage.err).toContain("ERR_ARG_VALUE");
  const refused = await quorate("get", "/missing", ...at);
  expect(refused).toMatchObject({ code: 3, out: "" });
  expect(refused.err).toContain("ERR_ZNODE_NO_NODE");
  const unreachable = await quorate("get", "/x", "--server", DEAD, "--timeout", "300");
  expect(unreachable).toMatchObject({ code: 5, out: "" });
  expect(unreachable.err).toContain("ERR_CLIENT_UNREACHABLE");
  // The majority is stopped: the write leaves, and nobody can say what becomes of it.
  for (const id of others(ensemble, leader)) ensemble.process(id).signal("SIGSTOP");
  const unknown = await quorate("create", "/x", ...at, "--timeout", "300");
  expect(unknown).toMatchObject({ code: 4, out: "" });
  expect(unknown.err).toContain("ERR_CLIENT_OUTCOME_UNKNOWN");
});

it("a server ends on SIGTERM within two seconds with code 0, leader and follower", async () => {
  await using started = await startEnsemble();
  const { ensemble, leader } = started;
  for (const id of [leader, ...others(ensemble, leader)]) {
    const from = performance.now();
    expect(await ensemble.kill("SIGTERM", id)).toEqual([{ code: 0, signal: null }]);
    expect(performance.now() - from).toBeLessThan(2000);
  }
});

it("log verify and dump read the log of a running node", async () => {
  await using started = await startEnsemble();
  const { ensemble, leader } = started;
  const at = ["--server", ensemble.serverOf(leader)];
  await quorate("create", "/kept", "data", ...at);
  const directory = ensemble.dataDir(leader);
  const verified = await quorate("log", "verify", directory, "--json");
  expect(verified).toMatchObject({ code: 0, err: "" });
  expect(JSON.parse(verified.out)).toMatchObject({ problems: [], damage: null });
  const dumped = await quorate("log", "dump", directory, "--json");
  const keys = dumped.out
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { key: string }).key);
  expect(keys).toContain("/kept");
  const lines = (await quorate("log", "dump", directory)).out;
  expect(lines).toMatch(/^e1:1 +from \d +foundEnsemble +\d+ B {2}""$/m);
  expect(lines).toMatch(/ from \d +add +\d+ B {2}"\/kept"$/m);
  expect((await quorate("log", "verify", "/no/such/directory")).code).toBe(2);
});

it("start runs three processes, tells what changes and ends them on Ctrl-C", async () => {
  const directory = mkdtempSync(join(tmpdir(), "quorate-start-"));
  const port = await freeRange();
  const [file, main] = COMMAND;
  const child = spawn(file, [main, "start", "--data-dir", directory, "--port", String(port)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  try {
    let text = "";
    await new Promise<void>((resolve, reject) => {
      child.stderr.on("data", (chunk: Buffer) => reject(new Error(chunk.toString())));
      child.stdout.on("data", (chunk: Buffer) => {
        text += chunk.toString();
        // A follower that has joined: the ensemble serves.
        if (/leader e1 +committed e1/.test(text) && /follower e1/.test(text)) resolve();
      });
    });
    const created = await quorate("create", "/a", "hello", "--server", `127.0.0.1:${port + 1}`);
    expect(created.code).toBe(0);
    const ended = once(child, "close");
    const from = performance.now();
    child.kill("SIGINT");
    expect(await ended).toEqual([0, null]);
    // Nothing waits for the bound after which the nodes would be killed.
    expect(performance.now() - from).toBeLessThan(2500);
    expect(text).toMatch(/stopping\nstopped\n$/);
    expect((await quorate("status", "--server", `127.0.0.1:${port}`)).code).toBe(5);
  } finally {
    child.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  }
});

/** A port below the range from which the system hands out its own, with its neighbours. */
async function freeRange(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return 10_000 + (port % 10_000);
}
