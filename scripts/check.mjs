// The one command before a commit: all that is fast. `pnpm test` adds what takes minutes.
import { runStages } from "./lib/run-stages.mjs";
import { firstSeedsStage, staticStage, unitStage } from "./lib/stages.mjs";

const isOk = await runStages("check", [staticStage(), unitStage(), firstSeedsStage()]);
process.exitCode = isOk ? 0 : 1;
