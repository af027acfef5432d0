import type { Leader, SessionKeeper } from "@quorate/broadcast";
import {
  assertNever,
  callerSession,
  isSamePassword,
  nodeIdOfFid,
  OpCode,
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

type LeaderSeam = Pick<Leader, "answers" | "hearTouches" | "propose" | "proposeOwn" | "readIndex">;

const ID_BYTES = 8;
/** In the content of a resumeSession: behind the id and the timeout. */
const PASSWORD_AT = ID_BYTES + 4;
const MINUTE_MS = 60_000;
const NOTHING = new Uint8Array(4);
const NO_PASSWORD = new Uint8Array(SESSION_PASSWORD_BYTES);

/**
 * The sessions of one term of leadership: whose clients come to which node, which have expired, and
 * what the leader removes of itself. Made when the initial history is applied: every session of the
 * state has its full timeout then.
 */
export class LeaderSessions implements SessionKeeper {
  readonly #timings: Timings;
  readonly #deps: LeaderSessionsDeps;
  readonly #tracker: SessionTracker;
  readonly #stopListening: () => void;
  #leader: LeaderSeam | null = null;
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
      onSessionMoved: ({ id, timeoutMs }) => {
        this.#step({ kind: "moved", id, timeoutMs });
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
    this.#removeExpiredNodes(now);
  }

  /** The term is over. */
  close(): void {
    this.#stopListening();
    this.#leader = null;
  }

  // ---- for the leader ----

  /** Where the session is, the state knows: this is about the way that the request took. */
  judge(fid: string, request: RequestMsg): QuorateError | null {
    const session = sessionOf(request);
    const { reqId } = request;
    if (session === null || !this.#tracker.isLeftBehind(session, { fid, reqId })) return null;
    return cameAnew();
  }

  touched(sessions: readonly bigint[]): void {
    this.#step({ kind: "touched", ids: sessions });
  }

  /**
   * A session that is at this node already, and keeps its timeout, goes on without a transaction: a
   * proof that this node leads is enough. Any other moves by one; the state judges it, and refuses
   * what may not.
   */
  resume(fid: string, request: RequestMsg): void {
    const leader = this.#leader;
    if (leader === null) return;
    const { reqId, content } = request;
    if (content.length !== PASSWORD_AT + SESSION_PASSWORD_BYTES) {
      const error = new QuorateError("ERR_ARG_VALUE", "malformed content: resumeSession");
      leader.answers.refuse(fid, reqId, error);
      return;
    }
    const id = idIn(content);
    const session = this.#deps.state.sessions.get(id);
    // Also where there is none, so that the time tells nothing of which ids there are.
    const known = session?.password ?? NO_PASSWORD;
    const isRight = isSamePassword(known, content.subarray(PASSWORD_AT)) && session !== undefined;
    const timeoutMs = viewOf(content).getInt32(ID_BYTES);
    // Now, and not once it is done: what comes behind this request must not have overtaken it.
    if (isRight) this.#tracker.attached(id, { fid, reqId, timeoutMs });
    const isSettled = (): boolean => this.#isSettledAt(id, fid, timeoutMs);
    if (!isRight || !isSettled()) {
      leader.propose(fid, request);
      return;
    }
    leader.readIndex((proof) => {
      if (typeof proof !== "bigint") leader.answers.refuse(fid, reqId, proof);
      // What was asked for later may be done: it must not be undone, nor its timeout shortened.
      else if (!isSettled() && this.#tracker.isOvertaken(id, { fid, reqId })) {
        leader.answers.refuse(fid, reqId, cameAnew());
      } else if (!isSettled()) leader.propose(fid, request);
      else leader.answers.answer(fid, reqId, int32(session.timeoutMs));
    });
  }

  #isSettledAt(id: bigint, fid: string, timeoutMs: number): boolean {
    const { sessions } = this.#deps.state;
    return sessions.isSettledAt(id, nodeIdOfFid(fid), timeoutMs) && !this.#tracker.isClosing(id);
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

function cameAnew(): QuorateError {
  return new QuorateError("ERR_SESSION_MOVED", "its client has come anew since");
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
  return viewOf(content).getBigUint64(0);
}

function viewOf(content: Uint8Array): DataView {
  return new DataView(content.buffer, content.byteOffset, content.byteLength);
}

function int32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value);
  return bytes;
}
