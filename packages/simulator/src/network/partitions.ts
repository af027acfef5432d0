import type { NodeId } from "@quorate/protocol";
import type { RandomStream } from "../engine/random-stream.js";

export type PartitionShape =
  "split" | "oneWay" | "bridge" | "ring" | "isolatedLeader" | "isolatedNode" | "everybodyAlone";

export interface Partition {
  readonly shape: PartitionShape;
  /** For the log. */
  readonly text: string;
  mayPass(from: NodeId, to: NodeId): boolean;
}

function groups(a: readonly NodeId[], b: readonly NodeId[]): string {
  return `${a.join(",")} | ${b.join(",")}`;
}

/** Draws a partition of the given shape; `leader` is the present one, if the world knows it. */
export function drawPartition(
  shape: PartitionShape,
  nodes: readonly NodeId[],
  leader: NodeId | null,
  random: RandomStream,
): Partition {
  const order = random.shuffle(nodes);
  const minority = Math.floor((nodes.length - 1) / 2);
  switch (shape) {
    case "split": {
      const small = new Set(order.slice(0, Math.max(1, minority)));
      const text = groups([...small], order.slice(small.size));
      return { shape, text, mayPass: (a, b) => small.has(a) === small.has(b) };
    }
    case "oneWay": {
      // What a victim says no longer arrives, while it hears everything; or the other way round.
      const victim = leader !== null && random.chance(0.5) ? leader : (order[0] as NodeId);
      const isMute = random.chance(0.5);
      const mayPass = (a: NodeId, b: NodeId): boolean => (isMute ? a !== victim : b !== victim);
      return { shape, text: `${victim} is ${isMute ? "mute" : "deaf"}`, mayPass };
    }
    case "bridge": {
      const bridge = order[0] as NodeId;
      const left = new Set(order.slice(1, 1 + Math.ceil((order.length - 1) / 2)));
      const mayPass = (a: NodeId, b: NodeId): boolean =>
        a === bridge || b === bridge || left.has(a) === left.has(b);
      return { shape, text: `${bridge} bridges ${[...left].join(",")} | rest`, mayPass };
    }
    case "ring": {
      // Each node reaches its neighbours only: every node sees a majority, no two the same one.
      const place = new Map(order.map((id, index) => [id, index]));
      const reach = Math.max(1, Math.floor(order.length / 4));
      const mayPass = (a: NodeId, b: NodeId): boolean => {
        const gap = Math.abs((place.get(a) ?? 0) - (place.get(b) ?? 0));
        if (order.length === 3) return gap === 1;
        return Math.min(gap, order.length - gap) <= reach;
      };
      return { shape, text: order.join("-"), mayPass };
    }
    case "isolatedLeader":
    case "isolatedNode": {
      const alone = shape === "isolatedLeader" && leader !== null ? leader : (order[0] as NodeId);
      return { shape, text: `${alone} alone`, mayPass: (a, b) => a !== alone && b !== alone };
    }
    case "everybodyAlone":
      return { shape, text: "no two nodes", mayPass: () => false };
  }
}
