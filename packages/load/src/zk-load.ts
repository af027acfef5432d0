import { ZkOp } from "@quorate/zookeeper";
import type { LoadOrder } from "./order.js";
import type { LoadReport } from "./recorder.js";
import { runLoad } from "./run-load.js";
import type { RunHooks } from "./runner.js";
import { valueOf } from "./value.js";
import { freshPath, templatesOf } from "./zk/frames.js";
import { WriteBuffers } from "./zk/write-buffers.js";
import { ZkConnection } from "./zk/zk-connection.js";

/**
 * Carries an order out on servers of ZooKeeper's protocol. The nodes must be there: `prepare`.
 * @throws (rejects) as `runLoad` does.
 */
export function runZkLoad(order: LoadOrder, hooks: RunHooks = {}): Promise<LoadReport> {
  const shared = {
    servers: order.servers,
    outstanding: order.outstanding,
    templates: templatesOf(order.root, valueOf(order.valueBytes)),
    buffers: new WriteBuffers(),
    reconnects: true,
  };
  return runLoad(
    order,
    (index, sink) => new ZkConnection({ ...shared, index }, sink),
    hooks,
    async (connections, { plan }) => {
      const connection = connections.find(({ isOpen }) => isOpen);
      if (connection === undefined) return;
      // What a load of `create-delete` had created when its time was up.
      for (const key of plan.leftovers) {
        await connection.request(ZkOp.delete, { path: freshPath(order.root, key), version: -1 });
      }
    },
  );
}
