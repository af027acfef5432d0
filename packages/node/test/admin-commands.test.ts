import { mkdtempSync, rmSync } from "node:fs";
import { once } from "node:events";
import { get } from "node:http";
import { text } from "node:stream/consumers";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import zookeeper, { type Client } from "node-zookeeper-client";
import { embed, type EmbeddedNode } from "../src/index.js";
import { jsonText } from "../src/zookeeper/admin-json.js";
import { ADMIN_COMMANDS, runAdminCommand } from "../src/zookeeper/admin-commands.js";

let dataDir = "";
let node: EmbeddedNode;
let client: Client;

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), "quorate-admin-"));
  node = await embed({ dataDir, zookeeper: { tickMs: 1000 } });
  await node.ready();
  client = zookeeper.createClient(`127.0.0.1:${node.requestAddress.port}`);
  client.connect();
  await once(client, "connected");
  await new Promise((done) => client.create("/a", Buffer.from("x"), done));
  await new Promise((done) => client.create("/e", zookeeper.CreateMode.EPHEMERAL, done));
  await new Promise((done) => client.getData("/a", () => undefined, done));
});

afterEach(async () => {
  client.close();
  await node.close();
  rmSync(dataDir, { recursive: true, force: true });
});

type Answer = Readonly<Record<string, unknown>>;

async function ask(command: string): Promise<Answer> {
  const url = `http://127.0.0.1:${node.requestAddress.port}/commands/${command}`;
  return (await (await fetch(url)).json()) as Answer;
}

const session = (): bigint => BigInt.asIntN(64, client.getSessionId().readBigUInt64BE());

const words = (text: string): string[] => text.trim().split(/\s+/);

/** The keys as a server of ZooKeeper 3.8 gave them to the same questions. */
const SEEN: Readonly<Record<string, readonly string[]>> = {
  configuration: words(`
    client_port data_dir data_log_dir tick_time max_client_cnxns min_session_timeout
    max_session_timeout server_id client_port_listen_backlog
  `),
  connections: ["connections", "secure_connections"],
  dirs: ["datadir_size", "logdir_size"],
  dump: ["expiry_time_to_session_ids", "session_id_to_ephemeral_paths"],
  environment: ["zookeeper.version", "host.name", "os.name", "os.arch", "os.version"],
  get_trace_mask: ["tracemask"],
  hash: ["digests"],
  initial_configuration: ["initial_configuration"],
  is_read_only: ["read_only"],
  last_snapshot: ["zxid", "timestamp"],
  leader: ["is_leader", "leader_id", "leader_ip"],
  monitor: words(`
    version server_state ephemerals_count num_alive_connections avg_latency
    outstanding_requests znode_count global_sessions packets_sent packets_received
    watch_count auth_failed_count min_latency approximate_data_size local_sessions
    uptime max_latency connection_rejected last_client_response_size max_client_response_size
    min_client_response_size
  `),
  observers: ["synced_observers", "observers"],
  ruok: [],
  server_stats: ["version", "read_only", "server_stats", "client_response", "node_count"],
  stats: [
    "version",
    "read_only",
    "server_stats",
    "client_response",
    "node_count",
    "connections",
    "secure_connections",
  ],
  system_properties: [],
  voting_view: ["current_config"],
  watches: ["session_id_to_watched_paths"],
  watches_by_path: ["path_to_session_ids"],
  watch_summary: ["num_connections", "num_paths", "num_total_watches"],
  zabstate: words(`
    myid is_leader quorum_address election_address client_address voting last_zxid zab_epoch
    zab_counter zabstate
  `),
};

describe("the commands of ZooKeeper's AdminServer", () => {
  it("are all there, and answer with what ZooKeeper answers with", async () => {
    const theirs = ADMIN_COMMANDS.filter((command) => command !== "sessions");
    expect([...theirs].sort()).toEqual(Object.keys(SEEN).sort());
    for (const command of ADMIN_COMMANDS) {
      const answer = await ask(command);
      expect(answer).toMatchObject({ command, error: null });
      const missing = (SEEN[command] ?? []).filter((key) => !(key in answer));
      expect({ command, missing }).toEqual({ command, missing: [] });
    }
  });

  it("tell of connections, sessions, watches and the tree", async () => {
    const id = Number(session());
    expect(await ask("cons")).toMatchObject({
      connections: [{ session_id: id, last_operation: "GETD", session_timeout: 20_000 }],
      secure_connections: [],
    });
    expect((await ask("stat"))["connections"]).toEqual([
      expect.not.objectContaining({ session_id: id }),
    ]);
    expect(await ask("dump")).toMatchObject({
      session_id_to_ephemeral_paths: { [String(session())]: ["/e"] },
    });
    const hex = BigInt.asUintN(64, session()).toString(16);
    const listed = await ask("sessions");
    expect(listed["sessions"]).toEqual([
      { session: hex, timeout_ms: 20_000, node: 1, ephemerals: 1 },
    ]);
    expect(listed["count"]).toBe(1);
    expect(await ask("wchc")).toMatchObject({
      session_id_to_watched_paths: { [String(session())]: ["/a"] },
    });
    expect(await ask("wchp")).toMatchObject({ path_to_session_ids: { "/a": [id] } });
    expect(await ask("wchs")).toMatchObject({ num_connections: 1, num_paths: 1 });
    expect(await ask("srvr")).toMatchObject({
      node_count: 6,
      server_stats: { server_state: "standalone", num_alive_client_connections: 1 },
    });
    expect(await ask("mntr")).toMatchObject({
      znode_count: 6,
      ephemerals_count: 1,
      watch_count: 1,
    });
    expect(await ask("conf")).toMatchObject({ tick_time: 1000, server_id: 1, peer_type: 0 });
    expect(await ask("voting_view")).toMatchObject({
      current_config: {
        1: {
          server_addresses: [expect.stringMatching(/^127\.0\.0\.1:/)],
          election_addresses: [expect.stringMatching(/^127\.0\.0\.1:/)],
          client_address: expect.stringMatching(/^127\.0\.0\.1:/) as string,
          learner_type: "participant",
        },
      },
    });
    expect(await ask("zabstate")).toMatchObject({
      myid: 1,
      is_leader: true,
      quorum_address: { all_host_strings: ["127.0.0.1"] },
      election_address: { all_host_strings: ["127.0.0.1"] },
      client_address: expect.stringMatching(/^127\.0\.0\.1:/) as string,
      voting: true,
      last_zxid: expect.stringMatching(/^0x[1-9a-f][0-9a-f]{8,}$/) as string,
      zab_epoch: 1,
      zab_counter: expect.any(Number) as number,
      zabstate: "broadcast",
    });
    expect(await ask("lead")).toMatchObject({ is_leader: true, leader_id: 1 });
    const { logdir_size: bytes } = await ask("dirs");
    expect(bytes).toBeGreaterThan(0);
  });

  it("change nothing, and say so when asked to", async () => {
    for (const command of ["srst", "snapshot", "restore", "shed_connections"]) {
      const { error } = await ask(command);
      expect(error).toMatch(/changes the server/);
    }
    expect(await ask("nonsense")).toEqual({
      command: "nonsense",
      error: "Unknown command: nonsense",
    });
  });

  it("are listed, and kept from pages and foreign names like everything there", async () => {
    const url = `http://127.0.0.1:${node.requestAddress.port}/commands`;
    const list = await fetch(url);
    expect(list.headers.get("content-type")).toMatch(/^text\/html/);
    expect(await list.text()).toContain('<a href="/commands/monitor">monitor</a>');
    const page = await fetch(`${url}/conf`, { headers: { origin: "https://evil.example" } });
    expect(page.status).toBe(403);
    const post = await fetch(`${url}/conf`, { method: "POST" });
    expect(post.status).toBe(405);
    const status = await new Promise((resolve) => {
      get(`${url}/conf`, { headers: { host: "evil.example" } }, (response) => {
        void text(response).then(() => resolve(response.statusCode));
      });
    });
    expect(status).toBe(403);
  });

  it("say that the node does not serve while it does not", () => {
    const error = "This ZooKeeper instance is not currently serving requests";
    expect(runAdminCommand("mntr", null)).toEqual({ command: "monitor", error });
  });

  it("write longs as Java does", () => {
    const value = { a: 0xff00_0000_0000_0001n, b: [1n, null, "\n"], c: {}, d: [], e: 1.5 };
    expect(jsonText(value).split("\n")).toEqual([
      "{",
      '  "a" : -72057594037927935,',
      '  "b" : [ 1, null, "\\n" ],',
      '  "c" : { },',
      '  "d" : [ ],',
      '  "e" : 1.5',
      "}",
    ]);
  });
});

describe("metrics under ZooKeeper's names", () => {
  it("are told beside the node's own", async () => {
    const response = await fetch(`http://127.0.0.1:${node.requestAddress.port}/metrics`);
    const told = await response.text();
    expect(told).toContain("# TYPE znode_count gauge\nznode_count 6\n");
    expect(told).toContain("\nnum_alive_connections 1\n");
  });
});
