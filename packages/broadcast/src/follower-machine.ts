import { followsPosition, formatTxnid, QuorateError } from "@quorate/protocol";
import type { EntryBatch, LogPosition, PeerMsg, Txnid } from "@quorate/protocol";

export type FollowerEvent =
  | { readonly kind: "messageReceived"; readonly message: PeerMsg }
  /** The own log is durable up to here. */
  | { readonly kind: "persisted"; readonly upTo: Txnid };

export type FollowerEffect =
  | { readonly kind: "logProposal"; readonly batch: EntryBatch }
  | { readonly kind: "sendAccept"; readonly txnid: Txnid }
  | { readonly kind: "commit"; readonly upTo: Txnid }
  /** The first commit mark arrived: what this node shows is now at least what was established. */
  | { readonly kind: "ready" }
  | { readonly kind: "deliver"; readonly message: PeerMsg };

/**
 * A follower or watcher in normal operation.
 *
 * Owns: contiguity against the last entry *received*, acknowledgement by the last *persisted*
 * (Invariant 4), commits in order and never above what was received (Invariant 7), and the
 * silence about entries that came twice (Zab text, issue 2). It starts after NewLeaderAck, so no
 * accept can leave before it (G25).
 */
export class FollowerMachine {
  readonly #isWatcher: boolean;
  #received: LogPosition;
  #accepted: Txnid;
  #commitMark: Txnid;
  #isReady = false;

  constructor(start: {
    readonly isWatcher: boolean;
    /** The end of the history that was acknowledged. */
    readonly received: LogPosition;
    readonly commitMark: Txnid;
  }) {
    this.#isWatcher = start.isWatcher;
    this.#received = start.received;
    this.#accepted = start.received.txnid;
    this.#commitMark = start.commitMark;
  }

  /** All up to it was heard to be committed. */
  get commitMark(): Txnid {
    return this.#commitMark;
  }

  /** @throws ERR_PROTOCOL_ORDER when the leader breaks the order: the pipe must close. */
  step(event: FollowerEvent): FollowerEffect[] {
    if (event.kind === "persisted") return this.#persisted(event.upTo);
    const { message } = event;
    switch (message.kind) {
      case "proposal":
        if (this.#isWatcher) throw order("a proposal to a watcher");
        return this.#receive(message.batch);
      case "inform":
        if (!this.#isWatcher) throw order("committed entries without a proposal");
        return [...this.#receive(message.batch), ...this.#commit(message.batch.last)];
      case "commit":
        return this.#commit(message.txnid);
      case "abort":
      case "refusalsProven":
      case "response":
      case "readIndexReply":
        return [{ kind: "deliver", message }];
      default:
        throw order(`${message.kind} to a follower`);
    }
  }

  #receive(batch: EntryBatch): FollowerEffect[] {
    if (batch.last <= this.#received.txnid) return [];
    if (!followsPosition(batch, this.#received)) {
      throw order(
        `${formatTxnid(batch.first)} does not continue ${formatTxnid(this.#received.txnid)}`,
      );
    }
    this.#received = { txnid: batch.last, chain: batch.chain };
    return [{ kind: "logProposal", batch }];
  }

  #persisted(upTo: Txnid): FollowerEffect[] {
    if (this.#isWatcher || upTo <= this.#accepted) return [];
    this.#accepted = upTo;
    return [{ kind: "sendAccept", txnid: upTo }];
  }

  #commit(upTo: Txnid): FollowerEffect[] {
    if (upTo > this.#received.txnid) {
      throw order(`commit of ${formatTxnid(upTo)} before its proposal`);
    }
    const effects: FollowerEffect[] = [];
    if (upTo > this.#commitMark) {
      this.#commitMark = upTo;
      effects.push({ kind: "commit", upTo });
    }
    if (!this.#isReady) {
      this.#isReady = true;
      effects.push({ kind: "ready" });
    }
    return effects;
  }
}

function order(message: string): QuorateError {
  return new QuorateError("ERR_PROTOCOL_ORDER", message);
}
