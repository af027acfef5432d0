import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { root } from "../lib/tools.mjs";

const module = pathToFileURL(join(root, "scripts/lib/run-stages.mjs")).href;

/** Runs stages, given as { name: { task: JavaScript } }, in a process of their own. */
function run(stages) {
  const node = JSON.stringify(process.execPath);
  const list = Object.entries(stages).map(([name, tasks]) => ({
    name,
    tasks: Object.entries(tasks).map(([task, code]) => ({ name: task, code })),
  }));
  const program = `
    import { runStages } from ${JSON.stringify(module)};
    const stages = ${JSON.stringify(list)};
    for (const task of stages.flatMap((stage) => stage.tasks)) {
      task.command = [${node}, "-e", task.code];
    }
    process.exitCode = (await runStages("test", stages)) ? 0 : 1;`;
  const { status, stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    encoding: "utf8",
    timeout: 15_000,
  });
  return { status, stdout, lastLine: stdout.trimEnd().split("\n").at(-1) };
}

const say = (text) => `console.log(${JSON.stringify(text)})`;
const fail = 'console.error("the reason"); process.exitCode = 3;';

test("passes when every task passes, and ends with the time of each stage", () => {
  const { status, lastLine } = run({ one: { a: say("a"), b: say("b") }, two: { c: say("c") } });
  expect(status).toBe(0);
  expect(lastLine).toMatch(/^test: ok in \d+\.\d s \(one \d+\.\d s, two \d+\.\d s\)$/);
});

test("stops at the first failure, shows its output and names it in the last line", () => {
  const forever = "setInterval(() => {}, 1000)";
  const { status, stdout, lastLine } = run({
    one: { endless: forever, broken: fail, never: say("too late") },
    two: { c: say("too late") },
  });
  expect(status).toBe(1);
  expect(stdout).toContain("the reason");
  expect(stdout).not.toContain("too late");
  expect(lastLine).toMatch(/^test: FAILED in stage "one", task "broken", after \d+\.\d s$/);
});

test("a lone task that fails fails its stage", () => {
  const { status, lastLine } = run({ one: { broken: fail } });
  expect(status).toBe(1);
  expect(lastLine).toMatch(/^test: FAILED in stage "one", task "broken"/);
});

test("a tool that cannot be started fails its stage", () => {
  const program = `
    import { runStages } from ${JSON.stringify(module)};
    const stages = [{ name: "one", tasks: [{ name: "gone", command: ["./no-such-tool"] }] }];
    process.exitCode = (await runStages("test", stages)) ? 0 : 1;`;
  const { status } = spawnSync(process.execPath, ["--input-type=module", "-e", program]);
  expect(status).toBe(1);
});
