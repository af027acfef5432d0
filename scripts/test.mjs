// Runs every test. Stages are added here as they come to exist.
import { spawnSync } from "node:child_process";

const stages = [
  ["types", "pnpm", ["typecheck"]],
  ["unit", "pnpm", ["exec", "vitest", "run"]],
];

for (const [name, command, args] of stages) {
  const start = Date.now();
  const { status } = spawnSync(command, args, { stdio: "inherit" });
  console.log(
    `stage ${name}: ${status === 0 ? "ok" : "FAILED"} in ${((Date.now() - start) / 1000).toFixed(1)} s`,
  );
  if (status !== 0) process.exit(1);
}
