import type { QuorateClient } from "@quorate/client";
import type { ProcessEnsemble, WriteLoad } from "@quorate/testkit/processes";
import { others, within, writeGap } from "./gaps.js";

export type Fault = "leader" | "node" | "majority" | "all";

export interface RoundResult {
  readonly fault: Fault;
  readonly gapMs: number;
  readonly acknowledged: number;
  readonly problems: readonly string[];
}

/** The leader in every odd round, and anything in the others. */
export function faultOf(round: number, random: () => number): Fault {
  if (round % 2 === 1) return "leader";
  const faults: readonly Fault[] = ["node", "majority", "all", "leader"];
  return faults[Math.floor(random() * faults.length)] ?? "node";
}

/** One round: write, kill in the middle, start again, write on, compare. */
export async function runRound(
  ensemble: ProcessEnsemble,
  load: WriteLoad,
  reader: QuorateClient,
  options: {
    readonly round: number;
    readonly fault: Fault;
    readonly writes: number;
    readonly random: () => number;
  },
): Promise<RoundResult> {
  const { round, fault, writes, random } = options;
  const leader = await ensemble.untilReady();
  const before = load.acknowledgedCount;
  const parentsBefore = load.parents.length;
  await load.start(`r${round}`);
  await within(load.more(Math.ceil(writes * (0.2 + 0.4 * random()))), "writes before the kill");
  const victims = victimsOf(fault, ensemble, leader, random);
  const isQuorumLeft = victims.length * 2 < ensemble.ids.length;
  const gapMs = await writeGap(
    load,
    async () => {
      await ensemble.kill("SIGKILL", ...victims);
      if (!isQuorumLeft) ensemble.start(...victims);
    },
    `killing ${fault}`,
  );
  if (isQuorumLeft) ensemble.start(...victims);
  await ensemble.untilReady();
  const missing = writes - (load.acknowledgedCount - before);
  await within(load.more(Math.max(100, missing)), "writes after the restart");
  await within(load.stop(), "the end of the round's writes");
  const problems = await load.verify(reader, load.parents.slice(parentsBefore));
  return { fault, gapMs, acknowledged: load.acknowledgedCount - before, problems };
}

function victimsOf(
  fault: Fault,
  ensemble: ProcessEnsemble,
  leader: number,
  random: () => number,
): number[] {
  const followers = others(ensemble, leader);
  const pick = (from: readonly number[]): number => from[Math.floor(random() * from.length)] ?? 0;
  switch (fault) {
    case "leader":
      return [leader];
    case "node":
      return [pick(ensemble.ids)];
    case "majority": {
      const spared = pick(ensemble.ids);
      return others(ensemble, spared);
    }
    case "all":
      return [leader, ...followers];
  }
}
