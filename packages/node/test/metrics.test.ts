import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { makeTxnid, silentLogger, toEpoch, toNodeId } from "@quorate/protocol";
import { HELP, seriesOf, ZOOKEEPER_HELP } from "../src/metrics/families.js";
import type { LevelSources } from "../src/metrics/levels.js";
import { NodeMetrics } from "../src/metrics/node-metrics.js";
import { runNode } from "../src/run-node.js";
import { FakeServer, testConfig } from "./support.js";

const nothing: LevelSources = {
  status: null,
  pressure: null,
  connections: 0,
  feed: null,
  zookeeper: null,
};

/** Names with labels, and values, of an exposition. */
async function scrape(metrics: NodeMetrics, sources = nothing): Promise<Map<string, number>> {
  const { text } = await metrics.scrape(sources);
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

describe("a node's metrics", () => {
  it("tell what was counted, with peers, reasons and kinds as labels", async () => {
    const metrics = new NodeMetrics();
    metrics.meter.count("elections");
    metrics.meter.count("peer_2_sent_bytes", 100);
    metrics.meter.count("peer_2_sent_bytes", 20);
    metrics.meter.count("peer_13_sent_bytes", 5);
    metrics.meter.count("ballot_dropped_echo");
    metrics.meter.count("sync_plan_snapshot");
    metrics.meter.gauge("active_ensemble", 3);
    const got = await scrape(metrics);
    expect(got.get("quorate_elections_total")).toBe(1);
    expect(got.get('quorate_peer_sent_bytes_total{peer="2"}')).toBe(120);
    expect(got.get('quorate_peer_sent_bytes_total{peer="13"}')).toBe(5);
    expect(got.get('quorate_ballot_dropped_total{reason="echo"}')).toBe(1);
    expect(got.get('quorate_sync_plan_total{kind="snapshot"}')).toBe(1);
    expect(got.get("quorate_active_ensemble")).toBe(3);
    await metrics.close();
  });

  it("have distributions in seconds, cumulative as Prometheus adds them", async () => {
    const metrics = new NodeMetrics();
    for (const ms of [0.05, 3, 3, 10, 99_999]) metrics.meter.observe("log_commit_ms", ms);
    const got = await scrape(metrics);
    const bucket = (le: string): number | undefined =>
      got.get(`quorate_log_commit_seconds_bucket{le="${le}"}`);
    expect(["0.0001", "0.0025", "0.005", "0.01", "5", "+Inf"].map(bucket)).toEqual([
      1, 1, 3, 4, 4, 5,
    ]);
    expect(got.get("quorate_log_commit_seconds_count")).toBe(5);
    expect(got.get("quorate_log_commit_seconds_sum")).toBeCloseTo(100.01505, 5);
    await metrics.close();
  });

  it("tell role, marks, lag, what waits, and how late the event loop was", async () => {
    const metrics = new NodeMetrics();
    const applied = makeTxnid(7, 10);
    const got = await scrape(metrics, {
      status: {
        id: toNodeId(2),
        role: "following",
        leader: toNodeId(1),
        epoch: toEpoch(7),
        lastLogged: makeTxnid(7, 14),
        lastCommitted: makeTxnid(7, 12),
        lastApplied: applied,
        digest: 1n,
        standing: "member",
        ready: true,
        waitingFor: [],
      },
      pressure: {
        pendingRequests: 4,
        oldestWriteMs: 1500,
        peers: [
          { peer: toNodeId(1), queueBytes: 100, lagEntries: 7 },
          { peer: toNodeId(3), queueBytes: 30, lagEntries: null },
          // Its newer connection, which has not joined yet.
          { peer: toNodeId(1), queueBytes: 5, lagEntries: null },
        ],
      },
      connections: 9,
      zookeeper: [
        ["version", "3.9.5-quorate, built on 2026-01-01 00:00 UTC"],
        ["znode_count", 12],
        ["avg_latency", 0.25],
      ],
      feed: { subscriptionCount: 3, inFlightBytes: 2048 },
    });
    expect(Object.fromEntries(got)).toMatchObject({
      'quorate_role{role="follower"}': 1,
      'quorate_role{role="leader"}': 0,
      'quorate_leader{node="1"}': 1,
      quorate_epoch: 7,
      quorate_ready: 1,
      'quorate_txnid_counter{mark="committed"}': 12,
      quorate_unapplied_entries: 4,
      quorate_pending_requests: 4,
      quorate_log_oldest_write_seconds: 1.5,
      'quorate_peer_queue_bytes{peer="1"}': 105,
      'quorate_peer_queue_bytes{peer="3"}': 30,
      'quorate_follower_lag_entries{peer="1"}': 7,
      quorate_native_connections: 9,
      quorate_subscribers: 3,
      quorate_feed_in_flight_bytes: 2048,
      znode_count: 12,
      avg_latency: 0.25,
    });
    expect(got.has("version")).toBe(false);
    expect(got.has('quorate_follower_lag_entries{peer="3"}')).toBe(false);
    expect(got.get('quorate_event_loop_delay_seconds{quantile="0.99"}')).toBeGreaterThanOrEqual(0);
    expect(got.get("quorate_process_resident_memory_bytes")).toBeGreaterThan(1e6);
    await metrics.close();
  });

  it("are explained, every one that the sources count", () => {
    const packages = fileURLToPath(new URL("../../", import.meta.url));
    const names = readdirSync(packages, { recursive: true, encoding: "utf8" })
      .filter((path) => /^[^/]+\/src\/.*\.ts$/.test(path) && !path.startsWith("simulator"))
      .flatMap((path) => [
        ...readFileSync(join(packages, path), "utf8").matchAll(
          /meter\.(?:count|gauge|observe)\(\s*["`]([^"`]+)["`]/g,
        ),
      ])
      .map(([, name]) => (name ?? "").replace(/\$\{[^}]+\}/g, "1").replace(/_ms$/, "_seconds"));
    expect(names.length).toBeGreaterThan(20);
    const unexplained = names.filter((name) => HELP[seriesOf(name).family] === undefined);
    expect(unexplained).toEqual([]);
  });

  it("are listed in the documentation, all of them and no others", () => {
    const page = fileURLToPath(new URL("../../../docs/metrics.md", import.meta.url));
    const listed = [...readFileSync(page, "utf8").matchAll(/^\| `quorate_(\w+?)(?:_total)?`/gm)];
    expect(listed.map(([, name]) => name)).toEqual(Object.keys(HELP));
    const theirs = [...readFileSync(page, "utf8").matchAll(/^\| `(?!quorate_)(\w+)`/gm)];
    expect(theirs.map(([, name]) => name)).toEqual(Object.keys(ZOOKEEPER_HELP));
  });

  it("are served by the node, beside what its host is told", async () => {
    const counted: string[] = [];
    const node = await runNode(testConfig(), {
      startServer: (_, { meter }) => {
        meter?.count("elections");
        return Promise.resolve(new FakeServer());
      },
      createOpenStore: () => () => Promise.reject(new Error("no store here")),
      logger: { ...silentLogger, close: () => Promise.resolve() },
      meter: {
        count: (name) => void counted.push(name),
        observe: () => undefined,
        gauge: () => undefined,
      },
    });
    const response = await fetch(`http://127.0.0.1:${node.requestAddress.port}/metrics`);
    expect(response.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    expect(text).toContain("# TYPE quorate_elections_total counter\nquorate_elections_total 1\n");
    expect(text).toContain("\nquorate_pending_requests 0\n");
    expect(counted).toContain("elections");
    const page = await fetch(`http://127.0.0.1:${node.requestAddress.port}/metrics`, {
      headers: { origin: "https://evil.example" },
    });
    expect(page.status).toBe(403);
    await node.stop();
  });
});
