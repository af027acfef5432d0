import { describe, expect, it } from "vitest";
import { QuorateError } from "@quorate/protocol";
import { buildConfig, describeConfig, loadConfig } from "../src/config/config.js";
import { explainConfig } from "../src/config/explain.js";
import type { RawSettings } from "../src/config/located.js";
import { redact } from "../src/log/redact.js";

const at = { electionAddr: "9001", messageAddr: "9002", requestAddr: "9003" };
const minimal = { nodeId: 1, dataDir: "data", host: at };
const SUPER = "super:gG7s8t3oDEtIqF6DM9LlI/R+9Ss=";

function zookeeperOf(zookeeper: RawSettings) {
  return buildConfig({ ...minimal, zookeeper }).zookeeper;
}

function refusalOf(zookeeper: RawSettings): string {
  try {
    zookeeperOf(zookeeper);
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error;
    return `${error.code}: ${error.message}`;
  }
  throw new Error("nothing was refused");
}

describe("what ZooKeeper's clients are granted", () => {
  it("is by default what ZooKeeper grants", () => {
    expect(buildConfig(minimal).zookeeper).toEqual({
      tickMs: 2000,
      minSessionTimeoutMs: 4000,
      maxSessionTimeoutMs: 40_000,
      maxClientCnxns: 60,
      maxCnxns: 50_000,
      globalOutstandingLimit: 20_000,
      juteMaxBuffer: 1_048_575,
      fourLetterWords: ["srvr"],
      readOnlyMode: false,
      superDigest: null,
      requiredSchemes: [],
    });
  });

  it("follows the tick where nothing else is said", () => {
    expect(zookeeperOf({ tickMs: 500, maxSessionTimeoutMs: 60_000 })).toMatchObject({
      minSessionTimeoutMs: 1000,
      maxSessionTimeoutMs: 60_000,
    });
  });

  it.each([
    [{ fourLetterWords: ["mntr", "five"] }, /^ERR_CONFIG_VALUE: zookeeper.fourLetterWords.1: /],
    [{ superDigest: "super:secret" }, /^ERR_CONFIG_VALUE: zookeeper.superDigest: .*base64/],
    [{ requiredSchemes: ["kerberos"] }, /^ERR_CONFIG_VALUE: zookeeper.requiredSchemes.0: /],
    [{ juteMaxBuffer: 10 }, /^ERR_CONFIG_VALUE: zookeeper.juteMaxBuffer: /],
    [{ maxClientCnxn: 10 }, /^ERR_CONFIG_UNKNOWN_KEY: .*"maxClientCnxns"/],
    [
      { minSessionTimeoutMs: 5000, maxSessionTimeoutMs: 4000 },
      /^ERR_CONFIG_RELATION: zookeeper.minSessionTimeoutMs 5000 must not exceed .* 4000/,
    ],
  ])("is refused for %j", (settings, refusal) => {
    expect(refusalOf(settings)).toMatch(refusal);
  });

  it("is read from the environment, and its secret is nowhere to be seen", () => {
    const env = { QUORATE_ZOOKEEPER: JSON.stringify({ superDigest: SUPER, tickMs: 1000 }) };
    const sources = { flags: minimal, env };
    const config = loadConfig(sources);
    expect(config.zookeeper).toMatchObject({ superDigest: SUPER, tickMs: 1000 });
    const { settings } = explainConfig(sources);
    const row = settings.find(({ key }) => key === "zookeeper.superDigest");
    expect(row).toMatchObject({ value: "[redacted]", origin: { name: "QUORATE_ZOOKEEPER" } });
    for (const told of [settings, describeConfig(config), redact(config)]) {
      expect(JSON.stringify(told)).not.toContain("gG7s");
    }
  });
});
