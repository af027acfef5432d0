import { assertNever } from "@quorate/protocol";
import { EXPIRIES_IN_FLIGHT_MAX, EXPIRY_RETRY_MS } from "./limits.js";

/**
 * A node that is started again numbers its requests from another place, at random in 62 bits. None
 * makes so many in a life; a number farther away is of another one.
 */
const REQUESTS_PER_LIFE_MAX = 2n ** 40n;

/** A session is looked at this often, however long its timeout. */
const LOOK_AHEAD_MS = 60_000;

export interface SessionTrackerOptions {
  /** Deadlines are told apart by so much, and looked at as often. */
  readonly tickMs: number;
  /** How long a sign of life may be on its way: added to each timeout. */
  readonly delayMs: number;
  /** A greater step of the clock counts as this: a process that stands still hears nobody. */
  readonly stepMsMax: number;
  /** Default: EXPIRIES_IN_FLIGHT_MAX. */
  readonly inFlightMax?: number;
}

export type SessionEvent =
  | { readonly kind: "created"; readonly id: bigint; readonly timeoutMs: number }
  /** Its client has come anew, to whichever node, and this is its timeout now: that is applied. */
  | { readonly kind: "moved"; readonly id: bigint; readonly timeoutMs: number }
  /** Its transaction was applied. */
  | { readonly kind: "closed"; readonly id: bigint }
  | { readonly kind: "touched"; readonly ids: readonly bigint[] }
  | { readonly kind: "ticked"; readonly now: number }
  /** Whoever gave a sign of life before the round began has been told as touched. */
  | { readonly kind: "roundCompleted" };

export type SessionEffect =
  | { readonly kind: "beginRound" }
  /** Answered by `closed`, or by {@link SessionTracker.closeRefused}. */
  | { readonly kind: "proposeClose"; readonly id: bigint };

/**
 * `alive`: in a bucket. `silent`: over its deadline, in a list that waits for a round or for its
 * turn. `closing`: proposed to be closed; nothing brings it back.
 */
type Phase = "alive" | "silent" | "closing";

interface Tracked {
  readonly id: bigint;
  timeoutMs: number;
  deadline: number;
  /** Its deadline by what its client last came with, applied or not. */
  askedDeadline: number;
  /** The deadline that a round has proven to be over. */
  provenDeadline: number;
  phase: Phase;
  /** The number of the bucket that counts; it may lie in later ones, too, which pass it over. */
  bucket: number;
  /** Of its client to its node, if that was under this leader. */
  attachment: Attachment | null;
}

/** A request by the number that its node gave it; these rise. */
export interface NumberedRequest {
  readonly fid: string;
  readonly reqId: bigint;
}

/** The request by which a client came to a node. */
export interface Attachment extends NumberedRequest {
  /** That it is to have from then on; 0: as it is. */
  readonly timeoutMs: number;
}

/**
 * When each session was last heard of. On the leader, from the establishment of its epoch to its
 * end: nothing of it is replicated or kept.
 *
 * Owns its part of invariant 10: a session expires only when its whole timeout has passed without a
 * sign of life anywhere, as far as a round knows that began afterwards. So a leader that was
 * deposed, or stood still, expires nobody: its round is not answered, and the time for which it
 * stood still is not counted. A new leader gives everybody the full timeout again.
 *
 * A touch is one lookup and one assignment: the session stays in the bucket of its earlier deadline
 * until that is due, and is moved then, at most once per timeout. Only a shorter timeout takes it
 * to an earlier one at once.
 */
export class SessionTracker {
  readonly #options: Required<SessionTrackerOptions>;
  readonly #sessions = new Map<bigint, Tracked>();
  /** By number of the tick at which they are due. */
  readonly #buckets = new Map<number, Tracked[]>();
  /** Its own time: without the steps in which the process stood still. */
  #now = 0;
  #lastTick: number | null = null;
  /** The newest bucket that was looked at. */
  #seen = 0;
  /** Over their deadlines: before a round, in it, and behind it. */
  #suspects: Tracked[] = [];
  #inRound: Tracked[] | null = null;
  #roundBeganAt = 0;
  #expired: Tracked[] = [];
  /** Proposed to be closed, in order, and until when they are waited for. */
  readonly #closing = new Map<bigint, number>();

  constructor(options: SessionTrackerOptions) {
    this.#options = { inFlightMax: EXPIRIES_IN_FLIGHT_MAX, ...options };
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Decided to be closed by expiry. */
  isClosing(id: bigint): boolean {
    return this.#sessions.get(id)?.phase === "closing";
  }

  /**
   * Its client has come to this node, and gave a sign of life there: what the node asks for in the
   * name of the session is newer than this request of its own.
   */
  attached(id: bigint, at: Attachment): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    session.attachment = at;
    session.askedDeadline = this.#deadlineOf(at.timeoutMs > 0 ? at.timeoutMs : session.timeoutMs);
    session.deadline = Math.max(session.deadline, session.askedDeadline);
    this.#touch(session);
  }

  /**
   * Whether a request was on its way when its session's client came anew to the node that it is
   * from: over a watcher that its node does not follow any more, or from an earlier life of it.
   */
  isLeftBehind(id: bigint, { fid, reqId }: NumberedRequest): boolean {
    const attachment = this.#sessions.get(id)?.attachment;
    if (attachment?.fid !== fid) return false;
    return reqId < attachment.reqId || reqId - attachment.reqId > REQUESTS_PER_LIFE_MAX;
  }

  /** Whether its client has come anew since this request, by which it came as well. */
  isOvertaken(id: bigint, { fid, reqId }: NumberedRequest): boolean {
    const attachment = this.#sessions.get(id)?.attachment ?? null;
    return attachment !== null && (attachment.fid !== fid || attachment.reqId !== reqId);
  }

  step(event: SessionEvent): readonly SessionEffect[] {
    switch (event.kind) {
      case "created":
        this.#add(event.id, event.timeoutMs);
        return [];
      case "moved":
        this.#move(event.id, event.timeoutMs);
        return [];
      case "closed":
        this.#sessions.delete(event.id);
        return this.#closing.delete(event.id) ? this.#proposeMore() : [];
      case "touched":
        for (const id of event.ids) {
          const session = this.#sessions.get(id);
          if (session !== undefined) this.#touch(session);
        }
        return [];
      case "ticked":
        return this.#tick(event.now);
      case "roundCompleted":
        // Looked at again at the next tick: what lay unread in this process is heard until then.
        this.#expired.push(...this.#provenSilent(this.#inRound ?? [], this.#roundBeganAt));
        this.#inRound = null;
        return [];
      default:
        return assertNever(event, "session event");
    }
  }

  /** The close was not taken into the order: the session is judged anew. */
  closeRefused(id: bigint): void {
    const session = this.#sessions.get(id);
    if (session === undefined || !this.#closing.delete(id)) return;
    session.phase = "silent";
    this.#suspects.push(session);
  }

  #add(id: bigint, timeoutMs: number): void {
    const session: Tracked = {
      id,
      timeoutMs,
      deadline: 0,
      askedDeadline: 0,
      provenDeadline: 0,
      phase: "alive",
      bucket: 0,
      attachment: null,
    };
    this.#sessions.set(id, session);
    this.#touch(session);
    this.#putOff(session);
  }

  /** A deadline that was put off is not brought forward by a sign of life. */
  #touch(session: Tracked): void {
    session.deadline = Math.max(session.deadline, this.#deadlineOf(session.timeoutMs));
  }

  /** What its client came with later, and is not applied yet, goes on to hold. */
  #move(id: bigint, timeoutMs: number): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    session.timeoutMs = timeoutMs;
    session.deadline = Math.max(this.#deadlineOf(timeoutMs), session.askedDeadline);
    if (session.phase === "alive" && this.#dueOf(session) < session.bucket) this.#putOff(session);
  }

  #deadlineOf(timeoutMs: number): number {
    return this.#now + Math.max(timeoutMs, 1) + this.#options.delayMs;
  }

  /** The bucket of its deadline, or one before: what is closed must not lie there for long. */
  #dueOf({ deadline }: Tracked): number {
    const lookAt = Math.min(deadline, this.#now + LOOK_AHEAD_MS);
    return Math.max(Math.ceil(lookAt / this.#options.tickMs), this.#seen + 1);
  }

  #putOff(session: Tracked): void {
    session.phase = "alive";
    const due = this.#dueOf(session);
    session.bucket = due;
    const bucket = this.#buckets.get(due);
    if (bucket === undefined) this.#buckets.set(due, [session]);
    else bucket.push(session);
  }

  #isTracked(session: Tracked): boolean {
    return this.#sessions.get(session.id) === session;
  }

  /** Those of the list that nobody has heard of since; the others are put off. */
  #stillSilent(sessions: readonly Tracked[]): Tracked[] {
    const silent: Tracked[] = [];
    for (const session of sessions) {
      if (!this.#isTracked(session)) continue;
      if (session.deadline > this.#now) {
        this.#putOff(session);
      } else {
        session.phase = "silent";
        silent.push(session);
      }
    }
    return silent;
  }

  /**
   * Those whose deadline was over before the round began. One that was heard of since and fell
   * silent again needs another round: this one says nothing about its new deadline.
   */
  #provenSilent(sessions: readonly Tracked[], roundBeganAt: number): Tracked[] {
    const proven: Tracked[] = [];
    for (const session of this.#stillSilent(sessions)) {
      if (session.deadline <= roundBeganAt) proven.push(session);
      else this.#suspects.push(session);
    }
    for (const session of proven) session.provenDeadline = session.deadline;
    return proven;
  }

  #tick(now: number): readonly SessionEffect[] {
    const { tickMs, stepMsMax } = this.#options;
    this.#now += Math.min(Math.max(now - (this.#lastTick ?? now), 0), stepMsMax);
    this.#lastTick = now;
    const upTo = Math.floor(this.#now / tickMs);
    for (; this.#seen < upTo; this.#seen += 1) {
      const due = this.#buckets.get(this.#seen + 1);
      if (due === undefined) continue;
      this.#buckets.delete(this.#seen + 1);
      const looked = due.filter((session) => {
        const counts = session.bucket === this.#seen + 1;
        // Once, should it lie there twice.
        if (counts) session.bucket = 0;
        return counts;
      });
      for (const session of this.#stillSilent(looked)) this.#suspects.push(session);
    }
    this.#giveUpClosing();
    const effects: SessionEffect[] = [...this.#proposeMore()];
    if (this.#inRound === null && this.#suspects.length > 0) {
      this.#inRound = this.#suspects;
      this.#roundBeganAt = this.#now;
      this.#suspects = [];
      effects.push({ kind: "beginRound" });
    }
    return effects;
  }

  #giveUpClosing(): void {
    for (const [id, until] of this.#closing) {
      if (until > this.#now) return;
      this.closeRefused(id);
    }
  }

  #proposeMore(): readonly SessionEffect[] {
    const free = this.#options.inFlightMax - this.#closing.size;
    if (free <= 0 || this.#expired.length === 0) return [];
    const effects: SessionEffect[] = [];
    // From the end, where taking one is cheap: they are over their deadlines all alike.
    while (effects.length < free) {
      const next = this.#expired.pop();
      if (next === undefined) break;
      const [session] = this.#provenSilent([next], next.provenDeadline);
      if (session === undefined) continue;
      session.phase = "closing";
      this.#closing.set(session.id, this.#now + EXPIRY_RETRY_MS);
      effects.push({ kind: "proposeClose", id: session.id });
    }
    return effects;
  }
}
