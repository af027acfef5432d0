import { counterOf, epochOf, fidOf } from "@quorate/protocol";
import type { Identity, LogPosition, NodeId, PeerMsg, PeerPipe, Txnid } from "@quorate/protocol";
import type { ObserverQueue } from "./observer-queue.js";

/** A peer that has synchronised: a follower or a watcher. */
export interface Member {
  readonly id: NodeId;
  readonly pipe: PeerPipe;
  readonly isWatcher: boolean;
  /** Null for watchers. */
  readonly identity: Identity | null;
  /** What it has acknowledged, counted or not. */
  acceptedUpTo: Txnid;
  /** The latest heartbeat round that it answered. */
  answeredRound: number;
  /** A round whose answer is waited for, since when; the next one when that has come. */
  probe: { readonly round: number; readonly sentAt: number } | null;
}

/** How far a member is behind. */
export interface PeerLag {
  /** Entries that it lacks on its disk; null of a watcher. */
  readonly entries: number | null;
  /** Milliseconds for which it owes the answer to a heartbeat: what it serves may be as old. */
  readonly answerMs: number;
}

/** A follower, or without an identity a watcher, that joins after this history. */
export function memberOf(pipe: PeerPipe, identity: Identity | null, upTo: LogPosition): Member {
  const isWatcher = identity === null;
  const acceptedUpTo = upTo.txnid;
  const heard = { answeredRound: 0, probe: null };
  return { id: pipe.peer, pipe, isWatcher, identity, acceptedUpTo, ...heard };
}

interface Observer {
  readonly queue: ObserverQueue;
  readonly isWatcher: boolean;
}

/** Whom a leader sends to: its members at once, those that still synchronise by their queues. */
export class PeerList {
  readonly #members = new Map<number, Member>();
  readonly #observers = new Map<string, Observer>();
  /** Nodes further down a tree of watchers, and the member by which each was last heard. */
  readonly #routes = new Map<string, PeerPipe>();

  members(): Iterable<Member> {
    return this.#members.values();
  }

  get(pipe: PeerPipe): Member | undefined {
    return this.#members.get(pipe.pipeId);
  }

  /** Null of who has not joined. */
  lagOf(pipe: PeerPipe, logEnd: Txnid, now: number): PeerLag | null {
    const member = this.get(pipe);
    if (member === undefined) return null;
    const { probe, answeredRound, isWatcher } = member;
    const isOwed = probe !== null && answeredRound < probe.round;
    const answerMs = isOwed ? now - probe.sentAt : 0;
    return { entries: isWatcher ? null : entriesBetween(member.acceptedUpTo, logEnd), answerMs };
  }

  /** A round was sent to all members just now: whoever owes no answer owes one to this. */
  probe(round: number, now: number): void {
    for (const member of this.#members.values()) {
      const { probe, answeredRound } = member;
      if (probe === null || answeredRound >= probe.round) member.probe = { round, sentAt: now };
    }
  }

  add(member: Member): void {
    this.#members.set(member.pipe.pipeId, member);
  }

  remove(pipe: PeerPipe): void {
    this.#members.delete(pipe.pipeId);
    for (const [fid, via] of this.#routes) if (via === pipe) this.#routes.delete(fid);
  }

  noteRoute(fid: string, via: PeerPipe): void {
    this.#routes.set(fid, via);
  }

  /** Where answers to this node go: to itself if it is connected, else the way its request came. */
  towards(fid: string): readonly PeerPipe[] {
    const own = [...this.#members.values()].filter(({ id }) => fidOf(id) === fid);
    const via = this.#routes.get(fid);
    return own.length > 0 || via === undefined ? own.map(({ pipe }) => pipe) : [via];
  }

  followerCount(): number {
    let count = 0;
    for (const { isWatcher } of this.#members.values()) if (!isWatcher) count += 1;
    return count;
  }

  addObserver(id: string, queue: ObserverQueue, isWatcher: boolean): void {
    this.#observers.set(id, { queue, isWatcher });
  }

  /** Ends the queueing; what was queued is the caller's. */
  takeObserver(id: string): ObserverQueue | undefined {
    const queue = this.#observers.get(id)?.queue;
    this.#observers.delete(id);
    return queue;
  }

  sendToFollowers(message: PeerMsg, bytes = 0): void {
    this.#send(message, bytes, false);
  }

  sendToWatchers(message: PeerMsg, bytes: number): void {
    this.#send(message, bytes, true);
  }

  #send(message: PeerMsg, bytes: number, toWatchers: boolean): void {
    for (const { pipe, isWatcher } of this.#members.values()) {
      if (isWatcher === toWatchers) pipe.send(message);
    }
    for (const { queue, isWatcher } of this.#observers.values()) {
      if (isWatcher === toWatchers) queue.push(message, bytes);
    }
  }
}

/**
 * How many entries of a log that ends there a follower lacks on its disk. It joined with all that
 * is of earlier epochs, and counters have no gaps, so the difference is their number.
 */
function entriesBetween(acceptedUpTo: Txnid, logEnd: Txnid): number {
  if (acceptedUpTo >= logEnd) return 0;
  const isSameEpoch = epochOf(acceptedUpTo) === epochOf(logEnd);
  return counterOf(logEnd) - (isSameEpoch ? counterOf(acceptedUpTo) : 0);
}
