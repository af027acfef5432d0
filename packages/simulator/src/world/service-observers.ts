import { entriesOf, type LogEntryMsg, type NodeId, type PeerMsg } from "@quorate/protocol";
import { ExpiryChecker } from "../checkers/service/expiry-checker.js";
import { PurgeChecker } from "../checkers/service/purge-checker.js";
import { ServiceModel, type ModelEvents } from "../checkers/service/service-model.js";
import type { Acknowledged } from "../checkers/service/session-witness.js";
import { closesOf } from "../checkers/service/transaction.js";
import { WriteOrderChecker } from "../checkers/service/write-order-checker.js";
import type { PipeEnd } from "../network/pipe-end.js";
import type { SessionClient } from "../workload/session/session-client.js";
import type { World } from "./world.js";

/** More ephemerals at once than any session has by chance. */
const MANY_EPHEMERALS = 30;

/** Everything around the service to sessions: the model, its checkers, and the clients. */
export class ServiceObservers {
  readonly model: ServiceModel;
  readonly expiry: ExpiryChecker;
  readonly writeOrder: WriteOrderChecker;
  readonly purges: PurgeChecker;
  readonly acknowledged: Acknowledged = { newest: 0n, acls: new Set() };
  /** Empty where the server under test has no sessions. */
  clients: readonly SessionClient[] = [];
  readonly #world: World;

  constructor(world: World) {
    const { violations, quorum, scheduler, coverage } = world;
    this.#world = world;
    this.model = new ServiceModel(violations, () => scheduler.nowMs);
    this.expiry = new ExpiryChecker({ violations, quorum }, this.model);
    this.writeOrder = new WriteOrderChecker(violations);
    this.purges = new PurgeChecker(violations, this.model, (kind) => {
      coverage.event(kind === "ttl" ? "node removed at its time" : "container removed");
    });
    const counter: ModelEvents = {
      onApplied: () => undefined,
      onSessionClosed: ({ id }, _txnid, ephemerals) => {
        const isAsked = this.expiry.wasClosed(id);
        if (!isAsked) coverage.event("session expired");
        if (ephemerals === 0) return;
        coverage.event(isAsked ? "ephemerals deleted by a close" : "ephemerals deleted by expiry");
        if (ephemerals >= MANY_EPHEMERALS) coverage.event("thirty ephemerals deleted at once");
      },
    };
    for (const listener of [this.expiry, this.writeOrder, this.purges, counter])
      this.model.listen(listener);
  }

  established(leader: NodeId): void {
    const { scheduler, coverage } = this.#world;
    this.expiry.established(leader, scheduler.nowMs);
    for (const { openedAtMs } of this.model.openSessions) {
      if (openedAtMs < scheduler.nowMs) {
        coverage.event("session kept through a change of leader");
      }
    }
  }

  sent({ host, peer, pipeId }: PipeEnd, message: PeerMsg): void {
    const { nowMs } = this.#world.scheduler;
    switch (message.kind) {
      case "heartbeat": {
        // Whoever begins to serve sends one at once.
        const isServing = this.#world.node(host.id).status()?.isReady === true;
        if (isServing) this.expiry.serves(host.id, nowMs);
        if (message.answer) {
          this.expiry.answered(host.id, peer, pipeId >> 1, nowMs, isServing);
        } else {
          this.expiry.asked(host.id, nowMs);
        }
        return;
      }
      case "proposal":
        this.#proposed(host.id, [...entriesOf(message.batch)], nowMs);
        return;
      case "abort":
        if (message.code === "ERR_SESSION_MOVED") {
          this.#world.coverage.event("write refused after a move");
        }
        return;
      default:
    }
  }

  received({ host, peer, pipeId }: PipeEnd, messages: readonly PeerMsg[]): void {
    for (const message of messages) {
      if (message.kind !== "heartbeat" || !message.answer) continue;
      this.expiry.answerArrived(host.id, peer, pipeId >> 1);
    }
  }

  #proposed(leader: NodeId, entries: readonly LogEntryMsg[], nowMs: number): void {
    for (const { txnid } of entries) this.writeOrder.proposed(txnid, nowMs);
    for (const [txnid, session] of closesOf(entries)) {
      this.expiry.proposed(leader, txnid, session, nowMs);
    }
  }
}
