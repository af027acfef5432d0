import { setTimeout as pause } from "node:timers/promises";
import type { Victims } from "./victims.js";

export const faults = ["kill leader", "stop leader", "kill other", "none"] as const;
export type Fault = (typeof faults)[number];

/** Longer than any lease: the others have a new leader when the old one wakes up. */
const STOPPED_MS = 6_000;

/** Does it, and mends it: afterwards every server serves, or is on its way to. */
export async function inflict(victims: Victims, fault: Fault): Promise<void> {
  if (fault === "none") return;
  const leader = await victims.leader();
  const other = (leader % victims.servers.length) + 1;
  switch (fault) {
    case "kill leader":
    case "kill other": {
      const id = fault === "kill leader" ? leader : other;
      await victims.kill(id);
      victims.start(id);
      break;
    }
    case "stop leader":
      victims.signal(leader, "SIGSTOP");
      await pause(STOPPED_MS);
      victims.signal(leader, "SIGCONT");
      break;
  }
  await victims.untilReady();
}
