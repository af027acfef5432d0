import { rmSync } from "node:fs";
import { join } from "node:path";
import { createClient } from "@quorate/client";
import { ProcessEnsemble, type WriteLoad } from "@quorate/testkit/processes";
import { others, within, writeGap } from "./gaps.js";

/** SIGSTOP of the leader: its lease must end and others must elect, without a reset. */
export async function gapAfterStop(ensemble: ProcessEnsemble, load: WriteLoad): Promise<number> {
  const leader = await ensemble.untilReady();
  const process = ensemble.process(leader);
  const gap = await writeGap(load, () => process.signal("SIGSTOP"), "stopping the leader");
  await ensemble.untilReady(others(ensemble, leader));
  process.signal("SIGCONT");
  await ensemble.untilReady();
  return gap;
}

/** Between the leader and all others everything is dropped, without a reset. */
export async function gapAfterCut(ensemble: ProcessEnsemble, load: WriteLoad): Promise<number> {
  const leader = await ensemble.untilReady();
  const gap = await writeGap(load, () => ensemble.isolate(leader, true), "cutting the leader off");
  await ensemble.untilReady(others(ensemble, leader));
  ensemble.isolate(leader, false);
  await ensemble.untilReady();
  return gap;
}

/** SIGTERM of the leader, which drains and hands over, and its start again. */
export async function gapAtRestart(ensemble: ProcessEnsemble, load: WriteLoad): Promise<number> {
  const leader = await ensemble.untilReady();
  const gap = await writeGap(
    load,
    () => ensemble.kill("SIGTERM", leader),
    "ending the leader in order",
  );
  const { exit } = ensemble.process(leader);
  if (exit?.code !== 0) throw new Error(`the leader ended with ${JSON.stringify(exit)}`);
  ensemble.start(leader);
  await ensemble.untilReady();
  return gap;
}

/** From the start of three processes on empty directories to the first acknowledged write. */
export async function coldStart(command: readonly string[], directory: string): Promise<number> {
  const home = join(directory, "cold");
  await using ensemble = await ProcessEnsemble.create({ command, directory: home });
  try {
    const from = performance.now();
    ensemble.start();
    const seen = await ensemble.until("a leader", (all) => all.some((one) => one?.ready === true));
    const ready = seen.find((one) => one.ready)?.id ?? 1;
    const client = createClient({ servers: [ensemble.serverOf(ready)] });
    await within(client.create("/first"), "the first write");
    const ms = performance.now() - from;
    client.close();
    return ms;
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}
