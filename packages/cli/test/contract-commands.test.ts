import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, describe, expect, it } from "vitest";
import { run } from "../src/index.js";
import { parseAcl } from "../src/acl-text.js";
import { completionsOf } from "../src/shell/complete.js";
import { History, HISTORY_LINES_MAX } from "../src/shell/history.js";
import { EXITS, VERBS } from "../src/shell/verbs.js";
import { quotedWord, wordsOf } from "../src/words.js";
import { startMemoryNode, TestIo, type MemoryNode } from "./memory-node.js";
import { until } from "./ensemble/support.js";

const directory = mkdtempSync(join(tmpdir(), "quorate-contract-"));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

const noParts = () => Promise.reject(new Error("no server here"));

async function quorate(node: MemoryNode, args: readonly string[], io = new TestIo()) {
  const code = await run([...args, "--server", node.url], io, noParts);
  return { code, out: io.text, err: io.errText };
}

const proofFile = join(directory, "proof");
writeFileSync(proofFile, "digest:ann:secret\n");

describe("the rest of the contract on the command line", () => {
  it("makes nodes of every mode that needs no session", async () => {
    await using node = await startMemoryNode();
    const create = (...args: string[]) => quorate(node, ["create", ...args]);
    expect((await create("/c", "--container")).out).toBe("/c\n");
    expect((await create("/c/j-", "x", "--sequential")).out).toBe("/c/j-0000000000\n");
    expect((await create("/t-", "--ttl", "60000", "--sequential")).out).toBe("/t-0000000001\n");
    for (const args of [
      ["/x", "--container", "--sequential"],
      ["/x", "--ttl", "5", "--container"],
      ["/x", "--ttl", "0"],
      ["/x", "--acl", "world:anyone"],
    ]) {
      expect((await create(...args)).code).toBe(2);
    }
  });

  it("holds the session of an ephemeral node until it is stopped", async () => {
    await using node = await startMemoryNode();
    const io = new TestIo();
    const running = quorate(node, ["create", "/here", "--ephemeral"], io);
    await until(() => io.text !== "" && io.awaitsSignal);
    expect((await quorate(node, ["ls", "/"])).out).toContain("here\n");
    io.signal();
    expect(await running).toMatchObject({ code: 0, out: "/here\n" });
    expect((await quorate(node, ["ls", "/"])).out).not.toContain("here");
  });

  it("sets and prints ACLs, as it takes them, and tells nobody who proved what", async () => {
    await using node = await startMemoryNode();
    const as = ["--auth-file", proofFile];
    expect((await quorate(node, ["create", "/a", "--acl", "auth::cdrwa", ...as])).code).toBe(0);
    expect(await quorate(node, ["get", "/a"])).toMatchObject({ code: 3 });
    const shown = await quorate(node, ["getacl", "/a", ...as]);
    expect(shown.out).toMatch(/^digest:ann:.{28}:cdrwa\n$/);
    const again = shown.out.trim();
    expect((await quorate(node, ["setacl", "/a", again, ...as])).out).toBe("aversion 1\n");
    const open = ["setacl", "/a", "world:anyone:r,ip:10.0.0.0/8:rw", "--if-version", "0", ...as];
    expect(await quorate(node, open)).toMatchObject({ code: 3 });
    const io = new TestIo({ QUORATE_AUTH: "nothing" });
    const refused = await quorate(node, ["get", "/a"], io);
    expect(refused).toMatchObject({ code: 2, err: expect.not.stringContaining("nothing") });
    const wrong = await quorate(node, ["get", "/a", "--auth-file", join(directory, "no")]);
    expect(wrong).toMatchObject({ code: 2, err: expect.stringContaining("ENOENT") });
  });

  it("does several things at once, from arguments or lines", async () => {
    await using node = await startMemoryNode();
    await quorate(node, ["create", "/a", "0"]);
    const done = await quorate(node, [
      "multi",
      "check /a 0",
      'set /a "two words" 0',
      "create --sequential /s- x",
      "delete /nobody",
    ]);
    expect(done.out + done.err).toContain("ERR_ZNODE_NO_NODE: operation 3 of the multi");
    const lines = [
      '{"kind":"set","path":"/a","data":"AAE=","encoding":"base64","version":0}',
      '{"kind":"create","path":"/b","mode":"container","acl":"world:anyone:r"}',
      "check /a",
    ];
    const io = new TestIo({}, `${lines.join("\n")}\n\n`);
    const result = await quorate(node, ["multi", "--stdin", "--json"], io);
    expect(JSON.parse(result.out)).toEqual({
      txnid: "e3:2",
      results: [
        { kind: "set", version: 1 },
        { kind: "create", path: "/b", version: 0 },
        { kind: "check" },
      ],
    });
    for (const operation of ["", "move /a", "set /a", "delete", '{"kind":"set"}', '{"kinds":1}']) {
      expect((await quorate(node, ["multi", operation])).code).toBe(2);
    }
    expect((await quorate(node, ["multi"])).code).toBe(2);
  });

  it("tells the changes of a node, once or until it is stopped", async () => {
    await using node = await startMemoryNode();
    const once = new TestIo();
    const first = quorate(node, ["watch-node", "/w", "--kind", "data", "--json"], once);
    const always = new TestIo();
    const second = quorate(node, ["watch-node", "/", "--kind", "recursive"], always);
    await until(async () => {
      if (!once.awaitsSignal || !always.awaitsSignal) return false;
      await quorate(node, ["create", `/probe-`, "--sequential"]);
      return always.text !== "";
    });
    await quorate(node, ["create", "/w"]);
    expect(JSON.parse((await first).out)).toMatchObject({ kind: "created", path: "/w" });
    await until(() => always.text.includes("created         /w\n"));
    always.signal();
    expect((await second).code).toBe(0);
  });
});

describe("the shell", () => {
  it("carries out lines in one session, and ends with the first that fails", async () => {
    await using node = await startMemoryNode();
    const script = [
      "# what is for people",
      "create --ephemeral /e x",
      "ephemerals",
      'set /e "a b" 0',
      "get /e",
      "stat /nobody",
      "count /",
      "ls",
      "delete /e 7",
      "create /never",
    ];
    const shell = await quorate(node, ["shell"], new TestIo({}, `${script.join("\n")}\n`));
    expect(shell.code).toBe(3);
    expect(shell.out).toBe("/e\n/e\nversion 1\na b\nthere is no such node\n4\ne\nzookeeper\n");
    expect(shell.err).toMatch(/^quorate: ERR_ZNODE_BAD_VERSION: /);
    // The session ended in order, and its node went with it.
    expect((await quorate(node, ["ls", "/"])).out).toBe("zookeeper\n");
  });

  it("speaks JSON, and helps with each verb", async () => {
    await using node = await startMemoryNode();
    const lines = ["create /a x", "get /a", "exit", "create /b"].join("\n");
    const shell = await quorate(node, ["shell", "--json"], new TestIo({}, lines));
    const [created, got] = shell.out
      .trim()
      .split("\n")
      .map((line): unknown => JSON.parse(line));
    expect(created).toEqual({ path: "/a", txnid: "e3:2" });
    expect(got).toMatchObject({ path: "/a", data: "x", encoding: "utf8" });
    const names = [...VERBS.keys()];
    const asked = names.map((name) => `help ${name}`).join("\n");
    const help = await quorate(node, ["shell"], new TestIo({}, `help\n${asked}\n`));
    expect(help.code).toBe(0);
    for (const name of names) expect(help.out).toMatch(new RegExp(`^${name}\\b.*\n  \\S`, "m"));
    const unknown = await quorate(node, ["shell"], new TestIo({}, "frobnicate\n"));
    expect(unknown).toMatchObject({ code: 2, err: expect.stringContaining("frobnicate") });
  });

  it("shows at a terminal how its session stands, tells changes, and keeps no password", async () => {
    await using node = await startMemoryNode();
    const io = new TestIo({ XDG_STATE_HOME: directory });
    const [input, output] = [new PassThrough(), new PassThrough()];
    let screen = "";
    output.on("data", (chunk: Buffer) => (screen += chunk.toString()));
    io.terminal = { input, output };
    const running = quorate(node, ["shell"], io);
    await until(() => screen.includes("quorate (connected)> "));
    input.write("addauth digest:ann:secret\n");
    input.write("create /watched 0\n");
    await until(() => io.text.includes("/watched\n"));
    input.write("watch /watched\n");
    input.write("get /nobody\n");
    await until(() => io.errText.includes("ERR_ZNODE_NO_NODE"));
    input.write("set /watched 1\n");
    await until(() => io.text.includes("dataChanged     /watched\n"));
    // Ctrl-C takes back what was typed, Ctrl-D leaves.
    input.write("delete /watched");
    input.write("\u0003");
    await until(() => io.text.includes("(Ctrl-D leaves)"));
    input.write("\u0004");
    expect(await running).toMatchObject({ code: 0 });
    expect((await quorate(node, ["get", "/watched"])).out).toBe("1");
    const file = join(directory, "quorate", "history");
    expect(readFileSync(file, "utf8")).toBe(
      "create /watched 0\nwatch /watched\nget /nobody\nset /watched 1\n",
    );
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });
});

describe("what the shell knows of a line", () => {
  const session = {
    children: (path: string) =>
      path === "/a"
        ? Promise.resolve({ children: ["b", "bc", "d e"], stat: null as never })
        : Promise.reject(new Error("no such node")),
  };

  it.each([
    ["", [...VERBS.keys(), ...EXITS].map((name) => `${name} `)],
    ["se", ["set ", "setacl ", "session "]],
    ["get /a/b", ["/a/b", "/a/bc"]],
    ["get /a/d", ['"/a/d e"']],
    ["get /x/", []],
    ["create --e", ["--ephemeral"]],
    ["watch /a re", ["recursive"]],
    ["help ge", ["get", "getacl"]],
    ["nothing ", []],
  ])("completes %j", async (line, offers) => {
    expect((await completionsOf(line, session))[0]).toEqual(offers);
  });

  it.each([
    ["get  /a ", ["get", "/a"]],
    ['set /a "two words"', ["set", "/a", "two words"]],
    ["set /a 'it \\ is'", ["set", "/a", "it \\ is"]],
    ['set /a "a \\"quote\\""', ["set", "/a", 'a "quote"']],
    ['set /a ""', ["set", "/a", ""]],
    ["", []],
  ])("has the words of %j", (line, words) => {
    expect(wordsOf(line)).toEqual(words);
  });

  it("takes no open quote, and quotes what it completes", () => {
    expect(() => wordsOf('set /a "x')).toThrow(/quote/);
    for (const word of ["a b", 'a"b', "a\\b", "plain"]) {
      expect(wordsOf(quotedWord(word))).toEqual([word]);
    }
  });

  it("keeps so many lines and no more, the newest", () => {
    const history = new History({ XDG_STATE_HOME: join(directory, "many") });
    const lines = Array.from({ length: HISTORY_LINES_MAX + 5 }, (_, i) => `get /${i}`);
    expect(history.load()).toEqual([]);
    expect(history.save(["addauth digest:a:b", ...lines])).toBe(true);
    expect(history.load()).toEqual(lines.slice(0, HISTORY_LINES_MAX));
    expect(new History({}).save(lines)).toBe(false);
  });
});

describe("an ACL as text", () => {
  it("may have colons in its ids", () => {
    expect(parseAcl("digest:ann:x=:rw,ip:::1:a")).toEqual([
      { scheme: "digest", id: "ann:x=", perms: 3 },
      { scheme: "ip", id: "::1", perms: 16 },
    ]);
    for (const text of ["", "world", "world:anyone:", "world:anyone:x", ":a:r"]) {
      expect(() => parseAcl(text)).toThrow(/an ACL is/);
    }
  });
});
