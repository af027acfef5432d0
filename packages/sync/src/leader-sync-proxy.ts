import { assertNever, errorCodeOf, QuorateError } from "@quorate/protocol";
import type {
  ActionHandler,
  Epoch,
  Logger,
  LogPosition,
  MsgFactory,
  PeerMsg,
  PeerPipe,
} from "@quorate/protocol";
import type { ConsentState, Gate } from "./consent-state.js";
import { HistorySender } from "./history-sender.js";
import {
  LeaderSyncMachine,
  type FollowerProfile,
  type LeaderStage,
  type LeaderSummary,
  type LeaderSyncEffect,
  type LeaderSyncEvent,
} from "./leader-sync-machine.js";
import type { HistoryPlan } from "./plan-history.js";

export type Introduction =
  | { readonly kind: "welcome"; readonly isCounted: boolean }
  | { readonly kind: "refused"; readonly error: QuorateError };

export interface LeaderSyncDeps {
  readonly pipe: PeerPipe;
  readonly consent: ConsentState;
  readonly summary: LeaderSummary;
  readonly handler: ActionHandler;
  readonly factory: MsgFactory;
  readonly logger: Logger;
  /** Judges who asks: refuses doubled ids, says whether its word counts at the gates. */
  introduce(profile: FollowerProfile, acceptedEpoch: Epoch): Introduction;
  /** A vote of this proxy opened a gate; tell everybody who waits there. */
  onGateOpened(gate: Gate): void;
  onAbdicate(reason: string): void;
  /** From now on queue live proposals for this follower. */
  startLiveQueue(): void;
  /** Forget that queue: the history is sent anew. */
  stopLiveQueue(): void;
  onPlan(plan: HistoryPlan["kind"]): void;
  /** Synchronised up to `last`, acknowledged, and the leader is established. Once. */
  onJoin(last: LogPosition): void;
  /** Once; the owner closes the pipe. */
  onFailed(error: QuorateError): void;
}

/** Takes one peer through discovery and sync. The owner feeds it the messages of the pipe. */
export class LeaderSyncProxy {
  readonly #deps: LeaderSyncDeps;
  readonly #machine: LeaderSyncMachine;
  #profile: FollowerProfile | null = null;
  #sender: HistorySender | null = null;
  #isOver = false;

  constructor(deps: LeaderSyncDeps) {
    this.#deps = deps;
    this.#machine = new LeaderSyncMachine(deps.pipe.peer, deps.summary);
  }

  get stage(): LeaderStage {
    return this.#machine.stage;
  }

  getFid(): string {
    return String(this.#deps.pipe.peer);
  }

  /** Whether its word counts at the gates. False before it introduced itself. */
  canFollowerVote(): boolean {
    return this.#machine.isCounted;
  }

  get profile(): FollowerProfile | null {
    return this.#profile;
  }

  onMessage(message: PeerMsg): void {
    this.#step({ kind: "messageReceived", message });
  }

  /** The leader's own promise of the epoch is durable. */
  onEpochReady(epoch: Epoch): void {
    this.#step({ kind: "epochReady", epoch });
  }

  onGateOpened(gate: Gate): void {
    this.#step({ kind: "gateOpened", gate });
  }

  /** Ends it and withdraws its votes at gates still closed. Idempotent. */
  terminate(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#sender?.stop();
    if (this.#machine.isCounted) this.#deps.consent.withdraw(this.#deps.pipe.peer);
  }

  #step(event: LeaderSyncEvent): void {
    if (this.#isOver) return;
    for (const effect of this.#machine.step(event)) {
      if (this.#isOver) return;
      this.#run(effect);
    }
  }

  #run(effect: LeaderSyncEffect): void {
    const { pipe, factory, consent } = this.#deps;
    switch (effect.kind) {
      case "introduce":
        this.#introduce(effect.profile, effect.acceptedEpoch);
        return;
      case "voteAcceptedEpoch":
        if (consent.voteAcceptedEpoch(pipe.peer, effect.epoch)) {
          this.#deps.onGateOpened("acceptedEpoch");
        }
        return;
      case "sendLeaderInfo":
        pipe.send(factory.createLeaderInfo(effect.epoch));
        return;
      case "voteEpochAck":
        if (consent.voteEpochAck(pipe.peer)) this.#deps.onGateOpened("epochAck");
        return;
      case "abdicate":
        this.#deps.onAbdicate(effect.reason);
        return;
      case "findFloor":
        this.#deps.handler.findLogPosition(effect.atOrBelow).then(
          (floor) => {
            this.#step({ kind: "floorFound", floor });
          },
          (error: unknown) => {
            this.#fail(error);
          },
        );
        return;
      case "sendHistory":
        this.#sendHistory(effect.plan);
        return;
      case "sendNewLeader":
        pipe.send(factory.createNewLeader(effect.epoch, effect.last));
        return;
      case "creditHistory":
        this.#credit(effect.received);
        return;
      case "voteNewLeaderAck":
        if (consent.voteNewLeaderAck(pipe.peer)) this.#deps.onGateOpened("newLeaderAck");
        return;
      case "join":
        this.#deps.onJoin(effect.last);
        return;
      case "fail":
        this.#fail(effect.error);
        return;
      default:
        assertNever(effect, "effect");
    }
  }

  #introduce(profile: FollowerProfile, acceptedEpoch: Epoch): void {
    const introduction = this.#deps.introduce(profile, acceptedEpoch);
    if (this.#isOver) return;
    if (introduction.kind === "refused") {
      this.#fail(introduction.error);
      return;
    }
    this.#profile = profile;
    this.#machine.setCounted(introduction.isCounted);
    for (const effect of this.#machine.introduced()) {
      if (this.#isOver) return;
      this.#run(effect);
    }
  }

  #sendHistory(plan: HistoryPlan): void {
    if (this.#sender !== null) {
      this.#sender.stop();
      this.#deps.stopLiveQueue();
    }
    this.#deps.onPlan(plan.kind);
    const { pipe, handler, factory, startLiveQueue } = this.#deps;
    // A watcher receives committed entries only.
    const isVoting = this.#profile?.voting === true;
    const historyEnd = (): LogPosition =>
      isVoting ? handler.getLogEnd() : handler.getCommittedPosition();
    const sender = new HistorySender({ pipe, handler, factory, historyEnd, startLiveQueue });
    this.#sender = sender;
    sender.send(plan).then(
      (last) => {
        if (last !== undefined && this.#sender === sender) {
          this.#step({ kind: "historySent", last });
        }
      },
      (error: unknown) => {
        if (this.#sender === sender) this.#fail(error);
      },
    );
  }

  #credit(received: number): void {
    try {
      this.#sender?.credit(received);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.terminate();
    this.#deps.onFailed(
      error instanceof QuorateError
        ? error
        : new QuorateError(errorCodeOf(error) ?? "ERR_SERVER_INTERNAL", "sync failed", {
            cause: error,
          }),
    );
  }
}
