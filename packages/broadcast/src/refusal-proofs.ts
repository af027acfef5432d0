import type { QuorateError, Txnid } from "@quorate/protocol";

export interface RefusalProofsDeps {
  /** A round that is sent after the call; at most one at a time is asked for. */
  readIndex(done: (proof: Txnid | QuorateError) => void): void;
  /** To this node: what it was refused up to this request is proven. */
  tell(fid: string, reqId: bigint): void;
  /** Something may be told once the mark is announced. */
  onChange(): void;
}

interface Refused {
  readonly reqId: bigint;
  /** The transaction that it stands behind. */
  readonly after: Txnid;
}

/**
 * Which refusals nothing else will prove. One that a proposal follows is proven by the commit of
 * that, at the node that asked and without a word; for the others a round is needed, one for all
 * that wait, and the commit of what they stand behind. Of each node only the newest is remembered,
 * since it covers those before it: bounded by the number of nodes.
 */
export class RefusalProofs {
  readonly #deps: RefusalProofsDeps;
  /** By node. */
  #unproven = new Map<string, Refused>();
  /** A leader's, and not yet told: what they stand behind is not announced as committed. */
  readonly #proven = new Map<string, Refused>();
  #isProving = false;

  constructor(deps: RefusalProofsDeps) {
    this.#deps = deps;
  }

  /** Nothing waits for a proof or its delivery. */
  get isEmpty(): boolean {
    return this.#unproven.size === 0 && this.#proven.size === 0 && !this.#isProving;
  }

  refused(fid: string, reqId: bigint, after: Txnid): void {
    this.#unproven.set(fid, { reqId, after });
  }

  /** All that waited for its turn has had it. */
  prove(lastProposed: Txnid): void {
    if (this.#unproven.size === 0 || this.#isProving) return;
    for (const [fid, { after }] of this.#unproven) {
      if (after < lastProposed) this.#unproven.delete(fid);
    }
    if (this.#unproven.size === 0) return;
    const inRound = this.#unproven;
    this.#unproven = new Map();
    this.#isProving = true;
    this.#deps.readIndex((proof) => {
      this.#isProving = false;
      // Else the role ends, and each node tells its own.
      if (typeof proof !== "bigint") return;
      for (const [fid, refused] of inRound) this.#proven.set(fid, refused);
      this.#deps.onChange();
    });
  }

  deliver(announcedMark: Txnid): void {
    for (const [fid, { reqId, after }] of this.#proven) {
      if (after > announcedMark) continue;
      this.#proven.delete(fid);
      this.#deps.tell(fid, reqId);
    }
  }
}
