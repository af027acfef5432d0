import type { NodeId } from "@quorate/protocol";
import type { FaultKind } from "../coverage.js";
import type { RandomStream } from "../engine/random-stream.js";
import type { SimNode } from "../world/sim-node.js";
import type { World } from "../world/world.js";
import { clockActions } from "./clock-actions.js";
import { directedActions } from "./directed-actions.js";
import { directedDiskActions } from "./directed-disk-actions.js";
import { diskActions } from "./disk-actions.js";
import { lateAdmission } from "./late-admission.js";
import { wipeAtFounding } from "./founding-actions.js";
import { networkActions } from "./network-actions.js";
import { processActions } from "./process-actions.js";
import { sessionActions } from "./session-actions.js";
import type { SwarmOptions } from "./swarm.js";
import { watcherActions } from "./watcher-actions.js";

/** One thing that the nemesis can do. */
export interface FaultAction {
  readonly kind: FaultKind | "planned restart";
  /** How long it lasts, if it lasts. */
  readonly durationMs: readonly [number, number];
  /** Does it and returns how to end it; null when it cannot be done now. */
  begin(nemesis: Nemesis): (() => void) | null;
}

const DEPOSED_AT = [0.15, 0.4, 0.65, 0.85] as const;
const LEADER_CHANGES_MIN = 3;

/**
 * Draws and does the faults of a run, within the fault model: what was fsynced stays, except that
 * less than a quorum at a time may forget; any number may crash.
 */
export class Nemesis {
  readonly world: World;
  readonly random: RandomStream;
  readonly #swarm: SwarmOptions;
  readonly #actions: readonly FaultAction[];
  readonly #undo = new Set<() => void>();
  isPartitioned = false;
  #isActive = false;

  constructor(world: World, swarm: SwarmOptions) {
    this.world = world;
    this.random = world.random.split("nemesis");
    this.#swarm = swarm;
    const all = [
      ...networkActions,
      ...processActions,
      ...diskActions,
      ...clockActions,
      ...directedActions,
      ...directedDiskActions,
      ...sessionActions,
      lateAdmission,
      ...(world.options.watchers.length > 0 ? watcherActions : []),
    ];
    this.#actions = all.filter(({ kind }) => kind === "planned restart" || swarm.enabled.has(kind));
  }

  start(): void {
    this.#isActive = true;
    // There is one founding in a run, and it is over before chance would find it.
    const isWiped = this.#swarm.enabled.has(wipeAtFounding.kind);
    if (isWiped && this.random.chance(0.5)) this.#act(wipeAtFounding);
    this.#next();
    for (const share of DEPOSED_AT) {
      this.world.scheduler.after(share * this.#swarm.safetyMs, "depose", () => this.depose());
    }
  }

  /** Ends every fault: from here on the world is kind. */
  stop(): void {
    this.#isActive = false;
    for (const undo of [...this.#undo]) undo();
    this.world.links.heal();
    for (const node of this.world.servers) node.heal();
    this.isPartitioned = false;
    this.line("all faults end");
  }

  /** Whether the run still owes leader changes. */
  get owesLeaderChanges(): boolean {
    return this.world.commits.leaderCount <= LEADER_CHANGES_MIN;
  }

  /** Ends the present leadership, one way or another. */
  depose(): void {
    const leader = this.world.leader();
    if (leader === null || !this.#isActive) return;
    if (this.#swarm.enabled.has("F17 pause") && this.random.chance(0.4)) {
      this.line(`stop n${leader.id}, the leader, for a while`);
      this.world.coverage.fault("F17 pause");
      leader.host.pause();
      const resume = (): void => leader.host.resume();
      this.lasting(resume, this.random.between(2000, 5000));
      return;
    }
    this.line(`kill n${leader.id}, the leader`);
    leader.kill(this.random.chance(0.5) ? "killed" : "powerLoss");
  }

  anyNode(): SimNode {
    return this.world.node(this.random.pick(this.world.options.nodes));
  }

  otherThan(node: NodeId): NodeId {
    return this.random.pick(this.world.options.nodes.filter((id) => id !== node));
  }

  /** Whether one more node may forget: what is left is a quorum of durably admitted voters. */
  mayForget(node: SimNode): boolean {
    const { disks, quorum, options } = this.world;
    if (disks.isForgetful(node.id)) return false;
    return quorum.hasQuorumOf(options.nodes.filter((id) => id !== node.id && disks.isMember(id)));
  }

  line(text: string): void {
    this.world.line(0, "fault", text);
  }

  #next(): void {
    const delayMs = this.random.between(0.2, 1.8) * this.#swarm.faultEveryMs;
    this.world.scheduler.after(delayMs, "nemesis", () => {
      if (!this.#isActive) return;
      this.#act(this.random.pick(this.#actions));
      this.#next();
    });
  }

  #act(action: FaultAction): void {
    const end = action.begin(this);
    if (end === null) return;
    // Faults that the network deals out one by one count themselves.
    if (action.kind !== "planned restart" && !COUNTED_ELSEWHERE.has(action.kind)) {
      this.world.coverage.fault(action.kind);
    }
    this.lasting(end, this.random.between(...action.durationMs));
  }

  /** Ends something later, at the latest with all faults. */
  lasting(end: () => void, durationMs: number): void {
    const undo = (): void => {
      if (this.#undo.delete(undo)) end();
    };
    this.#undo.add(undo);
    this.world.scheduler.after(durationMs, "undo", undo);
  }
}

const COUNTED_ELSEWHERE: ReadonlySet<FaultKind> = new Set<FaultKind>([
  "F1 drop",
  "F2 duplicate",
  "F3 reorder",
  "F13 replay",
  "F13 spoof",
  "F16 kill around persist",
]);
