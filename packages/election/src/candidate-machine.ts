import {
  assertNever,
  EPOCH_MAX,
  toEpoch,
  type Epoch,
  type LeaseAct,
  type LeaseMsg,
  type NodeId,
  type PeerStatus,
  type QuorumVerifier,
} from "@quorate/protocol";
import type {
  CandidateEffect,
  CandidateEvent,
  CandidateMachineOptions,
  CandidateTimings,
  LostReason,
  Standpoint,
} from "./candidate-events.js";
import { GrantBook, type Claimant } from "./grant-book.js";
import type { LeaseArrival } from "./lease-channel.js";
import { LeaseClaim } from "./lease-claim.js";

/** Heartbeats between two hellos to those that did not welcome, once the quarantine is over. */
const IDLE_HELLO_HEARTBEATS = 5;
/** A claim that no quorum grants ends after followerTimeoutMs and a random part of this share. */
const CLAIM_JITTER_SHARE = 0.5;

type Phase =
  | { readonly kind: "electing" }
  /** Another one won, and has not said that it leads. */
  | { readonly kind: "waiting"; readonly leader: NodeId; heardAt: number }
  | { readonly kind: "following"; readonly leader: NodeId; readonly term: Epoch; heardAt: number }
  | {
      readonly kind: "claiming";
      claim: LeaseClaim;
      /** False while its own voter does not grant: nobody else is asked then. */
      isAsking: boolean;
      readonly epoch: Epoch;
      readonly until: number;
    }
  | { readonly kind: "leading"; readonly claim: LeaseClaim }
  | { readonly kind: "ended" };

/**
 * One candidate: elects, claims what it won, leads while a quorum grants, follows whoever leads.
 * Ballots only choose who claims; whether a claim is a lead is decided by grants alone.
 *
 * Owns the rules *who is followed* and *when a lead ends*. Whom this voter grants is the
 * GrantBook's, until when a claim stands the LeaseClaim's.
 */
export class CandidateMachine {
  readonly #self: Claimant;
  readonly #quorum: QuorumVerifier;
  readonly #timings: CandidateTimings;
  readonly #grants: GrantBook;
  /**
   * Which start of a voter said hello last, and the last beat that was sent before: no grant of
   * the voter for that beat or an earlier one counts any more.
   */
  readonly #welcomed = new Map<NodeId, { readonly bootId: bigint; readonly beat: number }>();
  readonly #welcomedBy = new Set<NodeId>();
  #phase: Phase = { kind: "electing" };
  #beat = 0;
  #nextBeatAt = 0;
  #nextHelloAt: number;

  constructor(options: CandidateMachineOptions) {
    this.#self = options.self;
    this.#quorum = options.quorum;
    this.#timings = options.timings;
    this.#nextHelloAt = options.now;
    this.#grants = new GrantBook({
      grantMs: options.timings.followerTimeoutMs,
      now: options.now,
      isQuarantined: options.quorum.voterIds.length > 1,
    });
  }

  start(now: number): CandidateEffect[] {
    return [{ kind: "startBallot" }, ...this.#sayHello(now)];
  }

  /** What ballots say of this node. */
  get ballotStatus(): PeerStatus {
    switch (this.#phase.kind) {
      case "claiming":
      case "leading":
        return "leading";
      case "waiting":
      case "following":
        return "following";
      case "electing":
      case "ended":
        return "electing";
      default:
        return assertNever(this.#phase, "phase");
    }
  }

  get standpoint(): Standpoint {
    const phase = this.#phase;
    switch (phase.kind) {
      case "leading":
        return { status: "leading", leader: this.#self.node, term: phase.claim.term };
      case "following":
        return { status: "following", leader: phase.leader, term: phase.term };
      case "ended":
        return { status: "closed", leader: null, term: null };
      case "electing":
      case "waiting":
      case "claiming":
        return { status: "electing", leader: null, term: null };
      default:
        return assertNever(phase, "phase");
    }
  }

  /** Until when this node leads if it hears nothing more; in the past when it does not lead. */
  leadsUntil(now: number): number {
    return this.#phase.kind === "leading"
      ? this.#phase.claim.standsUntil(now)
      : Number.NEGATIVE_INFINITY;
  }

  /** When `timePassed` is next due. */
  nextDueAt(now: number): number {
    const phase = this.#phase;
    switch (phase.kind) {
      case "electing":
        return this.#nextHelloAt;
      case "waiting":
      case "following":
        return Math.min(this.#nextHelloAt, phase.heardAt + this.#timings.followerTimeoutMs);
      case "claiming":
        return Math.min(this.#nextHelloAt, this.#nextBeatAt, phase.until);
      case "leading":
        return Math.min(this.#nextHelloAt, this.#nextBeatAt, phase.claim.standsUntil(now));
      case "ended":
        return Number.POSITIVE_INFINITY;
      default:
        return assertNever(phase, "phase");
    }
  }

  step(event: CandidateEvent, now: number): CandidateEffect[] {
    if (this.#phase.kind === "ended") return [];
    // A lease that is over ends before anything else happens: what arrives may be granted then.
    const effects = this.#checkLease(now);
    switch (event.kind) {
      case "ballotEnded":
        effects.push(...this.#ballotEnded(event, now));
        break;
      case "arrived":
        effects.push(...this.#arrived(event.arrival, now));
        break;
      case "leaseChecked":
        break;
      case "timePassed":
        effects.push(...this.#timePassed(now));
        break;
      case "leave":
        effects.push(...this.#end("left"));
        break;
      default:
        assertNever(event, "candidate event");
    }
    return effects;
  }

  #checkLease(now: number): CandidateEffect[] {
    if (this.#phase.kind !== "leading" || this.#phase.claim.standsUntil(now) > now) return [];
    return this.#lose("lease");
  }

  #timePassed(now: number): CandidateEffect[] {
    const effects: CandidateEffect[] = [];
    const phase = this.#phase;
    const isSilent =
      (phase.kind === "waiting" || phase.kind === "following") &&
      now >= phase.heardAt + this.#timings.followerTimeoutMs;
    if (isSilent) {
      effects.push(...this.#elect());
    } else if (phase.kind === "claiming" && now >= phase.until) {
      effects.push(...this.#giveUp(), ...this.#elect());
    }
    if (now >= this.#nextHelloAt) effects.push(...this.#sayHello(now));
    if (now >= this.#nextBeatAt) effects.push(...this.#sendBeat(now));
    return effects;
  }

  #ballotEnded(
    { leader, epoch, jitter }: Extract<CandidateEvent, { kind: "ballotEnded" }>,
    now: number,
  ): CandidateEffect[] {
    // A leader was heard of meanwhile.
    if (this.#phase.kind !== "electing") return [];
    if (leader !== this.#self.node) {
      this.#phase = { kind: "waiting", leader, heardAt: now };
      return [];
    }
    const claim = this.#makeClaim(epoch);
    if (claim === null) return this.#exhausted();
    const patience = this.#timings.followerTimeoutMs * (1 + CLAIM_JITTER_SHARE * jitter);
    this.#phase = { kind: "claiming", claim, isAsking: false, epoch, until: now + patience };
    return this.#sendBeat(now);
  }

  #makeClaim(epoch: Epoch): LeaseClaim | null {
    const known = Math.max(epoch, this.#grants.highestTerm);
    if (known >= EPOCH_MAX) return null;
    return new LeaseClaim({
      self: this.#self.node,
      quorum: this.#quorum,
      term: toEpoch(known + 1),
      leaseMs: this.#timings.leaseMs,
    });
  }

  #arrived(arrival: LeaseArrival, now: number): CandidateEffect[] {
    const { from, bootId, lease, isNewlyKnown } = arrival;
    const effects = isNewlyKnown ? this.#catchUp(from) : [];
    switch (lease.act) {
      case "hello":
        this.#welcome(from, bootId);
        effects.push({ kind: "answer", to: from, lease: this.#make("welcome") });
        // It may have been the grant that the lead stood on.
        effects.push(...this.#checkLease(now));
        break;
      case "welcome":
        this.#welcomedBy.add(from);
        if (this.#unwelcoming().length > 0) break;
        this.#grants.endQuarantine();
        this.#nextHelloAt = Number.POSITIVE_INFINITY;
        // A claim that waited for it need not wait for its next beat.
        if (this.#phase.kind === "claiming") this.#nextBeatAt = now;
        break;
      case "claim":
      case "lead":
        effects.push(...this.#asked(arrival, now));
        break;
      case "grant":
        effects.push(...this.#granted(arrival, now));
        break;
      case "refuse":
        effects.push(...this.#refused(lease, now));
        break;
      case "release":
        this.#grants.release({ node: from, bootId });
        if (this.#leader() === from) effects.push(...this.#elect());
        break;
      case "note":
        break;
      case "duplicate":
        effects.push(...this.#duplicated(from));
        break;
      default:
        assertNever(lease.act, "lease act");
    }
    return effects;
  }

  #asked({ from, bootId, lease }: LeaseArrival, now: number): CandidateEffect[] {
    const claimant = { node: from, bootId };
    const { term, beat, leaseMs } = lease;
    const isGranted = this.#grants.ask(now, { claimant, term, leaseMs });
    const verdict = isGranted
      ? this.#make("grant", term, beat)
      : this.#make("refuse", this.#grants.highestTerm, beat);
    const effects: CandidateEffect[] = [{ kind: "send", to: from, lease: verdict }];
    if (lease.act === "lead") {
      this.#grants.noteTerm(term, claimant);
      effects.push(...this.#follow(from, term, now));
    } else if (this.#leader() === from) {
      this.#heard(now);
    } else if (isGranted && this.#phase.kind !== "leading") {
      effects.push(...this.#giveUp(), { kind: "noteLeader", leader: from, term });
      effects.push(...this.#enter({ kind: "waiting", leader: from, heardAt: now }));
    }
    return effects;
  }

  /** Somebody leads. It is followed also by those whose grant it did not need. */
  #follow(leader: NodeId, term: Epoch, now: number): CandidateEffect[] {
    const phase = this.#phase;
    if (phase.kind === "following" && term <= phase.term) {
      if (phase.leader === leader && phase.term === term) phase.heardAt = now;
      return [];
    }
    const effects: CandidateEffect[] = [];
    if (phase.kind === "leading") {
      // Impossible while clocks and ids are what they should be. The greater term is the younger.
      if (term <= phase.claim.term) return [];
      effects.push(...this.#drop("superseded"));
    }
    effects.push(...this.#giveUp(), { kind: "noteLeader", leader, term });
    effects.push(...this.#enter({ kind: "following", leader, term, heardAt: now }));
    return effects;
  }

  /**
   * Safety: the voter may grant to others once it is welcomed, so no grant of a start before may
   * count afterwards. Starts have no order that this node could know, and the hello of one that is
   * over may come last; but one that is over answers no beat that was sent after the hello of the
   * next. Liveness: whichever start lives does answer it.
   */
  #welcome(from: NodeId, bootId: bigint): void {
    if (this.#welcomed.get(from)?.bootId === bootId) return;
    this.#welcomed.set(from, { bootId, beat: this.#beat });
    const phase = this.#phase;
    if (phase.kind === "claiming" || phase.kind === "leading") phase.claim.forget(from);
  }

  #granted({ from, lease }: LeaseArrival, now: number): CandidateEffect[] {
    const phase = this.#phase;
    if (phase.kind !== "claiming" && phase.kind !== "leading") return [];
    if (phase.claim.term !== lease.term) return [];
    const welcomed = this.#welcomed.get(from);
    if (welcomed !== undefined && lease.beat <= welcomed.beat) return [];
    phase.claim.granted(from, lease.beat);
    return phase.kind === "claiming" ? this.#tryToLead(phase.claim, now) : [];
  }

  #tryToLead(claim: LeaseClaim, now: number): CandidateEffect[] {
    if (claim.standsUntil(now) <= now) return [];
    const effects = this.#enter({ kind: "leading", claim });
    // Followers learn of it at once.
    return [...effects, ...this.#sendBeat(now)];
  }

  #refused({ term }: LeaseMsg, now: number): CandidateEffect[] {
    const phase = this.#phase;
    if (phase.kind === "leading" && term > phase.claim.term) {
      // A voter remembers what those who granted this lead have forgotten by a restart.
      this.#grants.noteForeignTerm(term);
      return this.#lose("superseded");
    }
    if (phase.kind !== "claiming" || term < phase.claim.term) return [];
    this.#grants.noteForeignTerm(term);
    const claim = this.#makeClaim(phase.epoch);
    if (claim === null) return this.#exhausted();
    phase.claim = claim;
    phase.isAsking = false;
    this.#nextBeatAt = now;
    return [];
  }

  #duplicated(from: NodeId): CandidateEffect[] {
    const message = `member ${from} hears another process under this node's id ${this.#self.node}`;
    const effects = this.#end("failed");
    return [...effects, { kind: "failed", code: "ERR_SERVER_DUPLICATE_ID", message }];
  }

  #exhausted(): CandidateEffect[] {
    const message = "no greater term exists: some rank has an absurd epoch";
    const effects = this.#end("failed");
    return [...effects, { kind: "failed", code: "ERR_PROTOCOL_EPOCH_EXHAUSTED", message }];
  }

  /** What was sent to a start that was not known could not be counted by it. */
  #catchUp(to: NodeId): CandidateEffect[] {
    const effects: CandidateEffect[] = [];
    if (!this.#welcomedBy.has(to)) {
      effects.push({ kind: "answer", to, lease: this.#make("hello") });
    }
    const phase = this.#phase;
    const isAsking = phase.kind === "leading" || (phase.kind === "claiming" && phase.isAsking);
    if (isAsking) effects.push({ kind: "answer", to, lease: this.#makeAsk(phase) });
    return effects;
  }

  #sendBeat(now: number): CandidateEffect[] {
    const phase = this.#phase;
    if (phase.kind !== "claiming" && phase.kind !== "leading") return [];
    this.#nextBeatAt = now + this.#timings.heartbeatMs;
    const { claim } = phase;
    const { leaseMs } = this.#timings;
    // No quorum without the claimant itself, and it grants as any voter does.
    const isGranted = this.#grants.ask(now, { claimant: this.#self, term: claim.term, leaseMs });
    if (phase.kind === "claiming") phase.isAsking = isGranted;
    if (!isGranted) return [];
    this.#beat += 1;
    claim.beatSent(now, this.#beat);
    const effects: CandidateEffect[] = [{ kind: "multicast", lease: this.#makeAsk(phase) }];
    // An ensemble of one has its quorum by that.
    if (phase.kind === "claiming") effects.push(...this.#tryToLead(claim, now));
    return effects;
  }

  /**
   * To all that have not welcomed this start, for as long as they live: until then they would not
   * count its grants if they knew an earlier start, and a second process under this id is found
   * by its hellos.
   */
  #sayHello(now: number): CandidateEffect[] {
    const isUrgent = this.#grants.quarantinedUntil(now) !== null;
    const { heartbeatMs } = this.#timings;
    this.#nextHelloAt = now + heartbeatMs * (isUrgent ? 1 : IDLE_HELLO_HEARTBEATS);
    return this.#unwelcoming().map((to) => ({ kind: "send", to, lease: this.#make("hello") }));
  }

  #unwelcoming(): NodeId[] {
    const { voterIds } = this.#quorum;
    return voterIds.filter((id) => id !== this.#self.node && !this.#welcomedBy.has(id));
  }

  #leader(): NodeId | null {
    const phase = this.#phase;
    return phase.kind === "waiting" || phase.kind === "following" ? phase.leader : null;
  }

  #heard(now: number): void {
    const phase = this.#phase;
    if (phase.kind === "waiting" || phase.kind === "following") phase.heardAt = now;
  }

  /** Stops leading and elects. */
  #lose(reason: LostReason): CandidateEffect[] {
    return [...this.#drop(reason), ...this.#elect()];
  }

  /** Stops leading; the voters need not keep their grants. */
  #drop(reason: LostReason): CandidateEffect[] {
    if (this.#phase.kind !== "leading") return [];
    const { term } = this.#phase.claim;
    this.#phase = { kind: "electing" };
    this.#grants.release(this.#self);
    return [
      { kind: "lost", term, reason },
      { kind: "multicast", lease: this.#make("release", term) },
    ];
  }

  #giveUp(): CandidateEffect[] {
    if (this.#phase.kind !== "claiming") return [];
    const { term } = this.#phase.claim;
    this.#phase = { kind: "electing" };
    this.#grants.release(this.#self);
    return [{ kind: "multicast", lease: this.#make("release", term) }];
  }

  #elect(): CandidateEffect[] {
    return [...this.#enter({ kind: "electing" }), { kind: "startBallot" }];
  }

  #end(reason: LostReason): CandidateEffect[] {
    const effects = [...this.#drop(reason), ...this.#giveUp()];
    return [...effects, ...this.#enter({ kind: "ended" })];
  }

  #enter(phase: Phase): CandidateEffect[] {
    this.#phase = phase;
    return [{ kind: "stateChanged" }];
  }

  #makeAsk({ kind, claim }: Extract<Phase, { kind: "claiming" | "leading" }>): LeaseMsg {
    const act = kind === "leading" ? "lead" : "claim";
    return { ...this.#make(act, claim.term, this.#beat), leaseMs: this.#timings.leaseMs };
  }

  #make(act: LeaseAct, term: Epoch = this.#grants.highestTerm, beat = 0): LeaseMsg {
    return { kind: "lease", act, term, beat, leaseMs: 0 };
  }
}
