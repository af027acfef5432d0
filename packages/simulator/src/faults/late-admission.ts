import { entriesOf, OpCode, type PeerMsg, type Txnid } from "@quorate/protocol";
import type { PipeEnd } from "../network/pipe-end.js";
import type { SimNode } from "../world/sim-node.js";
import { establishedLeader, isolate, listen } from "./aim.js";
import type { FaultAction, Nemesis } from "./nemesis.js";

/** Longer than what a lease may be exceeded by, and well within the lease. */
const LEADER_FSYNC_MS = 700;
/** For an accept to arrive. */
const ARRIVAL_MS = 4;

/**
 * F32, with F31 and F10 (G15): a voter of three was wiped and comes back, and its admission waits
 * for the leader's slow disk alone when the leader is cut off. It is committed long after anybody
 * was heard, and makes a quorum with the leader of one that was heard last before the cut.
 */
export const lateAdmission: FaultAction = {
  kind: "F32 wiped disk",
  durationMs: [5000, 7000],
  begin: (nemesis) => {
    const { world } = nemesis;
    const leader = establishedLeader(nemesis);
    // Of five, the two of them would be no quorum.
    if (leader === null || world.options.nodes.length !== 3) return null;
    const victim = world.node(nemesis.otherThan(leader.id));
    if (!nemesis.mayForget(victim) || !victim.host.isAlive) return null;
    const admission = new LateAdmission(nemesis, leader, victim);
    admission.begin();
    return () => admission.end();
  },
};

class LateAdmission {
  readonly #nemesis: Nemesis;
  readonly #leader: SimNode;
  readonly #victim: SimNode;
  #admittedBy: Txnid | null = null;
  #undo: (() => void)[] = [];
  #isOver = false;

  constructor(nemesis: Nemesis, leader: SimNode, victim: SimNode) {
    this.#nemesis = nemesis;
    this.#leader = leader;
    this.#victim = victim;
  }

  begin(): void {
    const { world } = this.#nemesis;
    this.#nemesis.line(
      `n${this.#victim.id} is wiped, and n${this.#leader.id} cut off at its return`,
    );
    this.#victim.kill("killed", true);
    this.#victim.disk.wipe();
    world.disks.forget(this.#victim.id);
    // What else waits for the slow disk would delay the admission.
    world.pace = "quiet";
    this.#undo.push(listen(this.#nemesis, (pipe, message) => this.#hear(pipe, message)));
    this.#victim.release();
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const undo of this.#undo) undo();
    this.#leader.fsyncMs = null;
    this.#nemesis.world.pace = "drawn";
  }

  #hear({ host, peer }: PipeEnd, message: PeerMsg): void {
    if (message.kind === "newLeaderAck" && host.id === this.#victim.id) {
      if (peer === this.#leader.id) this.#leader.fsyncMs = LEADER_FSYNC_MS;
    } else if (message.kind === "proposal" && host.id === this.#leader.id) {
      const isAdmission = [...entriesOf(message.batch)].some(({ op }) => op === OpCode.admitVoter);
      if (isAdmission) this.#admittedBy = message.batch.last;
    } else if (message.kind === "accept" && host.id !== this.#victim.id) {
      if (this.#admittedBy === null || message.txnid < this.#admittedBy) return;
      this.#admittedBy = null;
      this.#nemesis.world.scheduler.after(ARRIVAL_MS, "isolate", () => this.#isolate());
    }
  }

  #isolate(): void {
    if (this.#isOver || this.#nemesis.isPartitioned) return;
    this.#nemesis.line(`n${this.#leader.id} is cut off while its disk has an admission`);
    this.#undo.push(isolate(this.#nemesis, this.#leader));
  }
}
