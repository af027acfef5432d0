import { AggregatorRegistry } from "prom-client";

/**
 * Writes numbers that were counted elsewhere in the exposition format. A module of its own, loaded
 * at the first scrape and not before: the library is most of what a scrape costs (ADR 0011).
 */
export async function prometheusText(
  documents: readonly object[],
): Promise<{ readonly type: string; readonly text: string }> {
  // The library's way to make a registry out of numbers from elsewhere.
  const registry = AggregatorRegistry.aggregate([[...documents]]);
  return { type: registry.contentType, text: await registry.metrics() };
}
