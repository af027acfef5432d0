import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import type { IntervalHistogram } from "node:perf_hooks";
import type { Meter } from "@quorate/protocol";
import { Buckets } from "./buckets.js";
import { HELP, seriesOf, ZOOKEEPER_HELP } from "./families.js";
import { levelsOf, type Level, type LevelSources } from "./levels.js";

export type { LevelSources };

/** Between two looks at the event loop; what it was late is what came on top of it. */
const LOOP_RESOLUTION_MS = 20;
const PREFIX = "quorate_";

interface Value {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly metricName?: string;
}

interface MetricDocument {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly aggregator: "sum";
  readonly values: Value[];
}

/**
 * What a node counts, and how it tells Prometheus.
 *
 * Counting is an addition to a number in a map. Everything else, the library that writes the text
 * included, is loaded and done when somebody asks (ADR 0011).
 */
export class NodeMetrics {
  readonly meter: Meter;
  readonly #counts = new Map<string, number>();
  readonly #gauges = new Map<string, number>();
  readonly #distributions = new Map<string, Buckets>();
  readonly #loop: IntervalHistogram;

  constructor() {
    this.#loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
    this.#loop.enable();
    this.meter = {
      count: (name, by = 1) => {
        this.#counts.set(name, (this.#counts.get(name) ?? 0) + by);
      },
      gauge: (name, value) => {
        this.#gauges.set(name, value);
      },
      observe: (name, value) => {
        let buckets = this.#distributions.get(name);
        if (buckets === undefined) {
          buckets = new Buckets();
          this.#distributions.set(name, buckets);
        }
        buckets.add(value);
      },
    };
  }

  /** The exposition format, and its name. */
  async scrape(sources: LevelSources): Promise<{ readonly type: string; readonly text: string }> {
    const { prometheusText } = await import("./prometheus-text.js");
    return prometheusText(this.#documents(sources));
  }

  close(): Promise<void> {
    this.#loop.disable();
    return Promise.resolve();
  }

  #documents(sources: LevelSources): object[] {
    const documents = new Map<string, MetricDocument>();
    const add = (
      name: string,
      type: MetricDocument["type"],
      family: string,
      value: Value,
    ): void => {
      const known = documents.get(name);
      if (known !== undefined) {
        known.values.push(value);
        return;
      }
      const help = HELP[family] ?? family;
      documents.set(name, { name, help, type, aggregator: "sum", values: [value] });
    };
    for (const [name, value] of this.#counts) {
      const { family, labels } = seriesOf(name);
      add(`${PREFIX}${family}_total`, "counter", family, { value, labels });
    }
    for (const [name, value] of this.#gauges) {
      add(`${PREFIX}${name}`, "gauge", name, { value, labels: {} });
    }
    for (const [name, buckets] of this.#distributions) {
      const family = name.replace(/_ms$/, "_seconds");
      for (const value of histogramOf(`${PREFIX}${family}`, buckets)) {
        add(`${PREFIX}${family}`, "histogram", family, value);
      }
    }
    for (const { family, type, value, labels = {} } of [...levelsOf(sources), ...this.#process()]) {
      add(`${PREFIX}${family}${type === "counter" ? "_total" : ""}`, type, family, {
        value,
        labels,
      });
    }
    for (const [name, value] of sources.zookeeper ?? []) {
      const help = ZOOKEEPER_HELP[name];
      if (help === undefined || typeof value !== "number") continue;
      const values = [{ value, labels: {} }];
      documents.set(name, { name, help, type: "gauge", aggregator: "sum", values });
    }
    return [...documents.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  #process(): Level[] {
    const { rss, heapUsed } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    const late = (ns: number): number => Math.max(0, ns / 1e9 - LOOP_RESOLUTION_MS / 1000);
    const delays: Level[] = [0.5, 0.99, 1].map((quantile) => ({
      family: "event_loop_delay_seconds",
      type: "gauge",
      // Before its first look it knows nothing.
      value: this.#loop.count === 0 ? 0 : late(this.#loop.percentile(quantile * 100)),
      labels: { quantile: String(quantile) },
    }));
    this.#loop.reset();
    return [
      ...delays,
      {
        family: "event_loop_busy_seconds",
        type: "counter",
        value: performance.eventLoopUtilization().active / 1000,
      },
      { family: "process_cpu_seconds", type: "counter", value: (user + system) / 1e6 },
      { family: "process_resident_memory_bytes", type: "gauge", value: rss },
      { family: "heap_used_bytes", type: "gauge", value: heapUsed },
    ];
  }
}

function histogramOf(name: string, distribution: Buckets): Value[] {
  const { buckets, count, sumSeconds } = distribution.read();
  return [
    ...buckets.map((bucket) => ({
      value: bucket.count,
      labels: { le: bucket.le },
      metricName: `${name}_bucket`,
    })),
    { value: sumSeconds, labels: {}, metricName: `${name}_sum` },
    { value: count, labels: {}, metricName: `${name}_count` },
  ];
}
