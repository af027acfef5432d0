import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { DEFAULT_TIMINGS, QuorateError } from "@quorate/protocol";
import { buildConfig, describeConfig, loadConfig } from "../src/config/config.js";

const directory = mkdtempSync(join(tmpdir(), "quorate-config-"));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

function fileOf(name: string, content: unknown): string {
  const path = join(directory, name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

const at = (port: number, host = "127.0.0.1"): Record<string, string> => ({
  electionAddr: `${host}:${port}`,
  messageAddr: `${host}:${port + 1}`,
  requestAddr: `${host}:${port + 2}`,
});

const good = {
  nodeId: 1,
  dataDir: "data",
  host: at(9010),
  peers: [
    { id: 2, ...at(9020) },
    { id: 3, ...at(9030) },
  ],
};

function errorOf(run: () => unknown): QuorateError {
  try {
    run();
  } catch (error) {
    if (error instanceof QuorateError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("configuration", () => {
  it("is complete, absolute and frozen", () => {
    const config = buildConfig(good);
    expect(config.voters).toEqual([1, 2, 3]);
    expect(config.timings).toEqual(DEFAULT_TIMINGS);
    expect(config.dataDir).toMatch(/^\/.*data$/);
    expect(config.host.request).toEqual({ host: "127.0.0.1", port: 9012 });
    expect(() => {
      Object.assign(config.log, { level: "debug" });
    }).toThrow(TypeError);
    expect(Object.isFrozen(config.peers[0]?.message)).toBe(true);
  });

  it("prefers flag over environment over file over default", () => {
    const file = fileOf("order.json", {
      ...good,
      cluster: "from-file",
      checkpointBytes: 100_000,
      log: { level: "debug", format: "json" },
    });
    const config = loadConfig({
      file,
      env: { QUORATE_CLUSTER: "from-env", QUORATE_LOG_LEVEL: "warn", PATH: "/bin" },
      flags: { log: { level: "error" }, nodeId: undefined },
    });
    expect(config).toMatchObject({
      nodeId: 1,
      cluster: "from-env",
      checkpointBytes: 100_000,
      trustEmpty: false,
      log: { level: "error", format: "json" },
    });
  });

  it("reads every kind of environment variable", () => {
    const config = loadConfig({
      env: {
        QUORATE_NODE_ID: "2",
        QUORATE_DATA_DIR: "/d",
        QUORATE_PEERS: JSON.stringify([
          { id: 1, ...at(9010) },
          { id: 2, ...at(9020) },
        ]),
        QUORATE_TRUST_EMPTY: "true",
        QUORATE_TIMINGS: '{"heartbeatMs": 50}',
      },
    });
    expect(config).toMatchObject({ nodeId: 2, trustEmpty: true, voters: [1, 2] });
    expect(config.timings.heartbeatMs).toBe(50);
  });

  it("takes its own addresses from a list that names every member", () => {
    const peers = [{ id: 1, ...at(9010) }, ...good.peers];
    const config = buildConfig({ nodeId: 3, dataDir: "d", peers });
    expect(config.host.election.port).toBe(9030);
    expect(config.peers.map((peer) => peer.id)).toEqual([1, 2]);
  });

  it("counts as voters those that are not listed as watchers", () => {
    const peers = [...good.peers, { id: 9, role: "watcher", ...at(9090) }];
    const config = buildConfig({ ...good, peers });
    expect(config).toMatchObject({ role: "voter", voters: [1, 2, 3] });
    expect(config.members.map(({ id, role }) => [id, role])).toEqual([
      [1, "voter"],
      [2, "voter"],
      [3, "voter"],
      [9, "watcher"],
    ]);
  });

  it("takes its own role from the list, or by itself where the list does not name it", () => {
    const peers = [...good.peers, { id: 9, role: "watcher", ...at(9090) }];
    const listed = buildConfig({ nodeId: 9, dataDir: "d", peers });
    expect(listed).toMatchObject({ role: "watcher", voters: [2, 3] });
    const alone = buildConfig({ ...good, nodeId: 9, role: "watcher", host: at(9090) });
    expect(alone).toMatchObject({ role: "watcher", voters: [2, 3], host: { id: 9 } });
    expect(alone.members.map(({ id }) => id)).toEqual([2, 3, 9]);
  });

  it("binds what host says and is known to others by what the list says", () => {
    const peers = [{ id: 1, ...at(9010, "node1.example") }, ...good.peers];
    const secret = "sixteen letters!";
    const config = buildConfig({ ...good, host: at(9010, "0.0.0.0"), peers, secret });
    expect(config.host.request.host).toBe("0.0.0.0");
    expect(config.members[0]?.request.host).toBe("node1.example");
  });

  it("binds to loopback where an address names no host", () => {
    const config = buildConfig({
      ...good,
      host: { electionAddr: "9010", messageAddr: ":9011", requestAddr: "[::1]:9012" },
    });
    expect(config.host.election.host).toBe("127.0.0.1");
    expect(config.host.message.host).toBe("127.0.0.1");
    expect(config.host.request.host).toBe("::1");
  });

  it("is printed without its secret", () => {
    const secret = "a-very-secret-secret";
    const described = describeConfig(buildConfig({ ...good, secret }));
    expect(JSON.stringify(described)).not.toContain(secret);
    expect(described).toMatchObject({
      secret: "[redacted]",
      host: { requestAddr: "127.0.0.1:9012" },
    });
  });

  it("reads a secret from its file", () => {
    const secretFile = fileOf("secret", "sixteen letters!\n");
    const host = at(9010, "0.0.0.0");
    expect(buildConfig({ ...good, host, secretFile }).secret).toBe("sixteen letters!");
  });
});

describe("a mistake in the configuration", () => {
  const { dataDir: _, ...noDataDir } = good;
  it.each<[string, Record<string, unknown>, string, RegExp]>([
    ["an unknown key", { ...good, datadir: "x" }, "ERR_CONFIG_UNKNOWN_KEY", /"datadir".*"dataDir"/],
    [
      "a mistyped key beside the missing one",
      { ...noDataDir, dataDri: "x" },
      "ERR_CONFIG_UNKNOWN_KEY",
      /"dataDri".*"dataDir"/,
    ],
    [
      "an unknown timing",
      { ...good, timings: { hartbeatMs: 1 } },
      "ERR_CONFIG_UNKNOWN_KEY",
      /in timings "hartbeatMs".*"heartbeatMs"/,
    ],
    [
      "an unknown key of a peer",
      { ...good, peers: [{ id: 2, ...at(9020), requestAdr: "x" }] },
      "ERR_CONFIG_UNKNOWN_KEY",
      /in peers\.0 "requestAdr".*"requestAddr"/,
    ],
    [
      "a key like no other",
      { ...good, colour: "red" },
      "ERR_CONFIG_UNKNOWN_KEY",
      /^unknown setting "colour"$/,
    ],
    ["no node id", { ...good, nodeId: undefined }, "ERR_CONFIG_VALUE", /^nodeId: is required/],
    ["no data directory", noDataDir, "ERR_CONFIG_VALUE", /^dataDir: is required/],
    ["no own address", { ...good, host: undefined }, "ERR_CONFIG_VALUE", /^host: is required/],
    ["a node id of 0", { ...good, nodeId: 0 }, "ERR_CONFIG_VALUE", /^nodeId: /],
    ["a node id of 255", { ...good, nodeId: 255 }, "ERR_CONFIG_VALUE", /^nodeId: /],
    ["a node id as text", { ...good, nodeId: "1" }, "ERR_CONFIG_VALUE", /^nodeId: /],
    [
      "an address without a port",
      { ...good, host: { ...good.host, requestAddr: "localhost" } },
      "ERR_CONFIG_VALUE",
      /^host\.requestAddr must be like/,
    ],
    [
      "a port beyond 65535",
      { ...good, host: { ...good.host, requestAddr: "localhost:70000" } },
      "ERR_CONFIG_VALUE",
      /^host\.requestAddr/,
    ],
    [
      "one port for two purposes",
      { ...good, host: { ...good.host, requestAddr: "127.0.0.1:9011" } },
      "ERR_CONFIG_RELATION",
      /requestAddr of node 1 is also the messageAddr of node 1/,
    ],
    [
      "one port for two nodes",
      { ...good, peers: [{ id: 2, ...at(9010) }] },
      "ERR_CONFIG_RELATION",
      /of node 2 is also the/,
    ],
    [
      "a peer listed twice",
      { ...good, peers: [good.peers[0], good.peers[0]] },
      "ERR_CONFIG_RELATION",
      /id 2 is listed twice/,
    ],
    [
      "a role that the list contradicts",
      { ...good, role: "watcher", peers: [{ id: 1, ...at(9010) }, ...good.peers] },
      "ERR_CONFIG_RELATION",
      /^role: this node is to be a watcher, and peers lists node 1 as a voter/,
    ],
    [
      "an ensemble of watchers",
      { ...good, role: "watcher", peers: [{ id: 2, role: "watcher", ...at(9020) }] },
      "ERR_CONFIG_RELATION",
      /names no voter/,
    ],
    ["an unknown role", { ...good, role: "observer" }, "ERR_CONFIG_VALUE", /^role: /],
    [
      "an unknown role of a peer",
      { ...good, peers: [{ id: 2, role: "leader", ...at(9020) }] },
      "ERR_CONFIG_VALUE",
      /^peers\.0\.role: /,
    ],
    [
      "a lease longer than a follower's patience",
      { ...good, timings: { leaseMs: 2000 } },
      "ERR_CONFIG_RELATION",
      /leaseMs must not exceed followerTimeoutMs/,
    ],
    ["a timing of 0", { ...good, timings: { leaseMs: 0 } }, "ERR_CONFIG_VALUE", /timings\.leaseMs/],
    ["a long cluster name", { ...good, cluster: "é".repeat(33) }, "ERR_CONFIG_VALUE", /64 bytes/],
    ["an unknown log level", { ...good, log: { level: "loud" } }, "ERR_CONFIG_VALUE", /log\.level/],
    ["a short secret", { ...good, secret: "short" }, "ERR_CONFIG_VALUE", /16 characters/],
    [
      "two secrets",
      { ...good, secret: "sixteen letters!", secretFile: "x" },
      "ERR_CONFIG_RELATION",
      /not both/,
    ],
    [
      "a secret file that is not there",
      { ...good, secretFile: "/nowhere" },
      "ERR_CONFIG_FILE",
      /nowhere/,
    ],
    [
      "an open address without a secret",
      { ...good, host: at(9010, "0.0.0.0") },
      "ERR_CONFIG_INSECURE",
      /electionAddr 0\.0\.0\.0:9010 is reachable from other machines and no secret is set/,
    ],
    [
      "a name that may resolve to an open address",
      { ...good, host: { ...good.host, requestAddr: "db.example:9012" } },
      "ERR_CONFIG_INSECURE",
      /requestAddr db\.example:9012/,
    ],
  ])("is refused: %s", (_title, settings, code, message) => {
    const error = errorOf(() => buildConfig(settings));
    expect([error.code, error.message]).toEqual([code, expect.stringMatching(message)]);
  });

  it.each<[string, Record<string, string>, string, RegExp]>([
    ["a typo", { QUORATE_NODEID: "1" }, "ERR_CONFIG_UNKNOWN_KEY", /"QUORATE_NODE_ID"/],
    ["no number", { QUORATE_NODE_ID: "one" }, "ERR_CONFIG_VALUE", /QUORATE_NODE_ID/],
    ["no flag", { QUORATE_TRUST_EMPTY: "perhaps" }, "ERR_CONFIG_VALUE", /true or false/],
    ["no JSON", { QUORATE_PEERS: "[{" }, "ERR_CONFIG_VALUE", /QUORATE_PEERS must be JSON/],
  ])("is refused in the environment: %s", (_title, env, code, message) => {
    const error = errorOf(() => loadConfig({ env, flags: good }));
    expect([error.code, error.message]).toEqual([code, expect.stringMatching(message)]);
  });

  describe("of a watcher's upstreams", () => {
    const at = (id: number, role = "voter") => ({
      id,
      role,
      electionAddr: `${100 + id}`,
      messageAddr: `${200 + id}`,
      requestAddr: `${300 + id}`,
    });
    const settings = (nodeId: number, upstreams: number[]) => ({
      nodeId,
      dataDir: "d",
      peers: [at(1), at(4, "watcher"), at(5, "watcher")],
      upstreams,
    });

    it("keeps their order", () => {
      expect(buildConfig(settings(5, [4, 1])).upstreams).toEqual([4, 1]);
      expect(buildConfig(settings(5, [])).upstreams).toEqual([]);
    });

    it.each([
      ["a voter has none", settings(1, [4])],
      ["a stranger", settings(5, [9])],
      ["itself", settings(5, [5])],
    ])("refuses %s", (_what, raw) => {
      expect(() => buildConfig(raw)).toThrow(/^upstreams: /);
    });
  });
});
