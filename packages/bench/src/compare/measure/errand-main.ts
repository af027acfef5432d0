import {
  prepare,
  runLoad,
  runZkLoad,
  valueOf,
  type LoadOrder,
  type LoadReport,
  type RunHooks,
} from "@quorate/load";
import { EtcdConnection } from "../contenders/etcd-connection.js";
import type { Errand, LoadResult, Message } from "./errands.js";
import { firstWrite } from "./first-write.js";
import { writeThroughFaults } from "./gap-load.js";
import { probe } from "./probe-load.js";
import { notifyWatches } from "./watches-load.js";

function tell(message: Message): void {
  process.send?.(message);
}

function run(errand: Errand): Promise<unknown> {
  const isEtcd = errand.protocol === "etcd";
  switch (errand.name) {
    case "prepare":
      return isEtcd ? prepareEtcd(errand.order) : prepare(errand.order).then(() => null);
    case "load":
      return measured(errand.order, isEtcd ? runEtcdLoad : runZkLoad);
    case "first-write":
      tell({ kind: "steady" });
      return firstWrite(errand.protocol, errand.order);
    case "gap":
      return writeThroughFaults(errand.protocol, errand.order, tell);
    case "probe":
      return probe(errand.protocol, errand.order, tell);
    case "watches":
      return notifyWatches(errand.order);
  }
}

async function measured(
  order: LoadOrder,
  load: (order: LoadOrder, hooks: RunHooks) => Promise<LoadReport>,
): Promise<LoadResult> {
  let before = process.cpuUsage();
  let cpuSeconds = 0;
  const report = await load(order, {
    onWindow: (edge) => {
      if (edge === "begin") {
        before = process.cpuUsage();
      } else {
        const { user, system } = process.cpuUsage(before);
        cpuSeconds = (user + system) / 1e6;
      }
      tell({ kind: "window", edge });
    },
  });
  return { ...report, cpuSeconds };
}

function runEtcdLoad(order: LoadOrder, hooks: RunHooks): Promise<LoadReport> {
  const value = valueOf(order.valueBytes);
  const { servers, root } = order;
  return runLoad(
    order,
    (index, sink) => new EtcdConnection({ index, servers, root, value, deadlineMs: null }, sink),
    hooks,
  );
}

/** etcd has no tree: a key is there when it was written. */
async function prepareEtcd(order: Pick<LoadOrder, "servers" | "root" | "keys" | "valueBytes">) {
  const { servers, root, keys } = order;
  let sent = 0;
  let answered = 0;
  await new Promise<void>((resolve, reject) => {
    const connection = new EtcdConnection(
      { index: 0, servers, root, value: valueOf(order.valueBytes), deadlineMs: null },
      {
        opened: () => {
          while (sent < Math.min(keys, PREPARE_WINDOW)) send();
        },
        answered: (_index, _kind, _key, _from, _at, error) => {
          if (error !== null) return reject(new Error(error));
          answered += 1;
          if (sent < keys) return send();
          if (answered === keys) connection.close().then(resolve, reject);
        },
      },
    );
    const send = (): void => {
      connection.send(0, sent, 0);
      sent += 1;
    };
    connection.open(performance.now() + OPEN_MS).catch(reject);
  });
  return null;
}

const PREPARE_WINDOW = 100;
const OPEN_MS = 30_000;

// The bench that asked is gone: nobody waits for the result.
process.on("disconnect", () => process.exit(1));
try {
  const result = await run(JSON.parse(process.argv[2] ?? "") as Errand);
  tell({ kind: "result", result });
} catch (error) {
  tell({ kind: "failed", text: error instanceof Error ? (error.stack ?? "") : String(error) });
}
