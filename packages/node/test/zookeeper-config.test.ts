import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { QuorateError } from "@quorate/protocol";
import { buildConfig, describeConfig, loadConfig } from "../src/config/config.js";
import { explainConfig, explainGiven } from "../src/config/explain.js";
import type { RawSettings } from "../src/config/located.js";
import { redact } from "../src/log/redact.js";
import { optionsOf } from "../src/zookeeper/front-end.js";

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
      saslPasswords: null,
      saslSuperUser: null,
      maxWatches: 1_000_000,
    });
  });

  it("is longer requests, but no longer data, with a raised juteMaxBuffer", () => {
    const warnings = (juteMaxBuffer: number): readonly string[] =>
      buildConfig({ ...minimal, zookeeper: { juteMaxBuffer } }).warnings;
    expect(warnings(0xfffff)).toEqual([]);
    expect(warnings(0x100000)).toEqual([expect.stringContaining("at most 1048575 bytes")]);
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

describe("those who log in by SASL", () => {
  const directory = mkdtempSync(join(tmpdir(), "quorate-users-"));
  afterAll(() => {
    rmSync(directory, { recursive: true });
  });

  function fileOf(text: string): string {
    const file = join(directory, "users.json");
    writeFileSync(file, text);
    return file;
  }

  const PASSWORDS = { bob: "bobsecret", лена: "пароль" };

  it("are given by name, where the setting or a file of the same says so", () => {
    expect(zookeeperOf({ saslPasswords: PASSWORDS }).saslPasswords).toEqual(PASSWORDS);
    const file = fileOf(JSON.stringify(PASSWORDS));
    const config = zookeeperOf({ saslPasswordsFile: file, saslSuperUser: "bob" });
    expect(config).toMatchObject({ saslPasswords: PASSWORDS, saslSuperUser: "bob" });
    expect(optionsOf(config).saslUsers).toEqual(new Map(Object.entries(PASSWORDS)));
    expect(optionsOf(config).saslSuperUser).toBe("bob");
  });

  it("may be who is required", () => {
    const config = zookeeperOf({ saslPasswords: PASSWORDS, requiredSchemes: ["sasl"] });
    expect(config.requiredSchemes).toEqual(["sasl"]);
  });

  it.each([
    [{ requiredSchemes: ["sasl"] }, /^ERR_CONFIG_RELATION: nobody could log in by sasl/],
    [{ saslPasswords: PASSWORDS, saslSuperUser: "eve" }, /^ERR_CONFIG_RELATION: .*SuperUser/],
    [
      { saslPasswords: PASSWORDS, saslPasswordsFile: "x" },
      /^ERR_CONFIG_RELATION: give .*saslPasswords or .*File, not both/,
    ],
    [{ saslPasswords: { "bob@X": "hunter2" } }, /^ERR_CONFIG_VALUE: .*none of them/],
    [{ saslPasswords: { "bob/x": "hunter2" } }, /^ERR_CONFIG_VALUE: .*none of them/],
    [{ saslPasswords: { "": "hunter2" } }, /^ERR_CONFIG_VALUE: .*1\.\.256 characters/],
    [{ saslPasswords: { bob: "" } }, /^ERR_CONFIG_VALUE: .*that of "bob" is not/],
    [{ saslPasswords: { bob: 5 } }, /^ERR_CONFIG_VALUE: zookeeper.saslPasswords.bob: /],
    [{ saslPasswordsFile: "/nowhere/x" }, /^ERR_CONFIG_FILE: cannot read the file of passwords/],
    [{ maxWatches: 0 }, /^ERR_CONFIG_VALUE: zookeeper.maxWatches: /],
  ])("are refused in %j", (settings, refusal) => {
    expect(refusalOf(settings)).toMatch(refusal);
    expect(refusalOf(settings)).not.toContain("hunter2");
  });

  it.each([
    ["not JSON", 'bob="hunter2"', /^ERR_CONFIG_VALUE: .* is not JSON \(line 1, column 1/],
    [
      "a name twice",
      '{"bob": "hunter2",\n "bob": "x"}',
      /is not JSON \(line 2, .* is given before/,
    ],
    ["a list", '["hunter2"]', /it is an object of passwords by name/],
    ["deeper", '{"bob": {"password": "hunter2"}}', /a password is a text/],
  ])("are refused in a file that is %s, which is not quoted", (_name, text, refusal) => {
    const file = fileOf(text);
    expect(refusalOf({ saslPasswordsFile: file })).toMatch(refusal);
    expect(refusalOf({ saslPasswordsFile: file })).not.toContain("hunter2");
  });

  it("are nowhere to be seen, wherever they come from", () => {
    const file = fileOf(JSON.stringify({ bob: "hunter2" }));
    const given = { saslPasswords: { bob: "hunter2" } };
    const inEnvironment = { flags: minimal, env: { QUORATE_ZOOKEEPER: JSON.stringify(given) } };
    const inFile = { flags: { ...minimal, zookeeper: { saslPasswordsFile: file } } };
    for (const sources of [inEnvironment, inFile]) {
      const config = loadConfig(sources);
      const { settings } = explainConfig(sources);
      const row = settings.find(({ key }) => key === "zookeeper.saslPasswords");
      expect(row).toMatchObject({ value: "[redacted]" });
      expect(row?.origin.kind).not.toBe("default");
      for (const told of [
        settings,
        explainGiven(sources),
        describeConfig(config),
        redact(config),
      ]) {
        expect(JSON.stringify(told)).not.toContain("hunter2");
      }
    }
  });
});
