import type { LoadOrder, LoadReport, Latency } from "@quorate/load";
import type { Io } from "../io.js";

const BAR_CELLS = 24;
const CLEAR_LINE = "\r\u001b[2K";
const LINE_MS = 1_000;

/**
 * How far a bench is, on standard error: a line that is drawn over at a terminal, an object a line
 * with --json, nothing elsewhere.
 */
export class BenchDisplay {
  readonly #io: Io;
  readonly #json: boolean;
  #isDrawn = false;
  #toldAt = 0;

  constructor(io: Io, json: boolean) {
    this.#io = io;
    this.#json = json;
  }

  /** `share` of the phase is done, and so many requests or nodes of it. */
  show(phase: string, share: number, done: number, perSecond: number | null): void {
    const now = performance.now();
    if (this.#json) {
      if (now - this.#toldAt < LINE_MS) return;
      this.#toldAt = now;
      this.#io.err(`${JSON.stringify({ progress: { phase, share, done } })}\n`);
      return;
    }
    if (!this.#io.isTerminal) return;
    this.#isDrawn = true;
    const cells = Math.min(BAR_CELLS, Math.floor(share * BAR_CELLS));
    const bar = `${"#".repeat(cells)}${".".repeat(BAR_CELLS - cells)}`;
    const rate = perSecond === null ? "" : `, ${numberText(perSecond)}/s`;
    this.#io.err(`${CLEAR_LINE}${phase}  [${bar}] ${numberText(done)}${rate}`);
  }

  /** Leaves the line empty. */
  end(): void {
    if (this.#isDrawn) this.#io.err(CLEAR_LINE);
    this.#isDrawn = false;
  }
}

/** For people. */
export function benchText(order: LoadOrder, report: LoadReport): string {
  const { connections, outstanding, workload, valueBytes, ratePerSecond, keyChoice, keys } = order;
  const loop =
    ratePerSecond === null
      ? `closed loop, ${connections} connections x ${outstanding} outstanding`
      : `open loop of ${numberText(ratePerSecond)}/s over ${connections} connections`;
  const errors = Object.entries(report.errors).map(([name, count]) => `${count} ${name}`);
  const seconds = report.seconds.toFixed(1);
  const lines = [
    `${workload}, ${valueBytes} bytes, ${loop}, ${keys} nodes ${keyChoice}`,
    `done       ${numberText(report.done / report.seconds)}/s (${report.done} in ${seconds} s)`,
    `latency    ${latencyText(report.latencyMs)}`,
    `errors     ${errors.length === 0 ? "none" : errors.join(", ")}`,
  ];
  if (report.refusedLatencyMs.count > 0) {
    lines.push(`  told in  ${latencyText(report.refusedLatencyMs)}`);
  }
  if (report.unsent > 0) lines.push(`unsent     ${report.unsent} were due when it ended`);
  if (report.unanswered > 0) lines.push(`unanswered ${report.unanswered}`);
  return `${lines.join("\n")}\n`;
}

function latencyText({ p50, p90, p99, p999, max }: Latency): string {
  const [a, b, c, d, e] = [p50, p90, p99, p999, max].map((ms) => String(Number(ms.toPrecision(3))));
  return `p50 ${a} ms, p90 ${b}, p99 ${c}, p99.9 ${d}, max ${e}`;
}

function numberText(value: number): string {
  return Math.round(value).toLocaleString("en");
}
