import { describe, expect, it, vi } from "vitest";
import { run } from "../src/index.js";
import { startMemoryNode, TestIo, type MemoryNode } from "./memory-node.js";

const DEAD = "127.0.0.1:2";
const noParts = () => Promise.reject(new Error("no server here"));

interface Watching {
  readonly io: TestIo;
  readonly code: Promise<number>;
}

function watch(node: MemoryNode, ...args: string[]): Watching {
  const io = new TestIo();
  return { io, code: run(["watch", ...args, "--server", node.url], io, noParts) };
}

async function quorate(...args: string[]): Promise<number> {
  return run(args, new TestIo(), noParts);
}

async function until(condition: () => boolean): Promise<void> {
  await vi.waitUntil(condition, { interval: 1, timeout: 20_000 });
}

describe("quorate watch", () => {
  it("prints a line for each operation below the prefix until it is told to stop", async () => {
    await using node = await startMemoryNode();
    const at = ["--server", node.url];
    await quorate("create", "/a", "before", ...at);
    const { io, code } = watch(node, "/a", "--from", "e0:0");
    await until(() => io.text !== "");
    await quorate("create", "/ab", "elsewhere", ...at);
    await quorate("set", "/a", "x".repeat(200), ...at);
    await quorate("create", "/a/b", ...at);
    await quorate("delete", "/a/b", ...at);
    await until(() => io.text.includes("delete"));
    io.signal();
    expect(await code).toBe(0);
    expect(io.text).toBe(
      `e3:1  create    /a "before"\n` +
        `e3:3  set       /a v1 "${"x".repeat(100)}"... (200 characters)\n` +
        `e3:4  create    /a/b\n` +
        `e3:5  delete    /a/b\n`,
    );
    expect([io.errText, io.awaitsSignal]).toEqual(["", false]);
  });

  it("prints all of it as JSON lines", async () => {
    await using node = await startMemoryNode();
    const { io, code } = watch(node, "--json", "--from", "e0:0");
    await quorate("create", "/a", "hello", "--server", node.url);
    await until(() => io.text !== "");
    io.signal();
    expect(await code).toBe(0);
    expect(JSON.parse(io.text)).toEqual({
      txnid: "e3:1",
      operations: [{ kind: "create", path: "/a", data: "hello", encoding: "utf8", timeMs: 1000 }],
    });
  });

  it("says how much of what is no text there is, and keeps keys to their line", async () => {
    await using node = await startMemoryNode();
    const { io, code } = watch(node, "--from", "e0:0");
    await node.server.submit(7, "line\nbreak", new Uint8Array([0xff, 0, 1]));
    await until(() => io.text !== "");
    io.signal();
    await code;
    expect(io.text).toBe(`e3:1  broadcast "line\\nbreak" (3 bytes)\n`);
  });

  it.each([
    [["--from", "yesterday"], 2, "ERR_ARG_TXNID"],
    [["/a/"], 2, "ERR_ARG_VALUE"],
    [["--server", DEAD, "--timeout", "200"], 5, "ERR_CLIENT_UNREACHABLE"],
  ])("tells what is wrong with %j by exit code %i", async (args, code, error) => {
    const io = new TestIo();
    if (args.includes(DEAD)) {
      expect(await run(["watch", ...args], io, noParts)).toBe(code);
    } else {
      await using node = await startMemoryNode();
      expect(await run(["watch", ...args, "--server", node.url], io, noParts)).toBe(code);
    }
    expect(io.errText).toContain(error);
  });

  it("ends with code 3 when what follows is gone", async () => {
    await using node = await startMemoryNode();
    await quorate("create", "/a", "--server", node.url);
    node.server.committed.installSnapshot(5);
    const { io, code } = watch(node, "--from", "e3:1");
    expect(await code).toBe(3);
    expect(io.errText).toMatch(/ERR_CLIENT_COMPACTED.*e3:6/);
  });
});
