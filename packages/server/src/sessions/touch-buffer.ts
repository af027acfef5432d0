import {
  TOUCHES_HELD_MAX,
  TOUCHES_PER_HEARTBEAT_MAX,
  type MsgFactory,
  type PeerPipe,
} from "@quorate/protocol";

/**
 * Sessions that were heard of at a node since it last told the leader. Each once; kept while there
 * is no leader. What was taken and got lost with a connection is not told again: a client gives
 * several signs of life within its timeout.
 */
export class TouchBuffer {
  readonly #heldMax: number;
  #touched = new Set<bigint>();

  constructor(heldMax = TOUCHES_HELD_MAX) {
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
  }
}
