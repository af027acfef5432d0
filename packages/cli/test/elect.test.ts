import { expect, it } from "vitest";
import { run } from "../src/index.js";
import { TestIo } from "./memory-node.js";

const noParts = () => Promise.reject(new Error("no server here"));

it("elect --help has examples, exit codes and where to read on", async () => {
  const io = new TestIo();
  expect(await run(["elect", "--help"], io, noParts)).toBe(0);
  expect(io.text).toMatch(/--exec \.\/work\.sh/);
  expect(io.text).toMatch(/docs\/election\.md[^]*Exit codes:/);
});

it.each([
  [["--id", "1", "--members", "1:7001"], "ERR_ARG_VALUE"],
  [["--id", "1", "--members", "1=a:1,1=b:1"], "ERR_ARG_VALUE"],
  [["--id", "1", "--members", "1=127.0.0.1:1", "--rank", "x"], "ERR_ARG_VALUE"],
  [["--members", "1=127.0.0.1:1"], "ERR_ARG_VALUE"],
  [["--id", "2", "--members", "1=127.0.0.1:1"], "ERR_CONFIG_VALUE"],
  [["--id", "1", "--members", "1=no port"], "ERR_ARG_VALUE"],
  [["--id", "1", "--members", "1=0.0.0.0:7001"], "ERR_CONFIG_INSECURE"],
  [["--id", "1", "--members", "1=127.0.0.1:1", "--secret-file", "nowhere"], "ERR_CONFIG_FILE"],
])("%j is wrong usage: %s", async (args, code) => {
  const io = new TestIo();
  expect(await run(["elect", ...args], io, noParts)).toBe(2);
  expect(io.errText).toContain(code);
});
