import { openCommitLog } from "@quorate/commit-log";
import { startServer } from "@quorate/server";
import type { NodeParts } from "./run-node.js";

/** The shipped server on the shipped store. */
export const productionParts: NodeParts = {
  startServer,
  createOpenStore:
    (config, { logger, meter, chainHash }) =>
    () =>
      openCommitLog({
        directory: config.dataDir,
        chainHash,
        logger: logger.child({ component: "store" }),
        meter,
        diskTimeoutMs: config.timings.diskTimeoutMs,
      }),
};
