import type { FaultKind } from "../coverage.js";
import type { SimNode } from "../world/sim-node.js";
import type { FaultAction, Nemesis } from "./nemesis.js";

const nothing = (): void => undefined;

/** Kills a node, takes something of its disk away while it is down, and starts it again. */
function whileDown(
  kind: FaultKind,
  change: (nemesis: Nemesis, node: SimNode) => boolean,
): FaultAction {
  return {
    kind,
    durationMs: [50, 2000],
    begin: (nemesis) => {
      const node = nemesis.anyNode();
      if (!nemesis.mayForget(node) || !node.host.isAlive) return null;
      node.kill("powerLoss", true);
      if (!change(nemesis, node)) {
        node.release();
        return null;
      }
      nemesis.line(`${kind} of n${node.id}`);
      return () => node.release();
    },
  };
}

const lostTail = whileDown("F25 lost tail", ({ random, world }, node) => {
  if (node.disk.commitCount < 3) return false;
  node.disk.damage({ kind: "lostTail", commits: 1 + random.below(5) });
  world.disks.forget(node.id);
  return true;
});

const flippedBatch = whileDown("F25 flipped batch", ({ random, world }, node) => {
  const log = node.disk.image?.log;
  if (log === undefined || log.to === log.from) return false;
  const batch = log.items[log.from + random.below(log.to - log.from)];
  if (batch === undefined) return false;
  node.disk.damage({ kind: "flippedBatch", txnid: batch.first });
  world.disks.forget(node.id);
  return true;
});

const wiped = whileDown("F32 wiped disk", ({ world }, node) => {
  node.disk.wipe();
  world.disks.forget(node.id);
  return true;
});

function failing(kind: "F28 failed fsync" | "F29 disk full", how: "io" | "full"): FaultAction {
  return {
    kind,
    durationMs: [500, 3000],
    begin: (nemesis) => {
      const node = nemesis.anyNode();
      if (!node.disk.isOpen) return null;
      nemesis.line(`${kind} at n${node.id}`);
      node.disk.failNextCommit(how);
      return nothing;
    },
  };
}

/** The log still finds room, and grows until its bound. */
const noRoomForCheckpoints: FaultAction = {
  kind: "F29 disk full",
  durationMs: [2000, 20_000],
  begin: (nemesis) => {
    const { id, disk } = nemesis.anyNode();
    nemesis.line(`F29 disk full at n${id}, for checkpoints`);
    disk.hasRoomForRows = false;
    return () => {
      disk.hasRoomForRows = true;
    };
  },
};

const slowFsync: FaultAction = {
  kind: "F31 slow fsync",
  durationMs: [1000, 10_000],
  begin: (nemesis) => {
    const node = nemesis.anyNode();
    node.extraFsyncMs = nemesis.random.pick([20, 300, 2000, 8000]);
    nemesis.line(`fsync of n${node.id} takes up to ${node.extraFsyncMs} ms`);
    return () => {
      node.extraFsyncMs = 0;
    };
  },
};

export const diskActions: readonly FaultAction[] = [
  lostTail,
  flippedBatch,
  wiped,
  failing("F28 failed fsync", "io"),
  failing("F29 disk full", "full"),
  noRoomForCheckpoints,
  slowFsync,
];
