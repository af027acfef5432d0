import type { Clock } from "@quorate/protocol";

/** So many signs of a start that should be over, over so long, are not an old start's. */
export const FOREIGN_ECHOES_MIN = 10;
export const FOREIGN_ECHOES_MS = 3000;

/** Whether a node has evidently a double: signs of one start that should not be there go on. */
export class DoubleSuspicion {
  readonly #clock: Pick<Clock, "now">;
  #foreign: { bootId: bigint; since: number; count: number; isReported: boolean } | null = null;

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  note(bootId: bigint): void {
    if (this.#foreign?.bootId !== bootId) {
      const since = this.#clock.now();
      this.#foreign = { bootId, since, count: 0, isReported: false };
    }
    this.#foreign.count += 1;
  }

  /** What is right meanwhile makes of all signs before one of the past. */
  forget(): void {
    this.#foreign = null;
  }

  /** True once. */
  take(): boolean {
    const foreign = this.#foreign;
    if (foreign === null || foreign.isReported || foreign.count < FOREIGN_ECHOES_MIN) return false;
    if (this.#clock.now() - foreign.since < FOREIGN_ECHOES_MS) return false;
    foreign.isReported = true;
    return true;
  }
}
