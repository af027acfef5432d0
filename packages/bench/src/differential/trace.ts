import { appendFileSync, createReadStream, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { createGunzip, gzipSync } from "node:zlib";
import { digestOf, stepFromJson, stepToJson, type Step } from "./steps.js";

/** What came on one connection: a packet, its end, or nothing although something had to. */
export interface Item {
  readonly connection: number;
  readonly what: Uint8Array | "closed" | "silent";
}

/** What came of one step, up to the quiet after it; ordered by connection, then by arrival. */
export type Outcome = readonly Item[];

/** One sequence as one target answered it, byte by byte. */
export interface Trace {
  readonly seed: number;
  readonly steps: readonly Step[];
  readonly outcomes: readonly Outcome[];
  /** Every zxid up to here is from before the sequence. */
  readonly startZxid: bigint;
  readonly baseline: Baseline;
}

/** Counters of the nodes that no reset takes away, as they were before the sequence. */
export type Baseline = Readonly<Record<string, Counters>>;

export interface Counters {
  readonly version: number;
  readonly cversion: number;
  readonly aversion: number;
}

function itemToText({ connection, what }: Item): string {
  const text = typeof what === "string" ? what : Buffer.from(what).toString("base64");
  return `${connection} ${text}`;
}

function itemFromText(text: string): Item {
  const [connection = "", what = ""] = text.split(" ");
  const isWord = what === "closed" || what === "silent";
  return {
    connection: Number(connection),
    what: isWord ? what : new Uint8Array(Buffer.from(what, "base64")),
  };
}

/**
 * Traces in a file, compressed when its name ends with `.gz`. Lines of text, for each sequence:
 *
 *   the head, JSON: seed, startZxid, baseline, count of steps, digest of the steps
 *   count lines, one for each step: its JSON, and behind a tab each item that came of it
 *
 * An item is the connection's number, a space, and the packet in base64, `closed` or `silent`. In a
 * step's JSON `$long` is a 64-bit number, `$hex` bytes, `$fill` a byte and how often it is there.
 */
export class TraceFile {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  clear(): void {
    writeFileSync(this.#path, "");
  }

  append(trace: Trace): void {
    const { seed, startZxid, baseline, steps, outcomes } = trace;
    const head = {
      seed,
      startZxid: String(startZxid),
      baseline,
      count: steps.length,
      digest: digestOf(steps),
    };
    const lines = steps.map(
      (step, i) => `${stepToJson(step)}\t${(outcomes[i] ?? []).map(itemToText).join("\t")}`,
    );
    const text = [JSON.stringify(head), ...lines, ""].join("\n");
    // A file of several compressed parts reads as their texts one after another.
    appendFileSync(this.#path, this.#isCompressed ? gzipSync(text, { level: 9 }) : text);
  }

  get #isCompressed(): boolean {
    return this.#path.endsWith(".gz");
  }

  /** @throws (rejects) when the file ends early or was changed. */
  async *read(): AsyncGenerator<Trace, undefined> {
    const file = createReadStream(this.#path);
    const input = this.#isCompressed ? file.pipe(createGunzip()) : file;
    const lines = createInterface({ input })[Symbol.asyncIterator]();
    for (;;) {
      const first = await lines.next();
      if (first.done === true || first.value === "") return undefined;
      const head = JSON.parse(first.value) as Head;
      const steps: Step[] = [];
      const outcomes: Outcome[] = [];
      for (let i = 0; i < head.count; i += 1) {
        const line = await lines.next();
        if (line.done === true) throw new Error(`${this.#path} ends within seed ${head.seed}`);
        const [step = "", ...items] = line.value.split("\t");
        steps.push(stepFromJson(step));
        outcomes.push(items.filter((item) => item !== "").map(itemFromText));
      }
      if (digestOf(steps) !== head.digest) {
        throw new Error(`${this.#path}: the steps of seed ${head.seed} are not those recorded`);
      }
      const { seed, baseline } = head;
      yield { seed, steps, outcomes, baseline, startZxid: BigInt(head.startZxid) };
    }
  }
}

interface Head {
  readonly seed: number;
  readonly startZxid: string;
  readonly baseline: Baseline;
  readonly count: number;
  readonly digest: string;
}
