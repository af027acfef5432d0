import { tellingFirst, type Comparison, type Difference } from "./compare.js";
import { kindOf, opName } from "./describe.js";
import { knownDifferences } from "./known-differences.js";
import type { NormalTrace } from "./normalise.js";
import type { Step } from "./steps.js";

export interface Summary {
  readonly sequences: number;
  readonly steps: number;
  /** Packets and ends of connections that were held against each other. */
  readonly compared: number;
  /** Steps by what they do. */
  readonly kinds: Readonly<Record<string, number>>;
  /** Replies by operation and error code, as the left side gave them. */
  readonly replies: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly events: Readonly<Record<string, number>>;
  /** Of the table of known differences, by name. */
  readonly known: Readonly<Record<string, number>>;
  /** Sequences that hold a difference without an explanation. */
  readonly differing: readonly number[];
  /** The first telling difference of each sequence, by what it is about. */
  readonly unknown: Readonly<Record<string, number>>;
}

/** Adds up comparisons. */
export class Tally {
  #sequences = 0;
  #steps = 0;
  #compared = 0;
  readonly #kinds = new Map<string, number>();
  readonly #replies = new Map<string, Map<string, number>>();
  readonly #events = new Map<string, number>();
  readonly #known = new Map<string, number>();
  readonly #differing: number[] = [];
  readonly #unknown = new Map<string, number>();

  add(seed: number, steps: readonly Step[], left: NormalTrace, comparison: Comparison): void {
    this.#sequences += 1;
    this.#steps += steps.length;
    this.#compared += comparison.compared;
    for (const step of steps) increase(this.#kinds, kindOf(step));
    for (const items of left) {
      for (const { kind, fields } of items) {
        if (kind === "event") increase(this.#events, String(fields.type));
        if (kind !== "reply") continue;
        const name = typeof fields.op === "number" ? opName(fields.op) : "none";
        const codes = this.#replies.get(name) ?? new Map<string, number>();
        this.#replies.set(name, codes);
        increase(codes, String(fields.err));
      }
    }
    for (const [name, count] of comparison.known) increase(this.#known, name, count);
    const [first] = tellingFirst(comparison.unknown);
    if (first === undefined) return;
    this.#differing.push(seed);
    increase(this.#unknown, categoryOf(first));
  }

  summary(): Summary {
    return {
      sequences: this.#sequences,
      steps: this.#steps,
      compared: this.#compared,
      kinds: sorted(this.#kinds),
      replies: Object.fromEntries(
        [...this.#replies].toSorted().map(([name, codes]) => [name, sorted(codes)]),
      ),
      events: sorted(this.#events),
      known: sorted(this.#known),
      differing: this.#differing,
      unknown: sorted(this.#unknown),
    };
  }
}

/** Short enough that the same mistake in many sequences is one line. */
export function categoryOf({ step, left, right }: Difference): string {
  const sides = [left, right].map((item) => {
    if (item === null) return "nothing";
    const { err, type } = item.fields;
    if (item.kind === "reply") return `reply ${String(err)}`;
    return item.kind === "event" ? `event ${String(type)}` : item.kind;
  });
  return `${kindOf(step)}: ${sides.join(" | ")}`;
}

export function summaryText(summary: Summary): string {
  const { known, unknown, replies, events, differing } = summary;
  const row = (name: string, value: string): string => `${name.padEnd(24)}${value}\n`;
  const counts = (of: Readonly<Record<string, number>>): string =>
    Object.entries(of)
      .map(([name, count]) => `${name} ${count}`)
      .join(", ");
  const table = knownDifferences.map(({ name }) => row(`  ${name}`, String(known[name] ?? 0)));
  return (
    row("sequences", String(summary.sequences)) +
    row("operations", String(summary.steps)) +
    row("comparisons", String(summary.compared)) +
    row("kinds", counts(summary.kinds)) +
    row("replies by error", "") +
    Object.entries(replies)
      .map(([name, codes]) => row(`  ${name}`, counts(codes)))
      .join("") +
    row("events by type", counts(events)) +
    row("known differences", "") +
    table.join("") +
    row("unexplained", differing.length === 0 ? "none" : `seeds ${differing.join(", ")}`) +
    Object.entries(unknown)
      .map(([name, count]) => row(`  ${count}`, name))
      .join("")
  );
}

function increase(map: Map<string, number>, key: string, by = 1): void {
  map.set(key, (map.get(key) ?? 0) + by);
}

/** The greatest first. */
function sorted(map: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...map].toSorted(([, a], [, b]) => b - a));
}
