import { toEpoch, type NodeId } from "@quorate/protocol";
import type { BallotNetwork, TestNode } from "./ballot-network.js";

/** A winner that no quorum follows, and a follower whose winner does not lead, elect again. */
const PATIENCE_MS = 300;
const POLL_MS = 10;

/**
 * What surrounds an election site in a server, cut down to what the site can notice: roles that
 * end, an epoch that is established, empty nodes that become members.
 */
export class MiniCoordinator {
  readonly #network: BallotNetwork;
  readonly #roleSinceMs = new Map<NodeId, number>();

  constructor(network: BallotNetwork) {
    this.#network = network;
  }

  async run(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += POLL_MS) {
      for (const node of this.#live()) this.#supervise(node);
      await this.#network.clock.advance(POLL_MS);
    }
  }

  /** The one leader that all live nodes lead or follow, else null. */
  agreedLeader(): NodeId | null {
    const live = this.#live();
    const leader = live[0]?.result?.leader;
    if (leader === undefined) return null;
    const isAgreed = live.every(
      (node) =>
        node.result?.leader === leader &&
        node.state.status === (node.id === leader ? "leading" : "following"),
    );
    return isAgreed ? leader : null;
  }

  #live(): TestNode[] {
    return [...this.#network.nodes.values()].filter((node) => !node.site.isClosed());
  }

  #supervise(node: TestNode): void {
    if (node.isRunning) {
      this.#roleSinceMs.delete(node.id);
      return;
    }
    if (node.result === null) {
      this.#network.start(node.id);
      return;
    }
    const now = this.#network.clock.now();
    const since = this.#roleSinceMs.get(node.id) ?? now;
    this.#roleSinceMs.set(node.id, since);
    if (this.#isRoleSound(node, node.result.leader)) {
      this.#roleSinceMs.set(node.id, now);
      this.#establish(node, node.result.leader);
    } else if (now - since > PATIENCE_MS) {
      this.#roleSinceMs.delete(node.id);
      this.#network.start(node.id);
    }
  }

  #isRoleSound(node: TestNode, leader: NodeId): boolean {
    const isLed = (other: TestNode): boolean =>
      other.result?.leader === leader && other.state.status !== "electing";
    const led = this.#live().filter(isLed);
    if (!led.some((other) => other.id === leader && other.state.status === "leading")) return false;
    return node.id !== leader || led.length * 2 > this.#network.voters.length;
  }

  /** The founding of an ensemble, too, is one step here: leader and followers become members. */
  #establish(node: TestNode, leader: NodeId): void {
    if (node.id === leader && node.result?.established === false) {
      const epoch = toEpoch(
        1 + Math.max(...[...this.#network.nodes.values()].map((other) => other.state.currentEpoch)),
      );
      node.result = { ...node.result, established: true, epoch };
      node.state = { ...node.state, currentEpoch: epoch };
    }
    const lead = this.#network.node(leader);
    if (lead.result?.established !== true) return;
    const { currentEpoch, lastLogged, lastCommitted } = lead.state;
    for (const other of this.#live()) {
      if (other.result?.leader !== leader || other.state.status === "electing") continue;
      const standing = "member";
      other.state = { ...other.state, standing, currentEpoch, lastLogged, lastCommitted };
      other.site.updateWinningEpoch(currentEpoch);
    }
  }
}
