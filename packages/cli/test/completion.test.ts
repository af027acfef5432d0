import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { describeCommands } from "../src/command-line.js";
import { run } from "../src/index.js";
import { TestIo } from "./memory-node.js";

const directory = mkdtempSync(join(tmpdir(), "quorate-completion-"));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

async function scriptOf(shell: string): Promise<string> {
  const io = new TestIo();
  expect(await run(["completion", shell], io, () => Promise.reject(new Error("none")))).toBe(0);
  const file = join(directory, shell);
  writeFileSync(file, io.text);
  return file;
}

const has = (shell: string): boolean => spawnSync(shell, ["-c", "true"]).status === 0;
const commands = describeCommands(new TestIo());

describe("completion", () => {
  it.runIf(has("bash"))(
    "in bash offers commands, options, choices, and files otherwise",
    async () => {
      const file = await scriptOf("bash");
      const complete = (...words: string[]): string[] => {
        const array = words.map((word) => `'${word}'`).join(" ");
        const script = `source ${file}; COMP_WORDS=(quorate ${array}); COMP_CWORD=${words.length}
        _quorate; printf '%s\\n' "\${COMPREPLY[@]}"`;
        const out = execFileSync("bash", ["-c", script], { encoding: "utf8" });
        return out.split("\n").filter((line) => line !== "");
      };
      expect(complete("sta")).toEqual(["start", "status", "stat"]);
      expect(complete("")).toEqual(expect.arrayContaining(commands.map(({ name }) => name)));
      expect(complete("config", "")).toEqual(
        expect.arrayContaining(["check", "explain", "--json"]),
      );
      expect(complete("config", "explain", "--zoo")).toEqual(["--zoo-cfg"]);
      expect(complete("server", "--log-level", "")).toEqual(["error", "warn", "info", "debug"]);
      expect(complete("server", "--config", "")).toEqual([]);
      expect(complete("get", "/a", "--lin")).toEqual(["--linearizable"]);
      expect(complete("nonsense", "")).toEqual([]);
    },
  );

  it.runIf(has("zsh"))("in zsh is registered for quorate", async () => {
    const file = await scriptOf("zsh");
    const load = `autoload -Uz compinit; compinit -D -u; source ${file}`;
    const script = `${load}; print \${_comps[quorate]}`;
    const out = execFileSync("zsh", ["-f", "-c", script], { encoding: "utf8" });
    expect(out.trim()).toBe("_quorate");
  });

  it.runIf(has("fish"))("in fish offers commands, options and choices", async () => {
    const file = await scriptOf("fish");
    const complete = (line: string): string[] => {
      const script = `source ${file}; complete -C '${line}'`;
      const out = execFileSync("fish", ["--no-config", "-c", script], { encoding: "utf8" });
      return out.split("\n").flatMap((text) => (text === "" ? [] : [text.split("\t")[0] ?? ""]));
    };
    expect(complete("quorate comp")).toEqual(["completion"]);
    expect(complete("quorate config --log-level ")).toEqual(["debug", "error", "info", "warn"]);
    expect(complete("quorate server --zoo")).toEqual(["--zoo-cfg"]);
  });

  it.each(["bash", "zsh", "fish"])("names every command and option in %s", async (shell) => {
    const io = new TestIo();
    await run(["completion", shell], io, () => Promise.reject(new Error("none")));
    for (const { name, options } of commands) {
      expect(io.text).toContain(name);
      for (const option of options) {
        expect(io.text).toContain(shell === "fish" ? `-l ${option.name}` : `--${option.name}`);
      }
    }
  });
});

describe("every command", () => {
  it("has examples that begin with it, and a description for each of its arguments", () => {
    for (const { name, describe: text, options, positionals, examples } of commands) {
      expect(text).not.toBe("");
      expect(examples.length, name).toBeGreaterThan(0);
      for (const example of examples) expect(example).toContain(name);
      for (const argument of [...options, ...positionals]) {
        expect(argument.describe, `${name} ${argument.name}`).not.toBe("");
      }
    }
  });

  it("prints JSON when asked, but for the server's log and scripts", () => {
    const without = commands.filter(({ options }) => !options.some(({ name }) => name === "json"));
    expect(without.map(({ name }) => name)).toEqual(["server", "watcher", "completion"]);
  });
});
