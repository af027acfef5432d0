import type { LogData } from "@quorate/protocol";
import type { TransportDeps } from "./deps.js";

/** Between two warnings of the same sentence. What comes between is counted. */
const WARNING_INTERVAL_MS = 10_000;

/** Bad bytes may come a thousand times a second; the log hears of them every ten. */
export class Warnings {
  readonly #deps: TransportDeps;
  readonly #bySentence = new Map<string, { at: number; suppressed: number }>();

  constructor(deps: TransportDeps) {
    this.#deps = deps;
  }

  /** `sentence` is constant: it is the key, and so the number of keys is bounded. */
  warn(sentence: string, data: LogData, error?: unknown): void {
    const now = this.#deps.clock.now();
    const last = this.#bySentence.get(sentence);
    if (last !== undefined && now - last.at < WARNING_INTERVAL_MS) {
      last.suppressed += 1;
      return;
    }
    this.#bySentence.set(sentence, { at: now, suppressed: 0 });
    const repeated = last?.suppressed ?? 0;
    this.#deps.logger.warn(sentence, repeated > 0 ? { ...data, repeated } : data, error);
  }
}
