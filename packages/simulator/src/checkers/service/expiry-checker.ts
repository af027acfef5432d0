import { formatTxnid, type NodeId, type QuorumVerifier, type Txnid } from "@quorate/protocol";
import type { Violations } from "../violations.js";
import { name, type ModelEvents, type ModelSession, type ServiceModel } from "./service-model.js";

/** The fastest clock of a leader, against virtual time (F36): so much of a timeout is enough. */
const FASTEST_CLOCK = 1.25;
/** The slowest clock of a node: for it a part of a timeout takes so much longer. */
const SLOWEST_CLOCK = 0.8;
/**
 * For a leader with late timers and a slow clock to notice that a node answers late, and for what
 * is on a slow link by then to arrive: before that, the node may serve what is so old.
 */
const LATE_MS_MAX = 5000;
/** A node that serves nobody keeps idle connections for so much of their sessions' timeouts. */
const KEPT_OPEN_SHARE = 2 / 3;
/** For what is on its way within the node. */
const KEPT_OPEN_SLACK_MS = 100;
/** A leader whose disk does not answer for longer leads no more. */
const WAITS_MS_MAX = 6000;
const NEVER = Number.NEGATIVE_INFINITY;

/** A node that says something, as it is then. */
export interface Speaker {
  readonly node: NodeId;
  readonly isServing: boolean;
  /** When its process last stood still and went on. */
  readonly goesOnSinceMs: number;
  /** How late its timers may be. */
  readonly timerLateMs: number;
}

interface Life {
  readonly node: NodeId;
  readonly atMs: number;
}

/** The connection through which a node tells a leader of its clients. */
interface Pipe {
  readonly pipeId: number;
  firstAtMs: number;
  /** When each answer was sent that has not arrived. */
  readonly underWayMs: number[];
  /** When the newest answer was sent that has arrived. */
  answeredMs: number;
}

/**
 * Judges each end of a session. Holds the rest of Invariant 10: it ends because its client asked
 * for it, or because it was silent for its whole timeout, as far as the leader can know; and the
 * leader must know: a quorum has told it of its clients after the deadline.
 *
 * What a node was told by a client before it sent an answer to a heartbeat, on a connection that
 * was open by then, the leader knows when the answer has arrived. What it cannot know it may
 * disregard. Judged when the leader decides, or else when it proposes the end; told when that is
 * committed.
 */
export class ExpiryChecker implements ModelEvents {
  readonly #violations: Violations;
  readonly #quorum: QuorumVerifier;
  readonly #model: ServiceModel;
  readonly #lives = new Map<bigint, Life[]>();
  /** By leader, then by the node that follows it. */
  readonly #pipes = new Map<NodeId, Map<NodeId, Pipe>>();
  readonly #leadsSinceMs = new Map<NodeId, number>();
  /** When each leader last looked at its own clients. */
  readonly #lookedMs = new Map<NodeId, number>();
  readonly #asked = new Set<bigint>();
  /** When each node was last seen to serve. */
  readonly #servesMs = new Map<NodeId, number>();
  /** By session and node: since when one that does not serve is known to speak to its client. */
  readonly #alone = new Map<string, { readonly sinceMs: number; readonly timerLateMs: number }>();
  /** By leader: sessions that it may have decided to end, with the time. */
  readonly #decidedMs = new Map<NodeId, Map<bigint, number>>();
  readonly #verdicts = new Map<bigint, string>();

  constructor(
    deps: { readonly violations: Violations; readonly quorum: QuorumVerifier },
    model: ServiceModel,
  ) {
    this.#violations = deps.violations;
    this.#quorum = deps.quorum;
    this.#model = model;
  }

  /** The client has asked for the end of its session. */
  closeAsked(session: bigint): void {
    this.#asked.add(session);
  }

  wasClosed(session: bigint): boolean {
    return this.#asked.has(session);
  }

  /** Bytes of its client have reached this node, on a connection that has the session. */
  lives(session: bigint, node: NodeId, nowMs: number): void {
    const lives = this.#lives.get(session) ?? [];
    lives.push({ node, atMs: nowMs });
    this.#lives.set(session, lives);
  }

  /** A node serves, now. */
  serves(node: NodeId, nowMs: number): void {
    this.#servesMs.set(node, nowMs);
  }

  /**
   * A node says something to the client of this session: to the client that means that it lives.
   * A node that has lost its leader must not go on so for long, or a holder of a lock that is
   * content with pings never hears that it holds nothing any more: it notices that it is alone, and
   * then keeps a connection for no longer than the session lives on without signs of life.
   */
  speaksTo(session: bigint, speaker: Speaker, nowMs: number): void {
    const known = this.#model.sessions.get(session);
    if (known === undefined) return;
    const { node, isServing, goesOnSinceMs } = speaker;
    const key = `${session}/${node}`;
    if (isServing) {
      this.serves(node, nowMs);
      const lateMs = nowMs - Math.max(known.closedAtMs, goesOnSinceMs);
      this.#expectTold(lateMs <= LATE_MS_MAX, known, node, lateMs);
      return;
    }
    const found = this.#alone.get(key);
    const before =
      (found?.sinceMs ?? NEVER) > (this.#servesMs.get(node) ?? NEVER) ? found : undefined;
    const { sinceMs } = before ?? { sinceMs: nowMs };
    const timerLateMs = Math.max(speaker.timerLateMs, before?.timerLateMs ?? 0);
    this.#alone.set(key, { sinceMs, timerLateMs });
    const aloneMs = nowMs - Math.max(sinceMs, goesOnSinceMs);
    const keptMs =
      (known.timeoutMsMax * KEPT_OPEN_SHARE) / SLOWEST_CLOCK + timerLateMs + KEPT_OPEN_SLACK_MS;
    this.#violations.expect(
      aloneMs <= keptMs,
      "endIsTold",
      () =>
        `n${node}, which serves nobody, speaks to the client of session ${name(session)} ` +
        `${Math.round(aloneMs)} ms later, of a timeout of ${known.timeoutMsMax}`,
    );
  }

  #expectTold(condition: boolean, { id }: ModelSession, node: NodeId, lateMs: number): void {
    this.#violations.expect(
      condition,
      "endIsTold",
      () =>
        `n${node} speaks to the client of session ${name(id)}, which has ended ` +
        `${Math.round(lateMs)} ms ago`,
    );
  }

  /**
   * The leader decides that some session ends. What it proposes then may wait for its disk, and no
   * sign of life that comes meanwhile changes it: so those that it may mean are noted.
   */
  decided(leader: NodeId, nowMs: number): void {
    const decided = this.#decidedMs.get(leader) ?? new Map<bigint, number>();
    this.#decidedMs.set(leader, decided);
    for (const session of this.#model.openSessions) {
      if (this.#judge(leader, session, nowMs) === "") decided.set(session.id, nowMs);
    }
  }

  established(leader: NodeId, nowMs: number): void {
    this.#decidedMs.delete(leader);
    this.#leadsSinceMs.set(leader, nowMs);
  }

  /** A leader asks everybody, and looks at its own clients. */
  asked(leader: NodeId, nowMs: number): void {
    this.#lookedMs.set(leader, nowMs);
  }

  /** One that does not serve keeps what it was told by clients, and says nothing of them. */
  answered(from: NodeId, to: NodeId, pipeId: number, nowMs: number, isServing: boolean): void {
    const pipes = this.#pipes.get(to) ?? new Map<NodeId, Pipe>();
    this.#pipes.set(to, pipes);
    let pipe = pipes.get(from);
    if (pipe?.pipeId !== pipeId) {
      pipe = { pipeId, firstAtMs: Number.POSITIVE_INFINITY, underWayMs: [], answeredMs: NEVER };
      pipes.set(from, pipe);
    }
    if (isServing) pipe.firstAtMs = Math.min(pipe.firstAtMs, nowMs);
    pipe.underWayMs.push(isServing ? nowMs : NEVER);
  }

  answerArrived(at: NodeId, from: NodeId, pipeId: number): void {
    const pipe = this.#pipes.get(at)?.get(from);
    if (pipe?.pipeId !== pipeId) return;
    pipe.answeredMs = Math.max(pipe.underWayMs.shift() ?? NEVER, pipe.answeredMs);
  }

  /** A leader proposes to close this session. */
  proposed(leader: NodeId, txnid: bigint, session: bigint, nowMs: number): void {
    if (this.#verdicts.has(txnid)) return;
    const known = this.#model.sessions.get(session);
    const decidedMs = this.#decidedMs.get(leader)?.get(session) ?? NEVER;
    const isDecided = nowMs - decidedMs < WAITS_MS_MAX;
    const mayEnd = known === undefined || this.#asked.has(session) || isDecided;
    this.#verdicts.set(txnid, mayEnd ? "" : this.#judge(leader, known, nowMs));
  }

  readonly onApplied = (): void => undefined;

  readonly onSessionClosed = ({ id }: ModelSession, txnid: Txnid): void => {
    this.#lives.delete(id);
    const verdict = this.#verdicts.get(txnid) ?? "";
    this.#violations.expect(
      verdict === "" || this.#asked.has(id),
      "expiryIsProven",
      () => `${formatTxnid(txnid)} ends session ${name(id)}: ${verdict}`,
    );
  };

  /** Empty when the leader may end the session. */
  #judge(leader: NodeId, { id, timeoutMs, openedAtMs }: ModelSession, nowMs: number): string {
    const sinceMs = this.#leadsSinceMs.get(leader) ?? 0;
    let lastMs = Math.max(sinceMs, openedAtMs);
    let where = lastMs === sinceMs ? `n${leader} leads` : "it is open";
    const pipes = this.#pipes.get(leader) ?? new Map<NodeId, Pipe>();
    const lookedMs = this.#lookedMs.get(leader) ?? NEVER;
    for (const { node, atMs } of this.#lives.get(id) ?? []) {
      const pipe = pipes.get(node);
      const isKnown =
        node === leader
          ? atMs > sinceMs && atMs < lookedMs
          : pipe !== undefined && atMs > pipe.firstAtMs && atMs < pipe.answeredMs;
      if (!isKnown || atMs <= lastMs) continue;
      lastMs = atMs;
      where = `it was heard of at n${node}`;
    }
    const deadlineMs = lastMs + timeoutMs / FASTEST_CLOCK;
    if (nowMs < deadlineMs) {
      return `${Math.round(nowMs - lastMs)} ms of ${timeoutMs} after ${where}`;
    }
    const told = [...pipes].filter(([, { answeredMs }]) => answeredMs > deadlineMs);
    const nodes = [leader, ...told.map(([node]) => node)];
    if (this.#quorum.hasQuorumOf(nodes)) return "";
    return `n${nodes.join(", n")} alone have told of their clients since its deadline`;
  }
}
