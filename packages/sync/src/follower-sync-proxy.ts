import { assert, assertNever } from "@quorate/protocol";
import type {
  ActionHandler,
  Epoch,
  Logger,
  LogPosition,
  MsgFactory,
  NodeId,
  PeerMsg,
  PeerPipe,
  QuorateError,
  StagedSnapshot,
  Ticket,
} from "@quorate/protocol";
import {
  FollowerSyncMachine,
  type FollowerStage,
  type FollowerSyncEffect,
  type FollowerSyncEvent,
} from "./follower-sync-machine.js";

type HistoryEffectKind = "append" | "stageSnapshot" | "stageRows" | "installStaged";

export interface FollowerSyncOptions {
  readonly leader: NodeId;
  /** False for watchers. */
  readonly voting: boolean;
}

export type FollowerSyncOutcome =
  | { readonly kind: "synced"; readonly epoch: Epoch; readonly received: LogPosition }
  | { readonly kind: "failed"; readonly error: QuorateError };

export interface FollowerSyncDeps {
  readonly pipe: PeerPipe;
  readonly handler: ActionHandler;
  readonly factory: MsgFactory;
  readonly logger: Logger;
  /** Once, synchronously from the call that ended it. Afterwards the proxy does nothing. */
  onDone(outcome: FollowerSyncOutcome): void;
}

/**
 * Synchronises this node with one leader over one pipe. The owner feeds it the pipe's messages
 * and the store's answers, and keeps the bounds on silence; the proxy runs the machine's effects.
 */
export class FollowerSyncProxy {
  readonly #deps: FollowerSyncDeps;
  readonly #options: FollowerSyncOptions;
  readonly #machine: FollowerSyncMachine;
  #acceptedEpochTicket: Ticket | null = null;
  #currentEpochTicket: Ticket | null = null;
  /** The last write of history; what a watcher waits for in place of an epoch. */
  #lastHistoryTicket: Ticket = -1;
  #lastPersisted: Ticket = -1;
  #awaitsHistory = false;
  readonly #historyTickets: Ticket[] = [];
  #historyPersisted = 0;
  #staged: StagedSnapshot | null = null;
  #isDone = false;

  constructor(options: FollowerSyncOptions, deps: FollowerSyncDeps) {
    this.#options = options;
    this.#deps = deps;
    const { handler } = deps;
    this.#machine = new FollowerSyncMachine({
      leader: options.leader,
      voting: options.voting,
      acceptedEpoch: handler.getAcceptedEpoch(),
      acceptedLeader: handler.getAcceptedLeader(),
      currentEpoch: handler.getCurrentEpoch(),
      lastLogged: handler.getLastLogged(),
      commitMark: handler.getLastCommittedTxid(),
    });
  }

  get stage(): FollowerStage {
    return this.#machine.stage;
  }

  start(): void {
    this.#step({ kind: "started" });
  }

  onMessage(message: PeerMsg): void {
    this.#step({ kind: "messageReceived", message });
  }

  onPersisted(upTo: Ticket): void {
    this.#lastPersisted = upTo;
    if (this.#acceptedEpochTicket !== null && this.#acceptedEpochTicket <= upTo) {
      this.#acceptedEpochTicket = null;
      this.#step({ kind: "acceptedEpochPersisted" });
    }
    let answered = 0;
    while ((this.#historyTickets[answered] ?? Infinity) <= upTo) answered += 1;
    if (answered > 0) {
      this.#historyTickets.splice(0, answered);
      this.#historyPersisted += answered;
      this.#step({ kind: "historyPersisted", count: this.#historyPersisted });
    }
    if (this.#currentEpochTicket !== null && this.#currentEpochTicket <= upTo) {
      this.#currentEpochTicket = null;
      this.#step({ kind: "currentEpochPersisted" });
    }
    this.#completeHistory();
  }

  /** Ends it without an outcome; a snapshot received in part is dropped. Idempotent. */
  terminate(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#dropStaged();
  }

  #completeHistory(): void {
    if (!this.#awaitsHistory || this.#lastPersisted < this.#lastHistoryTicket) return;
    this.#awaitsHistory = false;
    this.#step({ kind: "historyComplete" });
  }

  #step(event: FollowerSyncEvent): void {
    if (this.#isDone) return;
    for (const effect of this.#machine.step(event)) this.#run(effect);
  }

  #run(effect: FollowerSyncEffect): void {
    const { pipe, handler, factory } = this.#deps;
    switch (effect.kind) {
      case "sendFollowerInfo":
        pipe.send(
          factory.createFollowerInfo({
            acceptedEpoch: handler.getAcceptedEpoch(),
            fid: handler.getFollowerId(),
            voting: this.#options.voting,
            standing: handler.getStanding(),
            identity: handler.getIdentity(),
          }),
        );
        return;
      case "persistAcceptedEpoch":
        this.#acceptedEpochTicket = handler.notifyNewAcceptedEpoch(
          effect.epoch,
          this.#options.leader,
        );
        return;
      case "sendEpochAck":
        pipe.send(
          factory.createEpochAck({
            lastLogged: handler.getLastLogged(),
            currentEpoch: handler.getCurrentEpoch(),
            uncounted: effect.uncounted,
          }),
        );
        return;
      case "checkHeld":
        this.#checkHeld(effect.position);
        return;
      case "truncate":
        this.#lastHistoryTicket = handler.truncateAfter(effect.after);
        return;
      case "append":
      case "stageSnapshot":
      case "stageRows":
      case "installStaged":
        this.#store(effect);
        return;
      case "commit":
        handler.commit(effect.upTo);
        return;
      case "awaitHistory":
        this.#awaitsHistory = true;
        this.#completeHistory();
        return;
      case "persistCurrentEpoch":
        this.#currentEpochTicket = handler.notifyNewCurrentEpoch(effect.epoch);
        return;
      case "sendSyncProgress":
        pipe.send({ kind: "syncProgress", received: effect.received });
        return;
      case "sendSnapshotRequest":
        pipe.send({ kind: "snapshotRequest" });
        return;
      case "sendNewLeaderAck":
        pipe.send(factory.createNewLeaderAck(effect.epoch));
        return;
      case "finish":
        this.#finish({ kind: "synced", epoch: effect.epoch, received: effect.received });
        return;
      case "fail":
        this.#finish({ kind: "failed", error: effect.error });
        return;
      default:
        assertNever(effect, "effect");
    }
  }

  /** What the store is given of the history: live, or beside the current state. */
  #store(effect: FollowerSyncEffect & { readonly kind: HistoryEffectKind }): void {
    const { handler } = this.#deps;
    switch (effect.kind) {
      case "append":
        this.#historyWritten(
          effect.staged
            ? this.#stagedSnapshot().append([effect.batch])
            : handler.logAndCommit(effect.batch, handler.getLastCommittedTxid()),
        );
        return;
      case "stageSnapshot":
        this.#dropStaged();
        this.#staged = handler.stageSnapshot(effect.info);
        return;
      case "stageRows":
        this.#historyWritten(this.#stagedSnapshot().writeRows(effect.rows));
        return;
      case "installStaged":
        this.#lastHistoryTicket = handler.installSnapshot(this.#stagedSnapshot(), effect.upTo);
        this.#staged = null;
        return;
      default:
        assertNever(effect, "effect");
    }
  }

  #historyWritten(ticket: Ticket): void {
    this.#historyTickets.push(ticket);
    this.#lastHistoryTicket = ticket;
  }

  #checkHeld(position: LogPosition): void {
    this.#deps.handler.findLogPosition(position.txnid).then(
      (found) => {
        const held = found?.txnid === position.txnid && found.chain === position.chain;
        this.#step({ kind: "heldChecked", held });
      },
      (error: unknown) => {
        // A log that cannot be read cannot be continued: let the snapshot replace it.
        this.#deps.logger.warn("could not read the own log during sync", {}, error);
        this.#step({ kind: "heldChecked", held: false });
      },
    );
  }

  #stagedSnapshot(): StagedSnapshot {
    assert(this.#staged !== null, "no snapshot is staged");
    return this.#staged;
  }

  #dropStaged(): void {
    if (this.#staged === null) return;
    this.#deps.handler.discardStaged(this.#staged);
    this.#staged = null;
  }

  #finish(outcome: FollowerSyncOutcome): void {
    this.#isDone = true;
    if (outcome.kind === "failed") this.#dropStaged();
    this.#deps.onDone(outcome);
  }
}
