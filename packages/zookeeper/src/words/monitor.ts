import type { Clock, Service } from "@quorate/protocol";
import type { ServerFacts } from "../server-facts.js";
import type { WordSubject } from "./word-answers.js";

export type MonitorRow = readonly [name: string, value: string | number];

/** What ZooKeeper's `mntr` tells, under its names without their `zk_`. */
export function monitorRows(
  { stats, connections, outstanding, watches, isServing }: WordSubject,
  {
    service,
    clock,
    facts,
  }: { readonly service: Service; readonly clock: Clock; readonly facts: ServerFacts },
): readonly MonitorRow[] {
  const { min, mean, max } = stats.latency;
  return [
    ["version", facts.version],
    ["server_state", isServing ? facts.mode() : "read-only"],
    ["ephemerals_count", facts.ephemeralCount()],
    ["num_alive_connections", connections.size],
    ["avg_latency", Math.round(mean * 10_000) / 10_000],
    ["outstanding_requests", outstanding],
    ["znode_count", facts.znodeCount()],
    ["global_sessions", service.sessionCount],
    ["local_sessions", 0],
    ["packets_sent", stats.packetsSent],
    ["packets_received", stats.packetsReceived],
    ["watch_count", watches.size],
    ["auth_failed_count", stats.authFailed],
    ["connection_rejected", stats.connectionsRejected],
    ["min_latency", Math.round(min)],
    ["max_latency", Math.round(max)],
    ["last_client_response_size", stats.replies.last],
    ["min_client_response_size", stats.replies.min],
    ["max_client_response_size", stats.replies.max],
    ["approximate_data_size", facts.dataBytes()],
    ["uptime", Math.max(0, Math.round(clock.wallTime() - facts.startedAtWallTime))],
    ...facts.monitor(),
  ];
}
