import { setTimeout as pause } from "node:timers/promises";
import type { ServerProcess } from "@quorate/testkit/processes";

/** SIGTERM, and SIGKILL for those that have not ended by then. */
export async function endInOrder(processes: readonly ServerProcess[], ms: number): Promise<void> {
  const running = processes.filter(({ exit }) => exit === null);
  for (const process of running) process.signal("SIGTERM");
  const abort = new AbortController();
  const late = pause(ms, undefined, { signal: abort.signal }).catch(() => undefined);
  const all = Promise.all(running.map(({ ended }) => ended));
  await Promise.race([all, late]);
  abort.abort();
  for (const process of running) if (process.exit === null) process.signal("SIGKILL");
  await all;
}
