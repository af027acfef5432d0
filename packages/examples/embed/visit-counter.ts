import type { CustomState } from "@quorate/node";

/** The code of the operation: any above 50. */
export const VISIT = 70;

/** A counter that every node has alike: one operation adds a visit and answers how many. */
export class VisitCounter implements CustomState {
  readonly writes = [VISIT];
  #visits = 0;

  apply(): Uint8Array {
    this.#visits += 1;
    return this.save();
  }

  save(): Uint8Array {
    return new TextEncoder().encode(String(this.#visits));
  }

  load(saved: Uint8Array | null): void {
    this.#visits = saved === null ? 0 : Number(new TextDecoder().decode(saved));
  }
}
