import type { Leader, SessionKeeper } from "@quorate/broadcast";
import {
  assertNever,
  callerSession,
  OpCode,
  PENDING_READS_MAX,
  QuorateError,
  SESSION_PASSWORD_BYTES,
  type Clock,
  type Meter,
  type RequestMsg,
  type SessionTable,
  type StateListener,
  type Timings,
} from "@quorate/protocol";
import {
  CLOCK_STEP_HEARTBEATS,
  EXPIRED_NODES_PER_MINUTE_MAX,
  TOUCH_DELAY_HEARTBEATS,
} from "./limits.js";
import { SessionTracker, type SessionEvent } from "./session-tracker.js";
import type { TouchBuffer } from "./touch-buffer.js";

/** What a leader asks of the state beyond its ActionHandler. */
export interface SessionState {
  readonly sessions: SessionTable;
  /** Heard of at this node, or below it. */
  readonly touches: TouchBuffer;
  /** Returns what ends it. */
  listen(listener: StateListener): () => void;
  expiredNodes(wallTimeMs: number, max: number): readonly string[];
}

export interface LeaderSessionsDeps {
  readonly state: SessionState;
  readonly clock: Clock;
  readonly meter: Meter;
}

interface Resume {
  readonly fid: string;
  readonly reqId: bigint;
  readonly id: bigint;
  readonly password: Uint8Array;
}

type LeaderSeam = Pick<Leader, "answers" | "hearTouches" | "proposeOwn" | "readIndex">;

const ID_BYTES = 8;
const MINUTE_MS = 60_000;
const NOTHING = new Uint8Array(4);
const NO_PASSWORD = new Uint8Array(SESSION_PASSWORD_BYTES);

/**
 * The sessions of one term of leadership: which node each writes through, which have expired, and
 * what the leader removes of itself. Made when the initial history is applied: every session of the
 * state has its full timeout then.
 */
export class LeaderSessions implements SessionKeeper {
  readonly #timings: Timings;
  readonly #deps: LeaderSessionsDeps;
  readonly #tracker: SessionTracker;
  readonly #stopListening: () => void;
  #leader: LeaderSeam | null = null;
  /** Resumes of sessions that are being closed: they are told when that is so. */
  #waiting: Resume[] = [];
  #lastLookAt: number;
  #dueNodes: readonly string[] = [];
  #nextDueNode = 0;

  constructor(timings: Timings, deps: LeaderSessionsDeps) {
    const { state, clock } = deps;
    const { heartbeatMs } = timings;
    this.#timings = timings;
    this.#deps = deps;
    this.#tracker = new SessionTracker({
      tickMs: heartbeatMs,
      delayMs: heartbeatMs * TOUCH_DELAY_HEARTBEATS,
      stepMsMax: heartbeatMs * CLOCK_STEP_HEARTBEATS,
    });
    this.#lastLookAt = clock.now();
    this.#step({ kind: "ticked", now: this.#lastLookAt });
    for (const { id, timeoutMs } of state.sessions.values()) {
      this.#step({ kind: "created", id, timeoutMs });
    }
    this.#stopListening = state.listen({
      onNodeChange: () => undefined,
      onSessionCreated: ({ id, timeoutMs }) => {
        this.#step({ kind: "created", id, timeoutMs });
      },
      onSessionClosed: (id) => {
        this.#step({ kind: "closed", id });
      },
    });
  }

  /** Before anything is asked of it. */
  start(leader: LeaderSeam): void {
    this.#leader = leader;
  }

  /** Once per heartbeat interval. */
  tick(now: number): void {
    this.#hearOwn();
    this.#step({ kind: "ticked", now });
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) this.#resumeNow(resume);
    this.#removeExpiredNodes(now);
  }

  /** The term is over: whoever waits is refused, and may ask the next leader. */
  close(): void {
    this.#stopListening();
    const error = new QuorateError("ERR_SERVER_NOT_READY", "the leader stopped leading", {
      retryable: true,
    });
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { fid, reqId } of waiting) this.#leader?.answers.refuse(fid, reqId, error);
    this.#leader = null;
  }

  // ---- for the leader ----

  judge(fid: string, request: RequestMsg): QuorateError | null {
    const session = sessionOf(request);
    if (session === null || this.#tracker.claim(session, fid)) return null;
    return new QuorateError("ERR_SESSION_MOVED", "the session has moved to another server");
  }

  touched(sessions: readonly bigint[]): void {
    this.#step({ kind: "touched", ids: sessions });
  }

  resume(fid: string, { reqId, content }: RequestMsg): void {
    const leader = this.#leader;
    if (leader === null) return;
    if (content.length !== ID_BYTES + SESSION_PASSWORD_BYTES) {
      const error = new QuorateError("ERR_ARG_VALUE", "malformed content: resumeSession");
      leader.answers.refuse(fid, reqId, error);
      return;
    }
    // Taken out now: the content is its sender's again after this call.
    const id = idIn(content);
    const password = content.slice(ID_BYTES);
    leader.readIndex((proof) => {
      if (typeof proof !== "bigint") leader.answers.refuse(fid, reqId, proof);
      else this.#resumeNow({ fid, reqId, id, password });
    });
  }

  /** A quorum round has proved that this node leads: what is applied is as new as the question. */
  #resumeNow(resume: Resume): void {
    const { fid, reqId, id, password } = resume;
    const answers = this.#leader?.answers;
    if (answers === undefined) return;
    const { sessions } = this.#deps.state;
    const session = sessions.get(id);
    // Also where there is none, so that the time tells nothing of which ids there are.
    const isRight = isSamePassword(session?.password ?? NO_PASSWORD, password);
    if (session === undefined || !isRight) {
      answers.refuse(fid, reqId, expired());
    } else if (!this.#tracker.isClosing(id) && !sessions.isClosing(id)) {
      this.#tracker.move(id, fid);
      answers.answer(fid, reqId, int32(session.timeoutMs));
    } else if (this.#waiting.length < PENDING_READS_MAX) {
      // Not gone yet, and perhaps never: a refusal must be as true as a read.
      this.#waiting.push(resume);
    } else {
      const error = new QuorateError("ERR_SERVER_BUSY", "too many sessions are being closed", {
        retryable: true,
      });
      answers.refuse(fid, reqId, error);
    }
  }

  // ---- the tracker ----

  #hearOwn(): void {
    for (const ids of this.#deps.state.touches.take()) this.#step({ kind: "touched", ids });
  }

  #step(event: SessionEvent): void {
    for (const effect of this.#tracker.step(event)) {
      switch (effect.kind) {
        case "beginRound":
          this.#leader?.hearTouches(() => {
            this.#hearOwn();
            this.#step({ kind: "roundCompleted" });
          });
          break;
        case "proposeClose":
          this.#proposeClose(effect.id);
          break;
        default:
          assertNever(effect, "session effect");
      }
    }
  }

  #proposeClose(id: bigint): void {
    const content = new Uint8Array(ID_BYTES);
    new DataView(content.buffer).setBigUint64(0, id);
    if (this.#leader?.proposeOwn(OpCode.closeSession, "", content) === true) {
      this.#deps.meter.count("sessions_expired");
    } else {
      this.#tracker.closeRefused(id);
    }
  }

  /** A few at each tick, so that a minute's worth of them is no burst. */
  #removeExpiredNodes(now: number): void {
    const { heartbeatMs, nodeExpiryMs } = this.#timings;
    const max = EXPIRED_NODES_PER_MINUTE_MAX;
    if (this.#nextDueNode === this.#dueNodes.length) {
      if (now - this.#lastLookAt < nodeExpiryMs) return;
      this.#lastLookAt = now;
      this.#nextDueNode = 0;
      this.#dueNodes = this.#deps.state.expiredNodes(this.#deps.clock.wallTime(), max);
    }
    const perTick = Math.max(Math.floor((max * heartbeatMs) / MINUTE_MS), 1);
    const due = this.#dueNodes.slice(this.#nextDueNode, this.#nextDueNode + perTick);
    for (const path of due) {
      if (this.#leader?.proposeOwn(OpCode.deleteExpired, path, NOTHING) !== true) return;
      this.#nextDueNode += 1;
    }
  }
}

/** The session in whose name a request writes. */
function sessionOf({ op, content }: RequestMsg): bigint | null {
  switch (op) {
    case OpCode.add:
    case OpCode.set:
    case OpCode.delete:
    case OpCode.setAcl:
    case OpCode.multi:
      return callerSession(content);
    case OpCode.closeSession:
      return content.length === ID_BYTES ? idIn(content) : null;
    default:
      return null;
  }
}

function idIn(content: Uint8Array): bigint {
  return new DataView(content.buffer, content.byteOffset, content.byteLength).getBigUint64(0);
}

function int32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value);
  return bytes;
}

/** In a time that does not depend on where they differ. */
function isSamePassword(one: Uint8Array, other: Uint8Array): boolean {
  let difference = one.length ^ other.length;
  for (let i = 0; i < SESSION_PASSWORD_BYTES; i += 1) {
    difference |= (one[i] ?? 0) ^ (other[i] ?? 0);
  }
  return difference === 0;
}

function expired(): QuorateError {
  return new QuorateError("ERR_SESSION_EXPIRED", "there is no such session, or not so any more");
}
