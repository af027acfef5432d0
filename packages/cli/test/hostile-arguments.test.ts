import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ExitCode, run } from "../src/index.js";
import { startMemoryNode, TestIo } from "./memory-node.js";

const noParts = (): Promise<never> => Promise.reject(new Error("no server starts here"));
const directory = mkdtempSync(join(tmpdir(), "quorate-arguments-"));
const file = (name: string, text: string | Uint8Array): string => {
  writeFileSync(join(directory, name), text);
  return join(directory, name);
};
const addresses = { electionAddr: "0", messageAddr: "0", requestAddr: "0" };
const good = (): string =>
  file("good.json", JSON.stringify({ nodeId: 1, dataDir: "d", host: addresses }));

async function command(...args: string[]): Promise<{ code: number; err: string; out: string }> {
  const io = new TestIo();
  const code = await run(args, io, noParts);
  return { code, err: io.errText, out: io.text };
}

let node: Awaited<ReturnType<typeof startMemoryNode>>;
beforeAll(async () => {
  node = await startMemoryNode();
});
afterAll(async () => {
  await node[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

describe("an option that does not say what it means is refused, not guessed at", () => {
  it.each([
    [["get", "/a", "--timeout", "soon"], "--timeout is a number"],
    [["get", "/a", "--timeout", "0"], "--timeout is an integer in 1..2147483647"],
    [["status", "--timeout", "-5"], "--timeout is an integer in"],
    [["get", "/a", "--timeout", "1e99"], "--timeout is an integer in"],
    [["get", "/a", "--timeout", "1", "--timeout", "2"], "--timeout is given twice"],
    [["get", "/a", "--server"], "--server needs a value"],
    [["get", "/a", "--server", "--json"], "--server needs a value"],
    [["get", "/a", "--server", "127.0.0.1:99999"], "a server is written like"],
    [["status", "--server", "a:1,b:2"], "a server is written like"],
    [["session", "list", "--server", "a"], "a server is written like"],
    [["bench", "--server", "127.0.0.1:1", "--server", "a:b"], "a server is written like"],
    // It would read all of the source before it looked for the target.
    [["import", "--zookeeper", "a:1", "--server", "a:1,b:2"], "a server is written like"],
    [["get", "/a", "--json=maybe"], "--json takes no value"],
    [["get", "/a", "--no-json"], "Unknown argument"],
    [["set", "/a", "x", "--if-version", "new"], "--if-version is an integer"],
    [["set", "/a", "x", "--if-version", "1.5"], "--if-version is an integer"],
    [["delete", "/a", "--if-version", "99999999999"], "--if-version is an integer"],
    [["create", "/a", "x", "--stdin"], "give the data or --stdin, not both"],
    [["create", "/a", "x", "--", "--y"], "unexpected behind --: --y"],
    [["get", "/a", "--", "/b"], "unexpected behind --: /b"],
  ])("%j", async (args, what) => {
    const { code, err } = await command(...args);
    expect(err).toContain("ERR_ARG_VALUE");
    expect(err).toContain(what);
    expect(code).toBe(ExitCode.usage);
  });

  it("of a configuration, whichever command reads it", async () => {
    const both = ["--config", good(), "--config", "none.json"];
    for (const args of [
      ["config", "check", ...both],
      ["server", ...both],
    ]) {
      const { code, err } = await command(...args);
      expect([code, err]).toEqual([
        ExitCode.usage,
        expect.stringContaining("--config is given twice"),
      ]);
    }
    const empty = await command("config", "check", "--config=");
    expect(empty.err).toContain("--config needs a value");
    const no = await command("config", "check", "--config", good(), "--no-config");
    expect(no.code).toBe(ExitCode.usage);
    const maybe = await command("config", "check", "--config", good(), "--trust-empty=maybe");
    expect(maybe.err).toContain("--trust-empty takes no value");
  });

  it("and what looks like an option is data behind --", async () => {
    const server = ["--server", node.url];
    expect((await command("create", "/dashes", ...server, "--", "--weird")).code).toBe(0);
    expect((await command("get", "/dashes", ...server)).out).toBe("--weird");
  });
});

it("data without a newline gets one at a terminal, and nowhere else", async () => {
  const at = ["--server", node.url];
  await command("create", "/line", "text", ...at);
  const io = new TestIo();
  io.isTerminal = true;
  await run(["get", "/line", ...at], io, noParts);
  expect(io.text).toBe("text\n");
  expect((await command("get", "/line", ...at)).out).toBe("text");
});

describe("a configuration file", () => {
  it("without an end is not read to it", async () => {
    const endless = join(directory, "endless.json");
    symlinkSync("/dev/zero", endless);
    const { code, err } = await command("config", "check", "--config", endless);
    expect([code, err]).toEqual([ExitCode.usage, expect.stringContaining("larger than 1 MiB")]);
  });

  it("is named with its line also where a relation is wrong", async () => {
    const listOf = (peers: object[]): string =>
      peers.map((peer) => JSON.stringify(peer)).join(",\n");
    const wrong = (peers: object[]): string =>
      file("wrong.json", `{"nodeId":1,"dataDir":"d",\n"peers":[\n${listOf(peers)}]}`);
    const peer = (id: number, base: number, host = "127.0.0.1"): object => ({
      id,
      electionAddr: `${host}:${base}`,
      messageAddr: `${host}:${base}`,
      requestAddr: `${host}:${base + 1}`,
    });
    const shared = await command("config", "check", "--config", wrong([peer(1, 10), peer(2, 10)]));
    expect(shared.err).toMatch(/ERR_CONFIG_RELATION: electionAddr of node 2 .*wrong\.json:4\)/);
    const open = await command("config", "check", "--config", wrong([peer(1, 10, "10.0.0.1")]));
    expect(open.err).toMatch(/ERR_CONFIG_INSECURE: .*wrong\.json:3\)/s);
  });

  it("stands beside what Kubernetes sets for a Service of the name", async () => {
    const env = {
      QUORATE_SERVICE_HOST: "10.0.0.1",
      QUORATE_SERVICE_PORT_CLIENTS: "4181",
      QUORATE_PORT: "tcp://10.0.0.1:4181",
      QUORATE_PORT_4181_TCP_ADDR: "10.0.0.1",
    };
    expect(await run(["config", "check", "--config", good()], new TestIo(env), noParts)).toBe(0);
    const other = new TestIo({ QUORATE_PORTS: "1" });
    expect(await run(["config", "check", "--config", good()], other, noParts)).toBe(ExitCode.usage);
  });
});
