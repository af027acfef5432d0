/** Samples in milliseconds, and where they lie. */
export interface Distribution {
  readonly count: number;
  readonly min: number;
  readonly median: number;
  readonly p99: number;
  readonly max: number;
}

export function distributionOf(samples: readonly number[]): Distribution {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share: number): number =>
    round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0);
  return { count: sorted.length, min: at(0), median: at(0.5), p99: at(0.99), max: at(1) };
}

export function formatDistribution({ count, min, median, p99, max }: Distribution): string {
  const tail = count >= 100 ? `, p99 ${p99}` : "";
  return count === 0 ? "none" : `median ${median} ms, min ${min}${tail}, max ${max} (${count})`;
}

/** To hundredths where they tell something. */
function round(ms: number): number {
  const scale = ms < 10 ? 100 : 10;
  return Math.round(ms * scale) / scale;
}
