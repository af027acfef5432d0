import { openCommitLog } from "@quorate/commit-log";
import type { NodeParts } from "@quorate/node";
import { startServer } from "@quorate/server";

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
