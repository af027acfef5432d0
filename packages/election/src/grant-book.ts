import { EPOCH_ZERO, type Epoch, type NodeId } from "@quorate/protocol";

/** A voter holds its grant longer than its holder leads on it, by this factor at least. */
export const CLOCK_RATE_MARGIN = 1.1;

/** One start of one node: a process that was restarted is another claimant. */
export interface Claimant {
  readonly node: NodeId;
  readonly bootId: bigint;
}

export interface GrantRequest {
  readonly claimant: Claimant;
  readonly term: Epoch;
  /** How long the claimant would lead on the grant, by its own clock. */
  readonly leaseMs: number;
}

/**
 * Whom this voter has granted the lead, and until when. Owns the rule *one holder at a time*:
 * until the time of a grant is over, nobody but its holder gets one.
 *
 * Safety: two quorums share a voter, and that voter's grants do not overlap. The holder counts its
 * lease from the sending of what asked for it, the voter counts `grantMs` from its arrival, and
 * `leaseMs` is shorter. So the holder has stopped before the voter grants to another, as long as
 * no clock runs faster than another by the ratio of the two.
 *
 * A voter that was restarted has forgotten its grants. It grants nothing until they are over
 * (`grantMs` after its start), or until it has heard of every other voter that none counts a grant
 * of its earlier starts.
 */
export class GrantBook {
  readonly #grantMs: number;
  #quarantineEnd: number | null;
  #holder: Claimant | null = null;
  #until = Number.NEGATIVE_INFINITY;
  /** The greatest term that was granted or heard of as leading, and whose it is. */
  #highest: { readonly term: Epoch; readonly claimant: Claimant | null };

  constructor(options: {
    readonly grantMs: number;
    readonly now: number;
    /** False for the only voter: nobody else could hold a grant of an earlier start of it. */
    readonly isQuarantined: boolean;
  }) {
    this.#grantMs = options.grantMs;
    this.#quarantineEnd = options.isQuarantined ? options.now + options.grantMs : null;
    this.#highest = { term: EPOCH_ZERO, claimant: null };
  }

  get highestTerm(): Epoch {
    return this.#highest.term;
  }

  /** Until when at most nothing is granted after the start; null when that is over. */
  quarantinedUntil(now: number): number | null {
    if (this.#quarantineEnd !== null && now >= this.#quarantineEnd) this.#quarantineEnd = null;
    return this.#quarantineEnd;
  }

  endQuarantine(): void {
    this.#quarantineEnd = null;
  }

  /** Somebody leads with this term, whether this voter granted it or not. */
  noteTerm(term: Epoch, claimant: Claimant): void {
    if (term > this.#highest.term) this.#highest = { term, claimant };
  }

  /** Somebody has been granted this term, whoever it was. */
  noteForeignTerm(term: Epoch): void {
    if (term > this.#highest.term) this.#highest = { term, claimant: null };
  }

  ask(now: number, { claimant, term, leaseMs }: GrantRequest): boolean {
    if (this.quarantinedUntil(now) !== null) return false;
    // The claimant has other timings than this voter.
    if (leaseMs * CLOCK_RATE_MARGIN > this.#grantMs) return false;
    if (now < this.#until && this.#holder !== null && !isSame(this.#holder, claimant)) return false;
    // A term names one claimant, which asks with it again; anybody else needs a greater one.
    const { highestTerm } = this;
    const isAgain = term === highestTerm && isSame(this.#highest.claimant, claimant);
    if (!isAgain && term <= highestTerm) return false;
    this.#holder = claimant;
    this.#until = now + this.#grantMs;
    this.#highest = { term, claimant };
    return true;
  }

  /** The holder says that it neither leads nor claims any more. */
  release(claimant: Claimant): void {
    if (isSame(this.#holder, claimant)) this.#holder = null;
  }
}

function isSame(known: Claimant | null, other: Claimant): boolean {
  return known !== null && known.node === other.node && known.bootId === other.bootId;
}
