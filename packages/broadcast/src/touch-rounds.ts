import { assert, type Clock } from "@quorate/protocol";
import type { HeartbeatRounds } from "./heartbeat-rounds.js";
import type { PeerList } from "./peer-list.js";

export interface TouchRoundsDeps {
  readonly clock: Pick<Clock, "now">;
  readonly rounds: HeartbeatRounds;
  readonly peers: PeerList;
  /** Peers that are silent for longer are given up. */
  readonly waitMs: number;
}

/**
 * Heartbeat rounds that are to hear of every session that gave a sign of life anywhere: proven by a
 * quorum, and answered by every peer that is here, since those that no quorum needs have clients,
 * too. A peer that does not answer is waited for until it is given up, or so long.
 */
export class TouchRounds {
  readonly #deps: TouchRoundsDeps;
  #round = 0;
  #waitUntil = 0;
  #done: (() => void) | null = null;

  constructor(deps: TouchRoundsDeps) {
    this.#deps = deps;
  }

  /** This round is being sent now. One at a time. */
  begin(round: number, done: () => void): void {
    assert(this.#done === null, "one round for touches at a time");
    this.#round = round;
    this.#waitUntil = this.#deps.clock.now() + this.#deps.waitMs;
    this.#done = done;
  }

  /** Calls back if it is over. */
  complete(): void {
    const done = this.#done;
    if (done === null || !this.#isOver()) return;
    this.#done = null;
    done();
  }

  #isOver(): boolean {
    const { clock, rounds, peers } = this.#deps;
    if (!rounds.isProven(this.#round)) return false;
    if (clock.now() >= this.#waitUntil) return true;
    for (const { answeredRound } of peers.members()) if (answeredRound < this.#round) return false;
    return true;
  }
}
