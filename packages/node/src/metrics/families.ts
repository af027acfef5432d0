/** What Prometheus calls a metric, and the labels of one series of it. */
export interface Series {
  readonly family: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Names of the meter that carry what is a label here. */
const LABELLED: readonly { readonly pattern: RegExp; readonly label: string }[] = [
  { pattern: /^(?<before>peer_)(?<value>\d+)_(?<after>.+)$/, label: "peer" },
  { pattern: /^(?<before>ballot_dropped)_(?<value>.+)$/, label: "reason" },
  { pattern: /^(?<before>sync_plan)_(?<value>.+)$/, label: "kind" },
];

/** `peer_2_sent_bytes` is the series `peer="2"` of `peer_sent_bytes`. */
export function seriesOf(name: string): Series {
  for (const { pattern, label } of LABELLED) {
    const groups = pattern.exec(name)?.groups;
    if (groups === undefined) continue;
    const family = `${groups["before"] ?? ""}${groups["after"] ?? ""}`;
    return { family, labels: { [label]: groups["value"] ?? "" } };
  }
  return { family: name, labels: {} };
}

/** One sentence for each family; docs/metrics.md lists them. */
export const HELP: Readonly<Record<string, string>> = {
  active_ensemble: "Voters connected and synchronised, the leader included; on the leader.",
  ballot_dropped: "Ballot datagrams that were not believed, by reason.",
  ballot_socket_errors: "Errors of the ballots' UDP socket.",
  checkpoint_failures: "Checkpoints that were not written; the log grows until one is.",
  commit_seconds: "From handing a batch to the log until it is committed and applied here.",
  elections: "Times that this node began to elect.",
  epoch: "The current epoch.",
  event_loop_busy_seconds: "Time that the event loop did not wait.",
  event_loop_delay_seconds: "How late the event loop came round, since the last scrape.",
  feed_in_flight_bytes: "Bytes on their way to subscribers, shared ones once.",
  feed_subscribers_cut_off: "Subscriptions ended because they took nothing.",
  feed_subscriptions: "Subscriptions that were begun.",
  feed_subscriptions_ended: "Subscriptions that the node ended.",
  follower_lag_entries:
    "Entries of the leader's log that a follower has not said to be durable there; on the leader.",
  heap_used_bytes: "JavaScript heap in use.",
  leader: "1 for the node that leads as far as this one knows; no series while nobody does.",
  log_commit_seconds: "Transactions of the log with their sync, as its thread measured them.",
  log_commits: "Transactions of the log.",
  log_oldest_write_seconds: "How long the oldest write has waited for the disk.",
  native_connections: "Client connections over WebSocket.",
  native_connections_dropped: "Client connections refused because too many were open.",
  native_garbage: "Client connections closed for unreadable bytes.",
  native_received_bytes: "Bytes of client frames received.",
  native_requests: "Requests of clients.",
  native_requests_failed: "Requests of clients on which the server failed: defects.",
  native_sent_bytes: "Bytes of client frames sent.",
  peer_bad_frames: "Frames of peers that could not be read.",
  peer_ballot_received_bytes: "Ballot bytes received, by peer.",
  peer_ballot_sent_bytes: "Ballot bytes sent, by peer.",
  peer_connect_failures: "Attempts to reach a peer that failed.",
  peer_handshakes_refused: "Peers refused by their handshake.",
  peer_pipe_overflows: "Pipes closed because the peer did not read.",
  peer_queue_bytes:
    "Bytes queued towards a peer that follows this node, and not taken by the network.",
  peer_received_bytes: "Bytes received over the pipe, by peer.",
  peer_refused_socket_errors: "Errors of sockets that were being refused.",
  peer_sent_bytes: "Bytes sent over the pipe, by peer.",
  peer_sent_frames: "Frames sent over pipes.",
  peer_socket_errors: "Errors of peers' sockets.",
  peer_stray_http_requests: "HTTP requests at the port for peers.",
  pending_requests: "Requests of this node's clients that wait for their outcome.",
  process_cpu_seconds: "User and system CPU time.",
  process_resident_memory_bytes: "Resident memory.",
  quota_exceeded: "Requests that went, or would have gone, beyond a quota; on the leader.",
  ready: "1 when the node is synchronised and serves.",
  role: "1 for the role that the node has.",
  sessions_expired: "Sessions that this leader ended because nobody heard of them.",
  store_failures: "Failures of the store.",
  subscribers: "Subscriptions to committed entries, in-process ones included.",
  sync_plan: "Histories sent to followers, by kind.",
  tls_handshakes_failed: "TLS handshakes of clients that failed.",
  txnid_counter: "Counter half of the log's end, the commit mark and what is applied.",
  txnid_epoch: "Epoch half of the same.",
  unapplied_entries: "Logged and not applied, when both are of one epoch.",
  zk_connections: "Connections of ZooKeeper's clients.",
  zk_connections_rejected: "Connections of ZooKeeper's clients refused because too many were open.",
  zk_slow_connections_closed:
    "Connections of ZooKeeper's clients closed because they were silent or took nothing.",
};

/** ZooKeeper's, where they mean the same: gauges without a prefix, as its exporter has them. */
export const ZOOKEEPER_HELP: Readonly<Record<string, string>> = {
  approximate_data_size: "Characters of all paths and bytes of all data.",
  auth_failed_count: "Attempts of ZooKeeper's clients to prove who they are that failed.",
  avg_latency: "Mean time of a request of ZooKeeper's clients at this node, in milliseconds.",
  connection_rejected: "Connections of ZooKeeper's clients refused because too many were open.",
  ephemerals_count: "Ephemeral nodes in the applied tree.",
  global_sessions: "Open sessions in the applied state.",
  last_client_response_size: "Bytes of the newest reply to one of ZooKeeper's clients.",
  learners: "Nodes that follow this one; on the leader.",
  local_sessions: "Sessions that this node alone knows: none.",
  max_client_response_size: "Greatest of the same as last_client_response_size.",
  max_file_descriptor_count: "Files and sockets that the process may have open; on Linux.",
  max_latency: "Greatest of the same as avg_latency.",
  min_client_response_size: "Least of the same as last_client_response_size.",
  min_latency: "Least of the same as avg_latency.",
  num_alive_connections: "Connections of ZooKeeper's clients.",
  open_file_descriptor_count: "Files and sockets that the process has open; on Linux.",
  outstanding_requests: "Requests of ZooKeeper's clients that are not answered.",
  packets_received: "Packets of ZooKeeper's clients.",
  packets_sent: "Packets to ZooKeeper's clients.",
  quorum_size: "Voters.",
  synced_followers: "Voters that follow and are synchronised; on the leader.",
  synced_observers: "Watchers that follow this node; on the leader.",
  uptime: "Since the process's start, in milliseconds.",
  watch_count: "Watches of ZooKeeper's clients at this node.",
  znode_count: "Nodes in the applied tree.",
};
