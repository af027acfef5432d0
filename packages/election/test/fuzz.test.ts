import { makeTxnid, toEpoch, type Random } from "@quorate/protocol";
import { describe, expect, it } from "vitest";
import type { ElectionResult, ElectionState } from "../src/index.js";
import { BallotNetwork, type Fate, type TestNode } from "./support/ballot-network.js";
import { MiniCoordinator } from "./support/mini-coordinator.js";
import { seededRandom } from "./support/virtual-clock.js";

const SEEDS = 300;

function below(random: Random, bound: number): number {
  return Math.floor(random.next() * bound);
}

function historyState(random: Random): Partial<ElectionState> {
  const epoch = below(random, 3);
  const counter = below(random, 4);
  const lastLogged = makeTxnid(epoch, counter);
  return {
    currentEpoch: toEpoch(epoch),
    lastLogged,
    lastCommitted: makeTxnid(epoch, below(random, counter + 1)),
  };
}

/** Loses, repeats, delays and so reorders datagrams, as this seed will have it (F1 to F4, F13). */
function weather(random: Random): Fate {
  const loss = random.next() * 0.4;
  const repeat = random.next() * 0.3;
  const delayMs = 1 + below(random, 80);
  return () => {
    if (random.next() < loss) return [];
    const copies = random.next() < repeat ? 3 : 1;
    return Array.from({ length: copies }, () => below(random, delayMs) + 1);
  };
}

/**
 * What no election may do, seen from outside: make a recovering node win, or win without a quorum
 * of the winner's own kind. Whoever holds a history is heard by every quorum of members (G27).
 */
function violationsOf(network: BallotNetwork, node: TestNode, result: ElectionResult): string[] {
  if (result.established) return [];
  const { standing } = network.node(result.leader).state;
  const kin = network.voters.filter((id) => network.node(id).state.standing === standing);
  const found: string[] = [];
  if (standing === "recovering") found.push(`${node.id} elected ${result.leader}, recovering`);
  const isFounding = standing === "empty";
  if (isFounding ? kin.length < network.voters.length : kin.length * 2 <= network.voters.length) {
    found.push(`${node.id} elected ${result.leader} with ${kin.length} ${standing} voters alive`);
  }
  return found;
}

describe("sites under loss, repetition, reordering and restarts", () => {
  it.each(Array.from({ length: SEEDS }, (_, index) => index + 1))(
    "agree on one leader once the weather clears (seed %i)",
    async (seed) => {
      const random = seededRandom(seed);
      const size = [1, 2, 3, 3, 4, 5, 5, 7][below(random, 8)] ?? 3;
      const ids = Array.from({ length: size }, (_, index) => index + 1);
      const network = new BallotNetwork({ voters: ids, seed });
      const isNew = random.next() < 0.3;
      const isForgetful = random.next() < 0.4;
      for (const id of ids) {
        const forgot = isForgetful && !isNew && size >= 3 && id * 2 < size;
        const lost = random.next() < 0.5 ? "empty" : "recovering";
        if (forgot) network.boot(id, { standing: lost });
        else network.boot(id, isNew ? { standing: "empty" } : historyState(random));
      }
      const violations: string[] = [];
      network.onResult = (node, result) => violations.push(...violationsOf(network, node, result));
      const coordinator = new MiniCoordinator(network);
      network.fate = weather(random);
      for (let restarts = below(random, 6); restarts > 0; restarts -= 1) {
        await coordinator.run(below(random, 600));
        const id = 1 + below(random, size);
        network.boot(id, network.node(id).state);
      }
      await coordinator.run(below(random, 400));

      network.fate = () => [1 + below(random, 5)];
      await coordinator.run(5000);
      const leader = coordinator.agreedLeader();
      expect(leader, JSON.stringify(network.leaders())).not.toBeNull();

      expect(violations).toEqual([]);

      // Quiet: with all roles settled nobody sends anything, so no answer loop is left over.
      const sentBefore = network.sent.length;
      await network.clock.advance(3000);
      expect(network.sent.length).toBe(sentBefore);
      expect(network.worstBurst(50)).toBeLessThan(120 * size);
    },
  );
});
