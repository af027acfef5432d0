import {
  ChurnMap,
  PENDING_REQUESTS_MAX,
  QuorateError,
  type AbortMsg,
  type ActionHandler,
  type PlacedRefusals,
  type Txnid,
} from "@quorate/protocol";
import { stoppedLeading } from "./refusal-errors.js";

/** One with a place. */
export type PlacedRefusal = AbortMsg & { readonly after: Txnid };

export function isPlaced(refusal: AbortMsg): refusal is PlacedRefusal {
  return refusal.after !== null;
}

/**
 * Refusals of requests of this node's own clients, each until its place in the order of commits.
 *
 * A refusal says something about the state behind one transaction (ADR 0006), and it is told when
 * that is applied and before the next one is: so what its client asks for behind it is neither
 * older nor newer (Invariant 8). The commit of the next one proves it: a quorum followed this
 * leader when that was proposed, which was later. Where there is no next one the leader has a round
 * prove it and says so. Places never go back, since the leader judges in order.
 */
export class HeldRefusals implements PlacedRefusals {
  readonly #handler: Pick<ActionHandler, "abort">;
  /** By request, in order of arrival. */
  readonly #held = new ChurnMap<bigint, PlacedRefusal>();
  /** Kept beside the map: it is asked for once for each batch that is applied. */
  #first: Txnid | null = null;

  constructor(handler: Pick<ActionHandler, "abort">) {
    this.#handler = handler;
  }

  get first(): Txnid | null {
    return this.#first;
  }

  /** @throws ERR_PROTOCOL_ORDER beyond what can have been asked for. */
  add(refusal: PlacedRefusal): void {
    if (this.#held.size >= PENDING_REQUESTS_MAX) {
      throw new QuorateError("ERR_PROTOCOL_ORDER", "more refusals than requests");
    }
    this.#held.set(refusal.reqId, refusal);
    this.#first ??= refusal.after;
  }

  releaseBefore(txnid: Txnid): void {
    while (this.#first !== null && this.#first < txnid) this.#releaseFirst();
  }

  /**
   * All up to this request's are a leader's; nothing when it was told before.
   * @throws ERR_PROTOCOL_ORDER when what they stand behind is not committed here.
   */
  proven(reqId: bigint, commitMark: Txnid): void {
    const last = this.#held.get(reqId);
    if (last === undefined) return;
    if (last.after > commitMark) {
      throw new QuorateError("ERR_PROTOCOL_ORDER", "a refusal is proven before its place");
    }
    while (this.#held.has(reqId)) this.#releaseFirst();
  }

  /** The role ends: these drew no txnid and left no trace, they are refused and not unknown. */
  giveUp(): void {
    const held = [...this.#held.values()];
    this.#held.clear();
    this.#first = null;
    const { code, message } = stoppedLeading();
    for (const { fid, reqId } of held) this.#handler.abort(fid, reqId, code, message, -1);
  }

  #releaseFirst(): void {
    const [refusal] = this.#held.values();
    if (refusal === undefined) return;
    this.#held.delete(refusal.reqId);
    this.#first = this.#held.values().next().value?.after ?? null;
    const { fid, reqId, code, error, at } = refusal;
    this.#handler.abort(fid, reqId, code, error, at);
  }
}
