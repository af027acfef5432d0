import { describe, expect, it } from "vitest";
import { buildConfig } from "../src/config/config.js";
import { NodeFacts } from "../src/zookeeper/node-facts.js";
import { FakeServer } from "./support.js";

const own = { electionAddr: "3888", messageAddr: "2888", requestAddr: "2181" };
const other = { id: 2, electionAddr: "3889", messageAddr: "2889", requestAddr: "2182" };

function factsOf(more: Record<string, unknown> = {}, server = new FakeServer()): NodeFacts {
  const config = buildConfig({ nodeId: 1, dataDir: "unused", host: own, ...more });
  return new NodeFacts(config, server, { machine: () => null, startedAtWallTime: 0 });
}

const asObject = (rows: readonly (readonly [string, unknown])[]): Record<string, unknown> =>
  Object.fromEntries(rows);

describe("what a node tells ZooKeeper's operators", () => {
  it("is a version with a date, which exporters look for", () => {
    const { version } = factsOf();
    // Metricbeat's, and those of kazoo and of Datadog's agent.
    expect(/:\s(.*),/.exec(`Zookeeper version: ${version}`)?.[1]).toBe("3.9.5-quorate");
    expect(/built on (.*)/.exec(version)?.[1]).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d UTC$/);
    expect(/^(\d+\.\d+\.\d+)/.exec(version)?.[1]).toBe("3.9.5");
    expect(asObject(factsOf().environment())["zookeeper.version"]).toBe(version);
  });

  it("is the state of a peer, of an ensemble alone", () => {
    const server = new FakeServer();
    expect(asObject(factsOf({}, server).monitor())["peer_state"]).toBeUndefined();
    const facts = factsOf({ peers: [other] }, server);
    expect(asObject(facts.monitor())["peer_state"]).toBe("leading - broadcast");
    server.ready = false;
    expect(asObject(facts.monitor())["peer_state"]).toBe("leading - synchronization");
  });

  it.runIf(process.platform === "linux")("is how many files are open, and may be", () => {
    const rows = asObject(factsOf().monitor());
    const open = Number(rows["open_file_descriptor_count"]);
    expect(open).toBeGreaterThan(2);
    expect(Number(rows["max_file_descriptor_count"])).toBeGreaterThan(open);
  });

  it("is its ports, those for peers of an ensemble alone", () => {
    const alone = asObject(factsOf().configuration());
    expect(alone).toMatchObject({ clientPort: "2181", clientPortListenBacklog: "2048" });
    expect(alone).not.toHaveProperty("quorumPort");
    expect(alone).not.toHaveProperty("secureClientPort");
    const tls = { addr: "2281", keyStore: "unused.pem", clientAuth: "none" };
    expect(asObject(factsOf({ peers: [other], tls }).configuration())).toMatchObject({
      electionPort: "3888",
      quorumPort: "2888",
      secureClientPort: "2281",
      secureClientPortAddress: "127.0.0.1:2281",
    });
  });
});
