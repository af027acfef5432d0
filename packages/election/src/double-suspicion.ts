import type { Clock } from "@quorate/protocol";

/** So many signs of a start that should be over, over so long, are not an old start's. */
export const FOREIGN_SIGNS_MIN = 10;
export const FOREIGN_SIGNS_MS = 3000;
/** Signs go on while no pause is longer than this many resend pauses: one may get lost. */
export const SILENT_RESENDS_MAX = 3;
/** Starts watched at once: two doubles must not hide each other. A further one has to wait. */
export const SUSPECTS_MAX = 4;
/** Senders whose signs of one start are counted: the voters, in their present starts. */
export const SIGN_SOURCES_MAX = 16;

export interface DoubleSuspicionOptions {
  /** Signs over less than this are what an honest restart leaves behind. */
  readonly lastingMs: number;
  /** The longest pause between two signs of a start that is alive. */
  readonly silenceMsMax: number;
}

/** One datagram that shows a start. */
export interface ForeignSign {
  readonly start: bigint;
  /** The start that sent it, and its sequence there: a recording counts once. */
  readonly source: bigint;
  readonly sequence: bigint;
}

interface Suspect {
  since: number;
  lastAt: number;
  count: number;
  /** The highest sequence counted of each source. */
  sequences: Map<bigint, bigint>;
  isReported: boolean;
}

/** Whether a node has evidently a double: signs of one start that should not be there go on. */
export class DoubleSuspicion {
  readonly #options: DoubleSuspicionOptions;
  readonly #clock: Pick<Clock, "now">;
  readonly #suspects = new Map<bigint, Suspect>();

  constructor(options: DoubleSuspicionOptions, clock: Pick<Clock, "now">) {
    this.#options = options;
    this.#clock = clock;
  }

  note({ start, source, sequence }: ForeignSign): void {
    const suspect = this.#suspect(start);
    if (suspect === null) return;
    const reached = suspect.sequences.get(source);
    if (reached === undefined && suspect.sequences.size >= SIGN_SOURCES_MAX) return;
    if (reached !== undefined && sequence <= reached) return;
    suspect.sequences.set(source, sequence);
    suspect.lastAt = this.#clock.now();
    suspect.count += 1;
  }

  /** What is right meanwhile makes of all signs before one of the past. */
  forget(): void {
    this.#suspects.clear();
  }

  /** True once for each start. */
  take(): boolean {
    for (const suspect of this.#suspects.values()) {
      if (suspect.isReported || suspect.count < FOREIGN_SIGNS_MIN) continue;
      if (suspect.lastAt - suspect.since < this.#options.lastingMs) continue;
      suspect.isReported = true;
      return true;
    }
    return false;
  }

  /** The record to count in; null while as many others as there may be go on. */
  #suspect(start: bigint): Suspect | null {
    const known = this.#suspects.get(start);
    if (known !== undefined && !this.#isSilent(known)) return known;
    if (known === undefined && !this.#makeRoom()) return null;
    const now = this.#clock.now();
    // What was reported stays so when it comes back after a pause.
    const isReported = known?.isReported ?? false;
    const suspect = { since: now, lastAt: now, count: 0, sequences: new Map(), isReported };
    this.#suspects.set(start, suspect);
    return suspect;
  }

  #makeRoom(): boolean {
    if (this.#suspects.size < SUSPECTS_MAX) return true;
    for (const [start, suspect] of this.#suspects) {
      if (this.#isSilent(suspect)) return this.#suspects.delete(start);
    }
    return false;
  }

  #isSilent({ lastAt }: Suspect): boolean {
    return this.#clock.now() - lastAt > this.#options.silenceMsMax;
  }
}
