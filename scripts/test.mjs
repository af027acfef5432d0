// Runs every test, stage by stage, and ends at the first failure.
//
//   pnpm test                     every stage
//   pnpm test --stage unit        one stage (repeatable)
//   pnpm test packages/codec -u   arguments other than --stage go to vitest, which runs alone
import { runStages } from "./lib/run-stages.mjs";
import { processStage, simulationStage, staticStage, unitStage } from "./lib/stages.mjs";

const stages = [staticStage(), unitStage(), processStage(), simulationStage()];

const chosen = [];
const forVitest = [];
for (let i = 2; i < process.argv.length; i++) {
  if (process.argv[i] === "--stage") chosen.push(process.argv[++i]);
  else if (process.argv[i] !== "--") forVitest.push(process.argv[i]);
}

const unknown = chosen.filter((name) => !stages.some((stage) => stage.name === name));
if (unknown.length > 0) {
  const known = stages.map((stage) => `"${stage.name}"`).join(", ");
  console.error(`test: no stage "${unknown[0]}"; there are ${known}`);
  process.exitCode = 2;
} else {
  const selected =
    forVitest.length > 0
      ? [unitStage(...forVitest)]
      : stages.filter((stage) => chosen.length === 0 || chosen.includes(stage.name));
  process.exitCode = (await runStages("test", selected)) ? 0 : 1;
}
