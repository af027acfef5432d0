// Runs stages one after the other, and the tasks of a stage side by side.
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { root } from "./tools.mjs";

/**
 * @typedef {{ name: string, command: readonly string[] }} Task
 * @typedef {{ name: string, tasks: readonly Task[] }} Stage
 */

/**
 * Runs all stages, stops at the first failure and prints a last line that says how it went.
 * @param {string} title
 * @param {readonly Stage[]} stages
 * @returns {Promise<boolean>} whether everything passed.
 */
export async function runStages(title, stages) {
  const start = Date.now();
  const times = [];
  for (const stage of stages) {
    const stageStart = Date.now();
    const failed = await runStage(stage);
    const time = seconds(stageStart);
    if (failed !== undefined) {
      console.log(`${title}: FAILED in stage "${stage.name}", task "${failed}", after ${time}`);
      return false;
    }
    console.log(`stage "${stage.name}": ok in ${time}`);
    times.push(`${stage.name} ${time}`);
  }
  console.log(`${title}: ok in ${seconds(start)} (${times.join(", ")})`);
  return true;
}

/** @returns the name of the first task that failed. */
async function runStage({ tasks }) {
  if (tasks.length === 1) {
    const result = await runTask(tasks[0], "inherit").ended;
    return result.isOk ? undefined : tasks[0].name;
  }
  const waiting = [...tasks];
  const running = new Set();
  let failed;
  const worker = async () => {
    while (failed === undefined && waiting.length > 0) {
      const task = waiting.shift();
      const start = Date.now();
      const child = runTask(task, "pipe");
      running.add(child);
      const { isOk, output } = await child.ended;
      running.delete(child);
      // What ends after the first failure was stopped by it.
      if (failed !== undefined) return;
      console.log(`${isOk ? "ok    " : "FAILED"} ${task.name} (${seconds(start)})`);
      if (isOk) continue;
      failed = task.name;
      process.stdout.write(output);
      for (const other of running) other.stop();
    }
  };
  const width = Math.max(2, availableParallelism());
  await Promise.all(Array.from({ length: width }, worker));
  return failed;
}

function runTask({ command: [file, ...args] }, stdio) {
  const child = spawn(file, args, {
    cwd: root,
    stdio: stdio === "inherit" ? "inherit" : ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout?.on("data", (chunk) => (output += chunk));
  child.stderr?.on("data", (chunk) => (output += chunk));
  const ended = new Promise((resolve) => {
    child.once("error", (error) => resolve({ isOk: false, output: `${output}${error.message}\n` }));
    child.once("close", (code) => resolve({ isOk: code === 0, output }));
  });
  return { ended, stop: () => child.kill() };
}

function seconds(start) {
  return `${((Date.now() - start) / 1000).toFixed(1)} s`;
}
