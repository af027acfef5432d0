import { NOT_SERVING_MS_MAX, UNTAKEN_MS_MAX } from "../limits.js";

/** What of a connection is waited for; times are the clock's, null for what is not. */
export interface Waits {
  /** Without a session: since when it is open. */
  readonly newSince: number | null;
  readonly connectMsMax: number;
  readonly timeoutMs: number;
  /** Since when nothing was heard; null for whoever is not read, who cannot be heard. */
  readonly silentSince: number | null;
  /** Since when a request waits for the node to serve. */
  readonly heldSince: number | null;
  /** Since when the node has not served it, whether or not it asks for anything. */
  readonly unservedSince: number | null;
  /** Since when the client takes nothing of what waits for it. */
  readonly untakenSince: number | null;
}

export interface Deadline {
  readonly at: number;
  readonly reason: string;
}

/** The nearest moment at which the connection closes unless something happens; null for none. */
export function nearestDeadline(waits: Waits): Deadline | null {
  const { timeoutMs } = waits;
  const all: readonly (readonly [number | null, number, string])[] = [
    [waits.newSince, waits.connectMsMax, "it asked for no session"],
    [waits.silentSince, timeoutMs, "nothing was heard of it"],
    [waits.heldSince, Math.min(timeoutMs / 3, NOT_SERVING_MS_MAX), "the node does not serve"],
    // Signs of life that reach no leader: before the session ends elsewhere, its client must look.
    [waits.unservedSince, (timeoutMs * 2) / 3, "the node serves nobody"],
    [waits.untakenSince, Math.min(timeoutMs, UNTAKEN_MS_MAX), "it takes nothing"],
  ];
  let nearest: Deadline | null = null;
  for (const [since, ms, reason] of all) {
    if (since === null) continue;
    const at = since + ms;
    if (nearest === null || at < nearest.at) nearest = { at, reason };
  }
  return nearest;
}
