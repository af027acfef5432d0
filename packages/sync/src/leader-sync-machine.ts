import { assert, formatTxnid, nodeIdOfFid, QuorateError } from "@quorate/protocol";
import type {
  EpochAckMsg,
  Epoch,
  ErrorCode,
  FollowerInfoMsg,
  Identity,
  LogPosition,
  NodeId,
  PeerMsg,
  Standing,
  Txnid,
} from "@quorate/protocol";
import type { Gate } from "./consent-state.js";
import { planHistory, type HistoryPlan } from "./plan-history.js";

/** The original's stage names, in camelCase. */
export type LeaderStage =
  | "updateAcceptedEpochAfterQuorum"
  | "notifyNewEpoch"
  | "updateCurrentEpochAfterQuorum"
  | "syncSend"
  | "declareNewLeaderAfterQuorum"
  | "leaderSyncDone";

/** The leader's own history as it was when it was elected. */
export interface LeaderSummary {
  readonly currentEpoch: Epoch;
  readonly lastLogged: Txnid;
}

export type LeaderSyncEvent =
  | { readonly kind: "messageReceived"; readonly message: PeerMsg }
  /** The leader's own promise of this epoch is durable: it may be offered. */
  | { readonly kind: "epochReady"; readonly epoch: Epoch }
  | { readonly kind: "gateOpened"; readonly gate: Gate }
  /** The answer to `findFloor`. */
  | { readonly kind: "floorFound"; readonly floor: LogPosition | null }
  /** All of the plan has been handed to the pipe; `last` is its end, live queueing begins there. */
  | { readonly kind: "historySent"; readonly last: LogPosition };

export interface FollowerProfile {
  readonly id: NodeId;
  readonly identity: Identity;
  readonly voting: boolean;
  readonly standing: Standing;
}

export type LeaderSyncEffect =
  /** Who it is, before anything is counted: the owner refuses doubled ids and judges standing. */
  | {
      readonly kind: "introduce";
      readonly profile: FollowerProfile;
      readonly acceptedEpoch: Epoch;
    }
  | { readonly kind: "voteAcceptedEpoch"; readonly epoch: Epoch }
  | { readonly kind: "sendLeaderInfo"; readonly epoch: Epoch }
  | { readonly kind: "voteEpochAck" }
  /** A counted voter knows more than this leader: it must not lead. */
  | { readonly kind: "abdicate"; readonly reason: string }
  | { readonly kind: "findFloor"; readonly atOrBelow: Txnid }
  | { readonly kind: "sendHistory"; readonly plan: HistoryPlan }
  | { readonly kind: "sendNewLeader"; readonly epoch: Epoch; readonly last: LogPosition }
  | { readonly kind: "creditHistory"; readonly received: number }
  | { readonly kind: "voteNewLeaderAck" }
  | { readonly kind: "join"; readonly last: LogPosition }
  | { readonly kind: "fail"; readonly error: QuorateError };

/**
 * The leader's side of discovery and sync with one follower or watcher.
 *
 * Owns: who is counted at which gate (a promise made to another leader is a report, G21), and
 * abdication in favour of a counted voter with a greater (currentEpoch, lastLogged), which is
 * possible only until the second gate opens; a longer tail that appears later is truncated (G29).
 * Paper: Zab phases 1 and 2, leader; ZooKeeper's LearnerHandler.
 */
export class LeaderSyncMachine {
  readonly #peer: NodeId;
  readonly #summary: LeaderSummary;
  readonly #open = new Set<Gate>();
  #stage: LeaderStage = "updateAcceptedEpochAfterQuorum";
  #epoch: Epoch | null = null;
  #info: FollowerInfoMsg | null = null;
  #ack: EpochAckMsg | null = null;
  /** Set by the owner: does this follower's word count at the gates? */
  #isCounted = false;
  /** A plan was made: until then there is nothing that a snapshot could be asked instead of. */
  #hasPlan = false;
  #last: LogPosition | null = null;
  #isAcknowledged = false;
  #failed = false;

  constructor(peer: NodeId, summary: LeaderSummary) {
    this.#peer = peer;
    this.#summary = summary;
  }

  get stage(): LeaderStage {
    return this.#stage;
  }

  get isCounted(): boolean {
    return this.#isCounted;
  }

  /** The owner's judgement, in answer to `introduce`. */
  setCounted(isCounted: boolean): void {
    this.#isCounted = isCounted;
  }

  step(event: LeaderSyncEvent): LeaderSyncEffect[] {
    if (this.#failed) return [];
    switch (event.kind) {
      case "messageReceived":
        return this.#messageReceived(event.message);
      case "epochReady":
        this.#epoch = event.epoch;
        return this.#offerEpoch();
      case "gateOpened":
        this.#open.add(event.gate);
        return [...this.#plan(), ...this.#join()];
      case "floorFound":
        return this.#floorFound(event.floor);
      case "historySent":
        assert(this.#stage === "syncSend" && this.#epoch !== null, "history sent out of order");
        this.#last = event.last;
        this.#stage = "declareNewLeaderAfterQuorum";
        return [{ kind: "sendNewLeader", epoch: this.#epoch, last: event.last }];
    }
  }

  #messageReceived(message: PeerMsg): LeaderSyncEffect[] {
    switch (message.kind) {
      case "followerInfo":
        return this.#followerInfo(message);
      case "epochAck":
        return this.#epochAck(message);
      case "syncProgress":
        return this.#stage === "syncSend" || this.#stage === "declareNewLeaderAfterQuorum"
          ? [{ kind: "creditHistory", received: message.received }]
          : this.#fail("ERR_PROTOCOL_ORDER", "syncProgress out of order");
      case "snapshotRequest":
        return this.#snapshotRequest();
      case "newLeaderAck":
        return this.#newLeaderAck(message.epoch);
      default:
        return this.#fail("ERR_PROTOCOL_ORDER", `${message.kind} does not belong to sync`);
    }
  }

  #followerInfo(info: FollowerInfoMsg): LeaderSyncEffect[] {
    if (this.#info !== null) return this.#fail("ERR_PROTOCOL_ORDER", "a second followerInfo");
    if (nodeIdOfFid(info.fid) !== this.#peer) {
      return this.#fail("ERR_PROTOCOL_HANDSHAKE", `node ${this.#peer} calls itself ${info.fid}`);
    }
    this.#info = info;
    const { identity, voting, standing, acceptedEpoch } = info;
    const profile = { id: this.#peer, identity, voting, standing };
    return [{ kind: "introduce", profile, acceptedEpoch }];
  }

  /** After the owner's judgement: the first vote, and the epoch if there is one already. */
  introduced(): LeaderSyncEffect[] {
    assert(this.#info !== null, "introduced before its followerInfo");
    const effects: LeaderSyncEffect[] = [];
    if (this.#isCounted) {
      effects.push({ kind: "voteAcceptedEpoch", epoch: this.#info.acceptedEpoch });
    }
    this.#stage = "notifyNewEpoch";
    effects.push(...this.#offerEpoch());
    return effects;
  }

  #offerEpoch(): LeaderSyncEffect[] {
    if (this.#stage !== "notifyNewEpoch" || this.#epoch === null) return [];
    this.#stage = "updateCurrentEpochAfterQuorum";
    return [{ kind: "sendLeaderInfo", epoch: this.#epoch }];
  }

  #epochAck(ack: EpochAckMsg): LeaderSyncEffect[] {
    if (this.#stage !== "updateCurrentEpochAfterQuorum" || this.#ack !== null) {
      return this.#fail("ERR_PROTOCOL_ORDER", "epochAck out of order");
    }
    this.#ack = ack;
    if (this.#open.has("epochAck")) return this.#plan();
    if (!this.#isCounted || ack.uncounted) return [];
    const { currentEpoch, lastLogged } = this.#summary;
    const isAhead =
      ack.currentEpoch > currentEpoch ||
      (ack.currentEpoch === currentEpoch && ack.lastLogged.txnid > lastLogged);
    if (isAhead) {
      const reason =
        `node ${this.#peer} is at epoch ${ack.currentEpoch}, ` +
        `${formatTxnid(ack.lastLogged.txnid)}; this node at epoch ${currentEpoch}, ` +
        formatTxnid(lastLogged);
      return [{ kind: "abdicate", reason }];
    }
    return [{ kind: "voteEpochAck" }];
  }

  #plan(): LeaderSyncEffect[] {
    if (this.#ack === null || this.#stage !== "updateCurrentEpochAfterQuorum") return [];
    // A watcher hears of committed entries only: nothing of the initial history is, until the
    // leader is established.
    const gate = this.#info?.voting === true ? "epochAck" : "newLeaderAck";
    if (!this.#open.has(gate)) return [];
    this.#stage = "syncSend";
    return [{ kind: "findFloor", atOrBelow: this.#ack.lastLogged.txnid }];
  }

  #floorFound(floor: LogPosition | null): LeaderSyncEffect[] {
    assert(this.#ack !== null && this.#stage === "syncSend", "a floor out of order");
    const plan = planHistory(this.#ack.lastLogged, floor);
    if (plan.kind === "diverged") {
      return this.#fail(
        "ERR_SYNC_DIVERGED",
        `${formatTxnid(this.#ack.lastLogged.txnid)} has another content on node ${this.#peer}`,
      );
    }
    this.#hasPlan = true;
    return [{ kind: "sendHistory", plan }];
  }

  #snapshotRequest(): LeaderSyncEffect[] {
    const isSending = this.#stage === "syncSend" || this.#stage === "declareNewLeaderAfterQuorum";
    if (!isSending || !this.#hasPlan || this.#isAcknowledged) {
      return this.#fail("ERR_PROTOCOL_ORDER", "snapshotRequest out of order");
    }
    this.#stage = "syncSend";
    return [{ kind: "sendHistory", plan: { kind: "snapshot" } }];
  }

  #newLeaderAck(epoch: Epoch): LeaderSyncEffect[] {
    const isExpected =
      this.#stage === "declareNewLeaderAfterQuorum" &&
      epoch === this.#epoch &&
      !this.#isAcknowledged;
    if (!isExpected) return this.#fail("ERR_PROTOCOL_ORDER", "newLeaderAck out of order");
    this.#isAcknowledged = true;
    const effects: LeaderSyncEffect[] = [];
    if (this.#isCounted) effects.push({ kind: "voteNewLeaderAck" });
    effects.push(...this.#join());
    return effects;
  }

  #join(): LeaderSyncEffect[] {
    if (!this.#isAcknowledged || !this.#open.has("newLeaderAck")) return [];
    if (this.#stage === "leaderSyncDone") return [];
    assert(this.#last !== null, "joined without a history");
    this.#stage = "leaderSyncDone";
    return [{ kind: "join", last: this.#last }];
  }

  #fail(code: ErrorCode, message: string): LeaderSyncEffect[] {
    this.#failed = true;
    return [{ kind: "fail", error: new QuorateError(code, message) }];
  }
}
