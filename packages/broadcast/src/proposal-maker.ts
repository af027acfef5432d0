import {
  advanceTxnid,
  BATCH_BYTES_SOFT_MAX,
  BATCH_ENTRIES_MAX,
  BatchBuilder,
  isInternalOpCode,
  LEADER_QUEUE_BYTES_MAX,
  LEADER_QUEUE_REQUESTS_MAX,
  makeTxnid,
  nodeIdOfFid,
  positionOf,
} from "@quorate/protocol";
import type {
  ActionHandler,
  ChainHash,
  EntryBatch,
  Epoch,
  LogPosition,
  Prepared,
  RequestMsg,
  Txnid,
} from "@quorate/protocol";

export interface ProposalMakerDeps {
  readonly handler: ActionHandler;
  readonly chainHash: ChainHash;
  /**
   * A client's request was refused before it drew a txnid. `judgedAt` is the newest transaction,
   * perhaps not committed, that the judgement may rest on. Nobody awaits the outcome of the
   * leader's own: they all have one number, and one's refusal would be proven in another's place.
   */
  onRefused(
    fid: string,
    request: RequestMsg,
    refusal: Extract<Prepared, { ok: false }> & { readonly judgedAt: Txnid },
  ): void;
}

interface Waiting {
  readonly fid: string;
  readonly request: RequestMsg;
  readonly isOwn: boolean;
}

/**
 * Turns waiting requests into batches of prepared transactions.
 *
 * A request is prepared against the newest state and only then draws its txnid, so a refused one
 * leaves no hole and never moves the commit mark (Deviation from seed, ADR 0002). The epoch's
 * first txnid has counter 1.
 */
export class ProposalMaker {
  readonly #deps: ProposalMakerDeps;
  readonly #epoch: Epoch;
  readonly #builder: BatchBuilder;
  #end: LogPosition;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;

  constructor(epoch: Epoch, end: LogPosition, deps: ProposalMakerDeps) {
    this.#epoch = epoch;
    this.#end = end;
    this.#deps = deps;
    this.#builder = new BatchBuilder(deps.chainHash);
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** `isOwn`: the leader's own, not a client's. False when the leader's queue is full. */
  add(fid: string, request: RequestMsg, isOwn = false): boolean {
    const bytes = request.content.length + request.key.length;
    // The ensemble's own entries, at most one per node, always find room.
    if (
      !isInternalOpCode(request.op) &&
      (this.#waiting.length >= LEADER_QUEUE_REQUESTS_MAX ||
        this.#waitingBytes + bytes > LEADER_QUEUE_BYTES_MAX)
    ) {
      return false;
    }
    this.#waiting.push({ fid, request, isOwn });
    this.#waitingBytes += bytes;
    return true;
  }

  /**
   * The next batch; undefined when nothing waits or all that waited was refused.
   * @throws ERR_PROTOCOL_TXNID_EXHAUSTED when the epoch has no txnid left.
   */
  next(): EntryBatch | undefined {
    const { handler } = this.#deps;
    const builder = this.#builder;
    const first =
      this.#end.txnid < makeTxnid(this.#epoch, 1)
        ? makeTxnid(this.#epoch, 1)
        : advanceTxnid(this.#end.txnid, 1);
    let taken = 0;
    while (
      taken < this.#waiting.length &&
      builder.count < BATCH_ENTRIES_MAX &&
      builder.byteLength < BATCH_BYTES_SOFT_MAX
    ) {
      const waiting = this.#waiting[taken];
      if (waiting === undefined) break;
      const { fid, request, isOwn } = waiting;
      const origin = nodeIdOfFid(fid);
      const txnid = advanceTxnid(first, builder.count);
      // Whose session may have moved while its write waited is the state's to say, now.
      const prepared = handler.prepare(request, txnid, isOwn ? undefined : origin);
      taken += 1;
      this.#waitingBytes -= request.content.length + request.key.length;
      if (prepared.ok) {
        const { op, key, content } = prepared;
        builder.add(origin, request.reqId, op, key, content);
      } else if (!isOwn) {
        const judgedAt =
          builder.count === 0 ? this.#end.txnid : advanceTxnid(first, builder.count - 1);
        this.#deps.onRefused(fid, request, { ...prepared, judgedAt });
      }
    }
    this.#waiting.splice(0, taken);
    if (builder.count === 0) return undefined;
    const batch = builder.finish(first, this.#end);
    this.#end = positionOf(batch);
    return batch;
  }

  /** Everything that waits, taken out: the role ends. */
  takeWaiting(): readonly Waiting[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    return waiting;
  }
}
