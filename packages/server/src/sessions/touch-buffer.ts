import {
  TOUCHES_HELD_MAX,
  TOUCHES_PER_HEARTBEAT_MAX,
  type Clock,
  type MsgFactory,
  type PeerPipe,
  type Timings,
} from "@quorate/protocol";
import { TOUCH_DELAY_HEARTBEATS } from "./limits.js";

export interface TouchBufferOptions {
  /** See {@link touchDoubtMs}. */
  readonly doubtMs: number;
  /** Default: TOUCHES_HELD_MAX. */
  readonly heldMax?: number;
}

/**
 * For so long, and up to twice as long, a node remembers whom it told its upstream of. What was
 * sent may have been lost for as long as the loss of a peer may go unnoticed at either end; what is
 * older than a sign of life may be on its way is heard, or its connection is closed.
 */
export function touchDoubtMs({ followerTimeoutMs, heartbeatMs }: Timings): number {
  return followerTimeoutMs + heartbeatMs * TOUCH_DELAY_HEARTBEATS;
}

/**
 * Sessions that were heard of at a node since it last told the leader. Each once; kept while there
 * is no leader. Nobody acknowledges them: what was told shortly before a connection was lost is
 * told again on the next one. Then a session ends late at most, and never early.
 */
export class TouchBuffer {
  readonly #clock: Pick<Clock, "now">;
  readonly #heldMax: number;
  readonly #doubtMs: number;
  #touched = new Set<bigint>();
  /**
   * Told since `#toldSince`, and in the time of doubt before that. Bounded by the open sessions:
   * who has none cannot give a sign of life.
   */
  #told = new Set<bigint>();
  #toldBefore = new Set<bigint>();
  #toldSince = 0;

  constructor(
    clock: Pick<Clock, "now">,
    { doubtMs, heldMax = TOUCHES_HELD_MAX }: TouchBufferOptions,
  ) {
    this.#clock = clock;
    this.#doubtMs = doubtMs;
    this.#heldMax = heldMax;
  }

  get size(): number {
    return this.#touched.size;
  }

  /** Beyond the bound it is lost. */
  add(session: bigint): void {
    if (this.#touched.size < this.#heldMax) this.#touched.add(session);
  }

  addAll(sessions: readonly bigint[]): void {
    for (const session of sessions) this.add(session);
  }

  /** Everything, in lists that a heartbeat can carry; at least one list. */
  take(): readonly (readonly bigint[])[] {
    if (this.#touched.size === 0) return [[]];
    const all = [...this.#touched];
    // A new one: the table of a set that was emptied keeps its size.
    this.#touched = new Set();
    const lists: bigint[][] = [];
    for (let at = 0; at < all.length; at += TOUCHES_PER_HEARTBEAT_MAX) {
      lists.push(all.slice(at, at + TOUCHES_PER_HEARTBEAT_MAX));
    }
    return lists;
  }

  /** Taken, and sent to somebody who may not get it. */
  sent(sessions: readonly bigint[]): void {
    this.#forgetOld();
    for (const session of sessions) this.#told.add(session);
  }

  /** The connection is lost. */
  connectionLost(): void {
    this.#forgetOld();
    for (const session of this.#toldBefore) this.add(session);
    for (const session of this.#told) this.add(session);
    this.#toldBefore = new Set();
    this.#told = new Set();
  }

  #forgetOld(): void {
    const now = this.#clock.now();
    const age = now - this.#toldSince;
    if (age < this.#doubtMs) return;
    this.#toldBefore = age < 2 * this.#doubtMs ? this.#told : new Set();
    this.#told = new Set();
    this.#toldSince = now;
  }
}

/**
 * With all sessions heard of since the last answer. What a heartbeat cannot carry goes before it,
 * as answers to no round, so that the answer counts when all were told.
 */
export function answerHeartbeat(
  pipe: Pick<PeerPipe, "send">,
  round: number,
  factory: MsgFactory,
  touches: TouchBuffer | undefined,
): void {
  const lists = touches?.take() ?? [[]];
  for (const [index, list] of lists.entries()) {
    const isLast = index === lists.length - 1;
    pipe.send(factory.createHeartbeat(isLast ? round : 0, true, list));
    if (list.length > 0) touches?.sent(list);
  }
}
