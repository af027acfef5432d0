import { counterOf, epochOf, type Txnid } from "@quorate/protocol";
import type { NodeStatus, ServerHandle } from "../server-handle.js";

type Pressure = ReturnType<ServerHandle["pressure"]>;
type PeerPressure = Pressure["peers"][number];

/** A number as of now. */
export interface Level {
  readonly family: string;
  readonly type: "gauge" | "counter";
  readonly value: number;
  readonly labels?: Readonly<Record<string, string>>;
}

/** Where levels are read when somebody asks. Null: it is not there yet. */
export interface LevelSources {
  readonly status: NodeStatus | null;
  readonly pressure: Pressure | null;
  readonly connections: number;
  /** What ZooKeeper would count, under its names. */
  readonly zookeeper: readonly (readonly [name: string, value: string | number])[] | null;
  readonly feed: { readonly subscriptionCount: number; readonly inFlightBytes: number } | null;
}

const ROLES = { leading: "leader", following: "follower", watching: "watcher" } as const;

export function levelsOf({ status, pressure, connections, feed }: LevelSources): Level[] {
  const gauge = (
    family: string,
    value: number,
    labels?: Readonly<Record<string, string>>,
  ): Level =>
    labels === undefined
      ? { family, type: "gauge", value }
      : { family, type: "gauge", value, labels };
  const own = status === null || status.role === "electing" ? "electing" : ROLES[status.role];
  const levels = ["leader", "follower", "watcher", "electing"].map((role) =>
    gauge("role", role === own ? 1 : 0, { role }),
  );
  levels.push(gauge("ready", status?.ready === true ? 1 : 0));
  levels.push(gauge("native_connections", connections));
  if (status !== null) {
    levels.push(gauge("epoch", status.epoch));
    if (status.leader !== null) levels.push(gauge("leader", 1, { node: String(status.leader) }));
    const marks: readonly (readonly [string, Txnid])[] = [
      ["logged", status.lastLogged],
      ["committed", status.lastCommitted],
      ["applied", status.lastApplied],
    ];
    for (const [mark, txnid] of marks) {
      levels.push(gauge("txnid_epoch", epochOf(txnid), { mark }));
      levels.push(gauge("txnid_counter", counterOf(txnid), { mark }));
    }
    if (epochOf(status.lastLogged) === epochOf(status.lastApplied)) {
      const lag = Math.max(0, Number(status.lastLogged - status.lastApplied));
      levels.push(gauge("unapplied_entries", lag));
    }
  }
  if (pressure !== null) {
    levels.push(gauge("pending_requests", pressure.pendingRequests));
    levels.push(gauge("log_oldest_write_seconds", pressure.oldestWriteMs / 1000));
    for (const { peer, queueBytes, lagEntries } of onePerPeer(pressure.peers)) {
      const labels = { peer: String(peer) };
      levels.push(gauge("peer_queue_bytes", queueBytes, labels));
      if (lagEntries !== null) levels.push(gauge("follower_lag_entries", lagEntries, labels));
    }
  }
  if (feed !== null) {
    levels.push(gauge("subscribers", feed.subscriptionCount));
    levels.push(gauge("feed_in_flight_bytes", feed.inFlightBytes));
  }
  return levels;
}

/** A peer that is replacing its connection has two for a moment; a series has one value. */
function onePerPeer(peers: readonly PeerPressure[]): Iterable<PeerPressure> {
  const byPeer = new Map<number, PeerPressure>();
  for (const one of peers) {
    const { queueBytes = 0, lagEntries = null } = byPeer.get(one.peer) ?? {};
    byPeer.set(one.peer, {
      peer: one.peer,
      queueBytes: queueBytes + one.queueBytes,
      lagEntries: one.lagEntries ?? lagEntries,
    });
  }
  return byPeer.values();
}
