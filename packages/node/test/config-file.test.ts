import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { QuorateError } from "@quorate/protocol";
import { loadConfig } from "../src/config/config.js";
import { explainConfig } from "../src/config/explain.js";
import type { ConfigSources } from "../src/config/layers.js";
import { formatOrigin } from "../src/config/located.js";
import { configSchema } from "../src/config/schema.js";

const directory = mkdtempSync(join(tmpdir(), "quorate-file-"));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

let count = 0;
function fileOf(content: string | Uint8Array): string {
  count += 1;
  const path = join(directory, `${count}.json`);
  writeFileSync(path, content);
  return path;
}

const GOOD = `{
  "nodeId": 1,
  "dataDir": "/data",
  "host": { "electionAddr": "9001", "messageAddr": "9002", "requestAddr": "9003" },
  "timings": { "heartbeatMs": 50 }
}
`;

function refusalOf(sources: ConfigSources): string {
  try {
    loadConfig(sources);
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error;
    return `${error.code}: ${error.message}`.replaceAll(sources.file ?? "\0", "FILE");
  }
  throw new Error("nothing was refused");
}

describe("a configuration file", () => {
  it.each<[string, (text: string) => string]>([
    ["as it is", (text) => text],
    ["with a byte order mark", (text) => `\uFEFF${text}`],
    ["with CRLF", (text) => text.replaceAll("\n", "\r\n")],
  ])("is read %s", (_title, change) => {
    const config = loadConfig({ file: fileOf(change(GOOD)) });
    expect(config).toMatchObject({ nodeId: 1, dataDir: "/data", warnings: [] });
  });

  it.each<[string, string | Uint8Array, string]>([
    [
      "no JSON",
      '{\n  "nodeId": 1\n  "dataDir": "x" }',
      "ERR_CONFIG_FILE: cannot read the configuration file FILE: it is not JSON (line 3, " +
        "column 3: a comma or } is expected)",
    ],
    [
      "a comma too many",
      GOOD.replace("50 }\n", "50 },\n"),
      "ERR_CONFIG_FILE: cannot read the configuration file FILE: it is not JSON (line 6, " +
        "column 1: a key in quotes is expected)",
    ],
    [
      "a key given twice",
      GOOD.replace('"timings"', '"nodeId": 2,\n"timings"'),
      "ERR_CONFIG_FILE: cannot read the configuration file FILE: it is not JSON (line 5, " +
        'column 3: the key "nodeId" is given before, in line 2)',
    ],
    [
      "a list",
      "[]",
      "ERR_CONFIG_FILE: cannot read the configuration file FILE: it is not a JSON object",
    ],
    [
      "nothing",
      "",
      "ERR_CONFIG_FILE: cannot read the configuration file FILE: it is not JSON (line 1",
    ],
    [
      "another encoding",
      Buffer.from(GOOD.replace("/data", "/donn\u00e9es"), "latin1"),
      "ERR_CONFIG_FILE: cannot read the configuration file FILE: it is not UTF-8",
    ],
    [
      "more than a configuration",
      " ".repeat(1024 * 1024 + 1),
      "ERR_CONFIG_FILE: cannot read the configuration file FILE: it is larger than 1 MiB",
    ],
    [
      "a typo",
      GOOD.replace("heartbeatMs", "hartbeatMs"),
      'ERR_CONFIG_UNKNOWN_KEY: unknown setting in timings "hartbeatMs"; did you mean ' +
        '"heartbeatMs"? (FILE:5)',
    ],
    [
      "an unknown key",
      GOOD.replace("nodeId", "colour"),
      'ERR_CONFIG_UNKNOWN_KEY: unknown setting "colour" (FILE:2)',
    ],
    [
      "a key of every object",
      GOOD.replace('"nodeId": 1', '"__proto__": { "nodeId": 1 }'),
      'ERR_CONFIG_UNKNOWN_KEY: unknown setting "__proto__" (FILE:2)',
    ],
    [
      "a wrong type",
      GOOD.replace('"/data"', "7"),
      "ERR_CONFIG_VALUE: dataDir: Invalid input: expected string, received number (FILE:3)",
    ],
    [
      "a value out of range",
      GOOD.replace('"nodeId": 1', '"nodeId": 255'),
      "ERR_CONFIG_VALUE: nodeId: Too big: expected number to be <=254 (FILE:2)",
    ],
    [
      "several mistakes",
      GOOD.replace('"nodeId": 1', '"nodeId": 255').replace("dataDir", "datadir"),
      'ERR_CONFIG_UNKNOWN_KEY: unknown setting "datadir"; did you mean "dataDir"? ' +
        "(FILE:3); nodeId: Too big: expected number to be <=254 (FILE:2)",
    ],
    [
      "two values that contradict each other",
      GOOD.replace('"heartbeatMs": 50', '"heartbeatMs": 50,\n"leaseMs": 140'),
      "ERR_CONFIG_RELATION: 3 x heartbeatMs must not exceed leaseMs: heartbeatMs 50 " +
        "(FILE:5), leaseMs 140 (FILE:6)",
    ],
    [
      "an address without a port",
      GOOD.replace('"9003"', '"localhost"'),
      'ERR_CONFIG_VALUE: host.requestAddr must be like "127.0.0.1:9001" (FILE:4)',
    ],
    [
      "two members of one id",
      GOOD.replace(
        '"timings"',
        `"peers": [
          { "id": 2, "electionAddr": "1", "messageAddr": "2", "requestAddr": "3" },
          { "id": 2, "electionAddr": "4", "messageAddr": "5", "requestAddr": "6" }
        ],
        "timings"`,
      ),
      "ERR_CONFIG_RELATION: peers: id 2 is listed twice (FILE:7)",
    ],
    [
      "its own id missing",
      '{ "nodeId": 1, "dataDir": "x", "peers":\n[{ "id": 2, "electionAddr": "1", ' +
        '"messageAddr": "2", "requestAddr": "3" }] }',
      "ERR_CONFIG_VALUE: host: is required: peers does not list node 1",
    ],
    [
      "one address of two members",
      GOOD.replace(
        '"timings"',
        `"peers": [{ "id": 2, "electionAddr": "1", "messageAddr": "9002", "requestAddr": "3" }],
        "timings"`,
      ),
      "ERR_CONFIG_RELATION: messageAddr of node 2 is also the messageAddr of node 1: " +
        "127.0.0.1:9002",
    ],
    [
      "an open address and no secret",
      GOOD.replace('"9003"', '"0.0.0.0:9003"'),
      "ERR_CONFIG_INSECURE: requestAddr 0.0.0.0:9003 is reachable from other machines",
    ],
    [
      "a secret file that holds none",
      GOOD.replace('"nodeId"', `"secretFile": "${fileOf("short")}", "nodeId"`),
      "ERR_CONFIG_VALUE: secretFile: a secret has 16..4096 characters (FILE:2)",
    ],
  ])("is refused with %s", (_title, content, message) => {
    const refusal = refusalOf({ file: fileOf(content) });
    expect(refusal.slice(0, message.length)).toBe(message);
  });

  it("is refused when it is not there, and when it is a directory", () => {
    const file = join(directory, "none.json");
    expect(refusalOf({ file })).toMatch(/^ERR_CONFIG_FILE: .* FILE: there is no such file/);
    expect(refusalOf({ file: directory })).toMatch(/^ERR_CONFIG_FILE: .* FILE: it is a directory/);
  });

  // Root may read everything.
  it.skipIf(process.getuid?.() === 0)("is refused when this user may not read it", () => {
    const file = fileOf(GOOD);
    chmodSync(file, 0);
    expect(refusalOf({ file })).toMatch(/^ERR_CONFIG_FILE: .* FILE: this user may not read it/);
  });

  it("names the flag or the variable of a wrong value in its place", () => {
    const file = fileOf(GOOD);
    expect(refusalOf({ file, flags: { log: { level: "loud" } } })).toMatch(
      /^ERR_CONFIG_VALUE: log\.level: .* \(--log-level\)$/,
    );
    expect(refusalOf({ file, env: { QUORATE_TIMINGS: '{"leaseMs": -1}' } })).toMatch(
      /^ERR_CONFIG_VALUE: timings\.leaseMs: .* \(QUORATE_TIMINGS\)$/,
    );
    expect(refusalOf({ file, env: { QUORATE_PEERS: '[\n{"id": 2,}]' } })).toBe(
      "ERR_CONFIG_VALUE: QUORATE_PEERS must be JSON (line 2, column 10: a key in quotes " +
        "is expected)",
    );
  });

  it("gives way with its secret to a stronger source, in whichever form", () => {
    const file = fileOf(GOOD.replace('"nodeId"', '"secretFile": "/nowhere", "nodeId"'));
    const secret = "sixteen letters!";
    expect(loadConfig({ file, env: { QUORATE_SECRET: secret } }).secret).toBe(secret);
    const secretFile = fileOf(`${secret}?\n`);
    const env = { QUORATE_SECRET: secret };
    expect(loadConfig({ file, env, flags: { secretFile } }).secret).toBe(`${secret}?`);
  });

  it("is warned about when everybody may read the secret", () => {
    const secretFile = fileOf("sixteen letters!");
    const warningsOf = (mode: number): readonly string[] => {
      chmodSync(secretFile, mode);
      return loadConfig({ file: fileOf(GOOD), flags: { secretFile } }).warnings;
    };
    expect(warningsOf(0o600)).toEqual([]);
    expect(warningsOf(0o640)).toEqual([]);
    expect(warningsOf(0o644)).toEqual([expect.stringMatching(/every user .* chmod it to 600/)]);
  });

  it("is warned about when everybody may read the passwords of SASL's users", () => {
    const saslPasswordsFile = fileOf('{ "bob": "secret" }');
    const file = fileOf(
      GOOD.replace('"nodeId"', `"zookeeper": ${JSON.stringify({ saslPasswordsFile })}, "nodeId"`),
    );
    chmodSync(saslPasswordsFile, 0o600);
    expect(loadConfig({ file }).warnings).toEqual([]);
    chmodSync(saslPasswordsFile, 0o644);
    expect(loadConfig({ file }).warnings).toEqual([
      `every user of this machine may read or write the file of passwords ${saslPasswordsFile}; ` +
        "chmod it to 600",
    ]);
  });
});

describe("the explanation of a configuration", () => {
  function explained(sources: ConfigSources): Record<string, [unknown, string]> {
    const rows = explainConfig(sources).settings;
    return Object.fromEntries(
      rows.map(({ key, value, origin }) => [
        key,
        [value, formatOrigin(origin).replaceAll(sources.file ?? "\0", "FILE")],
      ]),
    );
  }

  it("tells each value and where it comes from", () => {
    const rows = explained({
      file: fileOf(GOOD),
      env: { QUORATE_LOG_LEVEL: "debug", QUORATE_SECRET: "sixteen letters!" },
      flags: { cluster: "blue", log: { format: "json" } },
    });
    expect(rows).toMatchObject({
      nodeId: [1, "FILE:2"],
      role: ["voter", "default"],
      cluster: ["blue", "--cluster"],
      dataDir: ["/data", "FILE:3"],
      "host.requestAddr": ["127.0.0.1:9003", "FILE:4"],
      secret: ["[redacted]", "QUORATE_SECRET"],
      "timings.heartbeatMs": [50, "FILE:5"],
      "timings.leaseMs": [1000, "default"],
      "log.level": ["debug", "QUORATE_LOG_LEVEL"],
      "log.format": ["json", "--log-format"],
      allowedHosts: [[], "default"],
    });
    expect(JSON.stringify(rows)).not.toContain("sixteen");
  });

  it("tells the list's lines for what the list says", () => {
    const file = fileOf(`{ "nodeId": 2, "dataDir": "x", "peers": [
      { "id": 1, "electionAddr": "1", "messageAddr": "2", "requestAddr": "3" },
      { "id": 2, "electionAddr": "4", "messageAddr": "5", "requestAddr": "6", "role": "watcher" }
    ] }`);
    expect(explained({ file })).toMatchObject({
      role: ["watcher", "FILE:3"],
      "host.messageAddr": ["127.0.0.1:5", "FILE:3"],
      "peers.0.id": [1, "FILE:2"],
      "peers.0.role": ["voter", "default"],
      "peers.1.role": ["watcher", "FILE:3"],
    });
  });

  it("names every setting that a file can give", () => {
    const keys = Object.keys(explained({ file: fileOf(GOOD) })).map((key) => key.split(".")[0]);
    // Without members there is no list, and a secret's file is told as the secret's origin.
    const known = Object.keys(configSchema.shape).filter(
      (key) => key !== "peers" && key !== "secretFile",
    );
    expect(new Set(keys)).toEqual(new Set(known));
  });
});
