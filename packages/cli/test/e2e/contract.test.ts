import { spawn } from "node:child_process";
import { expect, it } from "vitest";
import {
  COMMAND,
  exampleFile,
  LineProcess,
  others,
  quorate,
  startEnsemble,
  TYPESCRIPT,
  until,
} from "./support.js";

it("a lock goes from hand to hand: from the dead, through a leader's death, in order", async () => {
  await using started = await startEnsemble();
  const { ensemble, leader } = started;
  const work = (name: string): LineProcess =>
    new LineProcess([
      ...TYPESCRIPT,
      exampleFile("lock/worker.ts"),
      ensemble.servers.join(","),
      "/lock",
      name,
    ]);
  await using first = work("first");
  await until("the first works", () => first.lines.includes("first works"));
  await using second = work("second");
  await until("the second waits", () => second.lines.includes("second waits"));
  await using third = work("third");
  await until("the third waits", () => third.lines.includes("third waits"));

  await ensemble.kill("SIGKILL", leader);
  await ensemble.untilReady(others(ensemble, leader));
  expect([second.lines, third.lines].flat()).not.toContain("second works");
  // Killed, it leaves the lock to its session's timeout.
  first.signal("SIGKILL");
  await until("the second works", () => second.lines.includes("second works"));
  expect(third.lines).not.toContain("third works");
  // Told to leave, it gives the lock back at once.
  second.signal("SIGTERM");
  await until("the third works", () => third.lines.includes("third works"));
  expect(await second.exited).toBe(0);
  for (const { lines } of [second, third]) expect(lines.join()).not.toContain("lost");
});

it("the shell's ephemeral node goes with it, and a multi or an ACL is the whole ensemble's", async () => {
  await using started = await startEnsemble();
  const { servers } = started.ensemble;
  const at = (i: number): string[] => ["--server", servers[i] ?? ""];
  const [node, main] = COMMAND;
  const shell = spawn(node, [main, "shell", ...at(0)], { stdio: ["pipe", "pipe", "inherit"] });
  let out = "";
  shell.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  const ended = new Promise((resolve) => shell.once("close", resolve));
  shell.stdin.write("create --ephemeral --sequential /live- x\n");
  await until("it is made", () => out.includes("/live-0000000000\n"));
  expect((await quorate("get", "/live-0000000000", "--linearizable", ...at(1))).out).toBe("x");
  shell.stdin.end("watch / recursive\nephemerals\n");
  expect(await ended).toBe(0);
  expect(out).toBe("/live-0000000000\n/live-0000000000\n");
  expect((await quorate("get", "/live-0000000000", "--linearizable", ...at(1))).code).toBe(3);

  const done = await quorate("multi", "create /a 1", "create --sequential /a/b- 2", ...at(1));
  expect(done).toEqual({ code: 0, out: "create /a\ncreate /a/b-0000000000\n", err: "" });
  const refused = await quorate("multi", "delete /a/b-0000000000", "check /a 5", ...at(2));
  expect(refused.code).toBe(3);
  expect(refused.err).toContain("ERR_ZNODE_BAD_VERSION: operation 1 of the multi (check /a)");
  expect((await quorate("setacl", "/a", "world:anyone:r", ...at(2))).out).toBe("aversion 1\n");
  expect((await quorate("set", "/a", "2", ...at(0))).err).toContain("ERR_ZNODE_NO_AUTH");
  const acl = await quorate("getacl", "/a", "--linearizable", ...at(0));
  expect(acl.out).toBe("world:anyone:r\n");
});
