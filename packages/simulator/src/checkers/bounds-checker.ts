import type { Meter, NodeId } from "@quorate/protocol";
import type { Violations } from "./violations.js";

/** Holds Invariant 11: the level of each named queue stays within its bound. */
export class BoundsChecker {
  readonly #limits: ReadonlyMap<string, number>;
  readonly #violations: Violations;
  readonly highest = new Map<string, number>();
  readonly counts = new Map<string, number>();

  constructor(limits: ReadonlyMap<string, number>, violations: Violations) {
    this.#limits = limits;
    this.#violations = violations;
  }

  level(node: NodeId, name: string, value: number): void {
    if (value > (this.highest.get(name) ?? -1)) this.highest.set(name, value);
    const limit = this.#limits.get(name);
    this.#violations.expect(
      limit === undefined || value <= limit,
      "queuesAreBounded",
      () => `n${node}: ${name} is ${value}, above ${limit}`,
    );
  }

  /** The meter of one node: gauges are levels. */
  meter(node: NodeId): Meter {
    return {
      count: (name, by = 1) => void this.counts.set(name, (this.counts.get(name) ?? 0) + by),
      observe: () => undefined,
      gauge: (name, value) => this.level(node, name, value),
    };
  }
}
