import type { PeerMsg } from "@quorate/protocol";
import type { PipeEnd } from "../network/pipe-end.js";
import type { SimNode } from "../world/sim-node.js";
import type { Nemesis } from "./nemesis.js";

/** What faults with an aim have in common. */

export const POLL_MS = 5;

/** Cuts a leader off, with what it still proposes; returns how to heal it. */
export function isolate(nemesis: Nemesis, node: SimNode): () => void {
  const { links } = nemesis.world;
  nemesis.isPartitioned = true;
  links.partition((from, to) => from !== node.id && to !== node.id);
  let isOver = false;
  return () => {
    if (isOver) return;
    isOver = true;
    nemesis.isPartitioned = false;
    links.partition(() => true);
  };
}

export function establishedLeader(nemesis: Nemesis): SimNode | null {
  const leader = nemesis.world.leader();
  return leader?.status()?.isReady === true && !nemesis.isPartitioned ? leader : null;
}

/** Calls back with each message that is sent, until the fault ends. */
export function listen(
  nemesis: Nemesis,
  hear: (pipe: PipeEnd, message: PeerMsg) => void,
): () => void {
  const { messageListeners } = nemesis.world;
  messageListeners.add(hear);
  return () => messageListeners.delete(hear);
}
