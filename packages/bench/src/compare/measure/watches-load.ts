import { setTimeout as pause } from "node:timers/promises";
import { WriteBuffers, ZkConnection } from "@quorate/load";
import { ZkOp } from "@quorate/zookeeper";
import type { WatchesOrder } from "./errands.js";

const OPEN_MS = 30_000;
const NOTIFIED_MS = 30_000;
const QUIET_MS = 50;
const openAcl = [{ perms: 31, id: { scheme: "world", id: "anyone" } }];

/**
 * So many sessions watch one node; one write, again and again. @returns for each the milliseconds
 * from when it was sent until the last of them was notified.
 */
export async function notifyWatches(order: WatchesOrder): Promise<number[]> {
  const { servers, watches, repeats, path } = order;
  let notified = 0;
  let lastAt = 0;
  let onAll: () => void = () => undefined;
  const onNotified = (_index: number, at: number): void => {
    notified += 1;
    lastAt = at;
    if (notified === watches) onAll();
  };
  const buffers = new WriteBuffers();
  const common = { servers, outstanding: 4, templates: [], buffers, reconnects: false };
  const silent = { opened: () => undefined, answered: () => undefined };
  const watchers = Array.from(
    { length: watches },
    (_, index) => new ZkConnection({ ...common, index, onNotified }, silent),
  );
  const writer = new ZkConnection({ ...common, index: 0 }, silent);
  try {
    const deadline = performance.now() + OPEN_MS;
    await writer.open(deadline);
    await must(writer.request(ZkOp.create, { path, data: null, acl: openAcl, flags: 0 }));
    for (const watcher of watchers) await watcher.open(deadline);
    const samples: number[] = [];
    for (let i = 0; i < repeats; i += 1) {
      const set = watchers.map((one) => must(one.request(ZkOp.getData, { path, watch: true })));
      await Promise.all(set);
      // Whatever the replies set off has ended.
      await pause(QUIET_MS);
      notified = 0;
      const all = new Promise<void>((resolve) => (onAll = resolve));
      const late = new AbortController();
      const tooLate = pause(NOTIFIED_MS, undefined, { signal: late.signal }).then(
        () => Promise.reject(new Error(`${notified} of ${watches} notified`)),
        () => undefined,
      );
      const from = performance.now();
      const written = must(writer.request(ZkOp.setData, { path, data: null, version: -1 }));
      await Promise.race([Promise.all([all, written]), tooLate]);
      late.abort();
      samples.push(lastAt - from);
    }
    await must(writer.request(ZkOp.delete, { path, version: -1 }));
    return samples;
  } finally {
    await Promise.all([writer, ...watchers].map((one) => one.close()));
  }
}

async function must(answer: Promise<string | null>): Promise<void> {
  const error = await answer;
  if (error !== null) throw new Error(error);
}
