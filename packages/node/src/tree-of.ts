import type { Logger, Meter, Random } from "@quorate/protocol";
import { pathKeyFrom, ZnodeMachine, type QuotaExcess } from "@quorate/znode";

interface TreeDeps {
  readonly logger: Logger;
  readonly meter: Meter;
  readonly random: Random;
}

/** The tree of a node in production. */
export function treeOf({ logger, meter, random }: TreeDeps): ZnodeMachine {
  return new ZnodeMachine({
    onQuotaExceeded: (excess) => tellExcess(excess, logger, meter),
    pathKey: pathKeyFrom(random),
  });
}

/** Of an enforced quota, the client is told as well. Repeats of a line are held back by the log. */
function tellExcess(
  { path, kind, limit, value, isHard }: QuotaExcess,
  logger: Logger,
  meter: Meter,
) {
  meter.count("quota_exceeded");
  logger.warn("a quota is exceeded", { path, kind, limit, value, enforced: isHard });
}
