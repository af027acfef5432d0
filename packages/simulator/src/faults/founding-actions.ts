import type { NodeId, PeerMsg } from "@quorate/protocol";
import type { PipeEnd } from "../network/pipe-end.js";
import type { SimNode } from "../world/sim-node.js";
import type { FaultAction, Nemesis } from "./nemesis.js";

const POLL_MS = 5;
/** An ensemble that is not founded by then waits for those that are cut off. */
const PATIENCE_MS = 3000;
const ALONE_MS = 6000;

/**
 * F32, with F8 (G27): just enough voters for a quorum hear of one another, or of the founding, and
 * acknowledge writes. Then one of them is wiped and left alone with those that have heard nothing:
 * together they are a quorum of voters that hold nothing.
 */
export const wipeAtFounding = {
  kind: "F32 wiped disk",
  durationMs: [PATIENCE_MS + ALONE_MS + 1000, PATIENCE_MS + ALONE_MS + 2000],
  begin: (nemesis: Nemesis) => {
    const founding = new WipedFounding(nemesis);
    founding.start();
    return () => founding.end();
  },
} as const satisfies FaultAction;

class WipedFounding {
  readonly #nemesis: Nemesis;
  /** One of the quorum that comes first. */
  #victim: SimNode | null = null;
  /** Those that come late. */
  #late: ReadonlySet<NodeId> = new Set();
  #silence: () => void = () => undefined;
  #isOver = false;

  constructor(nemesis: Nemesis) {
    this.#nemesis = nemesis;
  }

  start(): void {
    const { world, random } = this.#nemesis;
    this.#nemesis.isPartitioned = true;
    if (random.chance(0.5)) this.#chooseLate(random.pick(world.nodes));
    else {
      const hear = ({ host }: PipeEnd, { kind }: PeerMsg): void => {
        if (kind !== "proposal") return;
        this.#silence();
        // The founding itself: it is on its way and reaches none of those that are cut off now.
        this.#chooseLate(world.node(host.id));
      };
      world.messageListeners.add(hear);
      this.#silence = () => world.messageListeners.delete(hear);
    }
    const untilMs = world.scheduler.nowMs + PATIENCE_MS;
    const watch = (): void => {
      if (this.#isOver) return;
      if (world.scheduler.nowMs > untilMs) this.end();
      else if (!this.#strike()) world.scheduler.after(POLL_MS, "watch", watch);
    };
    watch();
  }

  #chooseLate(first: SimNode): void {
    const { world, random } = this.#nemesis;
    const others = random.shuffle(world.nodes.filter((node) => node !== first));
    const companions = Math.floor(world.nodes.length / 2);
    this.#victim = random.pick([first, ...others.slice(0, companions)]);
    const late = others.slice(companions).map(({ id }) => id);
    this.#late = new Set(late);
    this.#nemesis.line(`${late.map((id) => `n${id}`).join(", ")} does not hear of the founding`);
    this.#part(this.#late);
  }

  /** Wipes the victim, once something was written; false before. */
  #strike(): boolean {
    const { world } = this.#nemesis;
    const { txnid } = world.commits.end;
    const isWritten = txnid > 0n && world.disks.membersIn(txnid).size === 0;
    const victim = this.#victim;
    if (!isWritten || victim === null || !victim.host.isAlive) return false;
    if (world.nodes.some(({ id }) => world.disks.isForgetful(id))) return false;
    this.#nemesis.line(`F32 wiped disk of n${victim.id}, a founder, left with who heard nothing`);
    victim.kill("powerLoss", true);
    victim.disk.wipe();
    world.disks.forget(victim.id);
    this.#part(new Set([...this.#late, victim.id]));
    victim.release();
    world.scheduler.after(ALONE_MS, "heal", () => this.end());
    return true;
  }

  #part(side: ReadonlySet<NodeId>): void {
    this.#nemesis.world.links.partition((from, to) => side.has(from) === side.has(to));
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#silence();
    this.#nemesis.isPartitioned = false;
    this.#nemesis.world.links.partition(() => true);
  }
}
