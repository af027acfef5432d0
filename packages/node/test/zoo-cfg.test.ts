import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { DEFAULT_TIMINGS, QuorateError } from "@quorate/protocol";
import { formatAddress } from "../src/config/address.js";
import { loadConfig, type NodeConfig } from "../src/config/config.js";
import type { ConfigSources } from "../src/config/layers.js";
import { parseZooServer } from "../src/config/zoo-server-line.js";

const root = mkdtempSync(join(tmpdir(), "quorate-zoo-"));
afterAll(() => {
  rmSync(root, { recursive: true });
});

let count = 0;
const SECRET = { QUORATE_SECRET: "sixteen letters!" };
const THREE = [
  "server.1=10.0.0.1:2888:3888",
  "server.2=10.0.0.2:2888:3888",
  "server.3=10.0.0.3:2888:3888",
];

/** A directory with myid; DIR in a line stands for it. */
function layOut(
  lines: readonly string[],
  myid: string | null = "1",
): { file: string; dir: string } {
  count += 1;
  const dir = join(root, String(count));
  mkdirSync(dir);
  if (myid !== null) writeFileSync(join(dir, "myid"), myid);
  const file = join(dir, "zoo.cfg");
  writeFileSync(file, lines.join("\n").replaceAll("DIR", dir));
  return { file, dir };
}

function load(
  lines: readonly string[],
  { myid = "1", ...sources }: ConfigSources & { myid?: string | null } = {},
): NodeConfig & { dir: string } {
  const { file, dir } = layOut(lines, myid);
  return { ...loadConfig({ env: SECRET, ...sources, zooCfg: file }), dir };
}

function refusalOf(
  lines: readonly string[],
  options: ConfigSources & { myid?: string | null } = {},
): string {
  try {
    load(lines, options);
  } catch (error) {
    if (error instanceof QuorateError) {
      return `${error.code}: ${error.message}`.replaceAll(join(root, String(count)), "DIR");
    }
    throw error;
  }
  throw new Error("nothing was refused");
}

const addressesOf = ({ host }: NodeConfig): string[] =>
  [host.election, host.message, host.request].map(formatAddress);

const BASE = ["dataDir=DIR", "clientPort=2181"];

describe("a zoo.cfg", () => {
  it("of an ensemble gives members, addresses, id, directory and nothing unasked", () => {
    const config = load(
      [
        "# The number of milliseconds of each tick",
        "tickTime=2000",
        "initLimit=10",
        "syncLimit=5",
        ...BASE,
        "server.1=10.0.0.1:2888:3888",
        "server.2=zk2.example:2889:3889:participant",
        "server.3=[2001:db8::3]:2890:3890:observer",
      ],
      { myid: "2\n" },
    );
    expect(config).toMatchObject({ nodeId: 2, role: "voter", voters: [1, 2] });
    expect(config.dataDir).toBe(join(config.dir, "quorate"));
    expect(addressesOf(config)).toEqual(["zk2.example:3889", "zk2.example:2889", "0.0.0.0:2181"]);
    expect(config.timings).toEqual(DEFAULT_TIMINGS);
    const members = config.members.map(({ id, role, election, message, request }) =>
      [id, role, ...[election, message, request].map(formatAddress)].join(" "),
    );
    expect(members).toEqual([
      "1 voter 10.0.0.1:3888 10.0.0.1:2888 10.0.0.1:2181",
      "2 voter zk2.example:3889 zk2.example:2889 zk2.example:2181",
      "3 watcher [2001:db8::3]:3890 [2001:db8::3]:2890 [2001:db8::3]:2181",
    ]);
    expect(config.warnings).toEqual([
      expect.stringMatching(/^the election port 3889 is UDP here, and TCP in ZooKeeper/),
    ]);
  });

  it("gives a node's client address behind the semicolon, or for all lines at once", () => {
    const own = (line: string, ...more: string[]): string | undefined =>
      addressesOf(load(["dataDir=DIR", line, ...more]))[2];
    expect(own("server.1=10.0.0.1:1:2;2181")).toBe("0.0.0.0:2181");
    expect(own("server.1=10.0.0.1:1:2;127.0.0.1:2181")).toBe("127.0.0.1:2181");
    expect(own("server.1=10.0.0.1:1:2;0.0.0.0:2181")).toBe("0.0.0.0:2181");
    expect(own("server.1=[::1]:1:2;[::1]:2181")).toBe("[::1]:2181");
    expect(own("server.1=[2001:db8::1]:1:2;2181")).toBe("[::]:2181");
    expect(own("server.1=10.0.0.1:1:2;2181", "clientPort=2181")).toBe("0.0.0.0:2181");
    const address = ["clientPort=2181", "clientPortAddress=10.0.0.9"];
    expect(own("server.1=10.0.0.1:1:2", ...address)).toBe("10.0.0.9:2181");
    const v6 = ["clientPort=2181", "clientPortAddress=[::1]"];
    expect(own("server.1=10.0.0.1:1:2", ...v6)).toBe("[::1]:2181");
  });

  it("tells others the host of a node whose client address is a wildcard", () => {
    const config = load(["dataDir=DIR", "server.1=a:1:2;2181", "server.2=b:1:2;[::]:2182"]);
    expect(config.members.map(({ request }) => formatAddress(request))).toEqual([
      "a:2181",
      "b:2182",
    ]);
  });

  it("binds every address of the machine when told so", () => {
    const all = (line: string): string[] =>
      addressesOf(load([...BASE, line, "quorumListenOnAllIPs=true"]));
    expect(all("server.1=10.0.0.1:2888:3888")).toEqual([
      "0.0.0.0:3888",
      "0.0.0.0:2888",
      "0.0.0.0:2181",
    ]);
    expect(all("server.1=[::1]:2888:3888")[0]).toBe("[::]:3888");
  });

  it("makes an observer a watcher, and the list has the say over peerType", () => {
    const lines = [...BASE, "peerType=observer", ...THREE.slice(1), `${THREE[0]}:observer`];
    const watcher = load(lines);
    expect(watcher).toMatchObject({ role: "watcher", voters: [2, 3] });
    expect(watcher.warnings.join()).not.toContain("peerType");
    const voter = load(lines, { myid: "2" });
    expect(voter.role).toBe("voter");
    expect(voter.warnings.join()).toContain("peerType is not heeded: server.2 is listed as a part");
  });

  it("without servers is an ensemble of one that no other machine can join", () => {
    const config = load([...BASE, "clientPortAddress=127.0.0.1"], { myid: null, env: {} });
    expect(config).toMatchObject({ nodeId: 1, voters: [1], peers: [] });
    expect(addressesOf(config)).toEqual(["127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:2181"]);
    expect(load(BASE, { myid: "7" }).nodeId).toBe(7);
  });

  it("keeps its store in dataLogDir where there is one", () => {
    const config = load([...BASE, "dataLogDir=/fast/disk"]);
    expect(config.dataDir).toBe("/fast/disk/quorate");
  });

  it("bounds a follower's patience by tickTime x syncLimit", () => {
    const timings = (...lines: string[]) => load([...BASE, ...lines]).timings;
    expect(timings("tickTime=2000", "syncLimit=1")).toEqual(DEFAULT_TIMINGS);
    expect(timings("tickTime=150", "syncLimit=5")).toEqual({
      ...DEFAULT_TIMINGS,
      followerTimeoutMs: 750,
      leaseMs: 500,
    });
    expect(timings("tickTime=100", "syncLimit=2")).toMatchObject({
      followerTimeoutMs: 200,
      leaseMs: 133,
      heartbeatMs: 44,
    });
  });

  it("is weaker than the environment and the flags", () => {
    const config = load([...BASE, ...THREE, "tickTime=2000", "syncLimit=5"], {
      env: { ...SECRET, QUORATE_TIMINGS: '{"followerTimeoutMs":9000}', QUORATE_NODE_ID: "2" },
      flags: { dataDir: "/elsewhere", nodeId: 3 },
      myid: null,
    });
    expect(config).toMatchObject({ nodeId: 3, dataDir: "/elsewhere" });
    expect(config.host.election.host).toBe("10.0.0.3");
    expect(config.timings.followerTimeoutMs).toBe(9000);
  });

  it("may have a byte order mark, CRLF, comments, continuations and stray space", () => {
    const lines = [
      "\uFEFFdataDir = DIR",
      "! c",
      "server.1 : \\",
      "   10.0.0.1:2888:3888\\",
      "  ;2181  ",
    ];
    const { file } = layOut([]);
    writeFileSync(file, lines.join("\r\n").replaceAll("DIR", join(root, String(count))));
    expect(loadConfig({ zooCfg: file, env: SECRET }).host.message.port).toBe(2888);
  });
});

describe("a key of a zoo.cfg", () => {
  it.each([
    ["group.1=1:2:3", "quorums by groups"],
    ["weight.1=2", "quorums by groups"],
    ["group1=1:2", "quorums by groups"],
    ["dynamicConfigFile=/x", "members are read from this file"],
    ["reconfigEnabled=true", "members cannot be changed"],
    ["oraclePath=/x", "breaks ties"],
    ["sslQuorum=true", "between nodes cannot be encrypted"],
    ["sslquorum=TRUE", "between nodes cannot be encrypted"],
    ["portUnification=true", "between nodes cannot be encrypted"],
    ["ssl.quorum.keyStore.password=hunter2", "between nodes cannot be encrypted"],
    ["ssl.crl=true", "revoked certificates"],
    ["ssl.ciphersuites=TLS_X", "write tls.ciphers"],
    ["ssl.authProvider=own", "judged in one way"],
    ["client.portUnification=true", "TLS has a port of its own"],
    ["quorum.auth.enableSasl=true", "shared secret"],
    ["quorum.auth.learnerRequireSasl=true", "shared secret"],
    ["authProvider.1=org.x.OwnAuthenticationProvider", "only digest, ip, x509 and sasl"],
    ["DigestAuthenticationProvider.digestAlg=SHA-256", "SHA-1 alone"],
    ["X509AuthenticationProvider.x=y", "a certificate's subject"],
    ["requireClientAuthScheme=sasl", "write sessionRequireClientSASLAuth"],
    ["allowSaslFailedClients=true", "is turned away"],
    ["kerberos.removeHostFromPrincipal=true", "DIGEST-MD5 alone"],
    ["jaasLoginRenew=3600000", "DIGEST-MD5 alone"],
    ["server.255=10.0.0.1:2888:3888", "server.N with N in 1..254"],
    ["server.x=10.0.0.1:2888:3888", "server.N with N in 1..254"],
    ["server1=10.0.0.1:2888:3888", "server.N with N in 1..254"],
    ["Server.1=10.0.0.1:2888:3888", "server.N with N in 1..254"],
  ])("is refused when its loss would change safety or security: %s", (line, why) => {
    const refusal = refusalOf([...BASE, line]);
    const key = line.split("=")[0] ?? "";
    expect(refusal).toMatch(/^ERR_CONFIG_UNSUPPORTED: .* \(DIR\/zoo\.cfg:3\)$/);
    expect(refusal).toContain(`${key} must not be ignored`);
    expect(refusal).toContain(why);
    expect(refusal).not.toContain("hunter2");
  });

  it.each(["reconfigEnabled=false", "sslQuorum=false", "quorum.auth.enableSasl=false"])(
    "is not missed when it only switches off what is not there: %s",
    (line) => {
      expect(load([...BASE, line]).warnings).toHaveLength(1);
    },
  );

  it.each([
    ["autopurge.purgeInterval=24", "autopurge.purgeInterval has no effect here: the store"],
    ["4lw.commands.whitelist=srvr,five", 'there is no word "five"'],
    ["admin.serverPort=8080", "admin.serverPort has no effect here: GET /commands"],
    ["authProvider.x509=org.x.X509AuthenticationProvider", "it is always there"],
    ["ssl.keyStore.type=JKS", "ssl.keyStore.type has no effect here: the format"],
    ["ssl.keyStore.location=/x", "ssl.keyStore.location has no effect without secureClientPort"],
    ["serverCnxnFactory=org.x.Netty", "serverCnxnFactory has no effect here"],
    ["forceSync=no", "forceSync has no effect here: what is acknowledged is always on disk"],
    ["skipACL=yes", "skipACL has no effect here"],
    ["electionAlg=1", "electionAlg has no effect here"],
    ["clientport=2182", 'unknown key "clientport" is ignored; did you mean "clientPort"?'],
    ["synclimit=5", 'unknown key "synclimit" is ignored; did you mean "syncLimit"?'],
    ["colour=red", 'unknown key "colour" is ignored ('],
  ])("is warned about when it is ignored: %s", (line, warning) => {
    const config = load([...BASE, line]);
    expect(config.warnings).toEqual([expect.stringContaining(warning)]);
    expect(config.warnings[0]).toMatch(/zoo\.cfg:3\)$/);
  });
});

describe("what a zoo.cfg grants its clients", () => {
  it("is ZooKeeper's, with its default tick", () => {
    expect(load(BASE).zookeeper).toMatchObject({
      tickMs: 3000,
      minSessionTimeoutMs: 6000,
      maxSessionTimeoutMs: 60_000,
      fourLetterWords: ["srvr"],
    });
  });

  it("is what its keys say", () => {
    const config = load([
      ...BASE,
      "tickTime=2000",
      "minSessionTimeout=1000",
      "maxSessionTimeout=-1",
      "maxClientCnxns=0",
      "maxCnxns=7",
      "globalOutstandingLimit=50",
      "jute.maxbuffer=0x1fffff",
      "4lw.commands.whitelist=mntr, stat ,ruok",
      "readonlymode.enabled=true",
      "DigestAuthenticationProvider.superDigest=super:gG7s8t3oDEtIqF6DM9LlI/R+9Ss=",
      "enforce.auth.enabled=true",
      "enforce.auth.schemes=digest,x509",
    ]);
    expect(config.warnings).toEqual([
      expect.stringMatching(/^jute\.maxbuffer lets .* 1048575 bytes .*zoo\.cfg:9\)$/),
    ]);
    expect(config.zookeeper).toEqual({
      tickMs: 2000,
      minSessionTimeoutMs: 1000,
      maxSessionTimeoutMs: 40_000,
      maxClientCnxns: 0,
      maxCnxns: 7,
      globalOutstandingLimit: 50,
      juteMaxBuffer: 0x1fffff,
      fourLetterWords: ["mntr", "stat", "ruok"],
      readOnlyMode: true,
      superDigest: "super:gG7s8t3oDEtIqF6DM9LlI/R+9Ss=",
      requiredSchemes: ["digest", "x509"],
      saslPasswords: null,
      saslSuperUser: null,
      maxWatches: 1_000_000,
    });
  });

  it("is what users who log in by SASL have, whose passwords are not in the file", () => {
    const zookeeper = JSON.stringify({ saslPasswords: { bob: "hunter2" } });
    const env = { ...SECRET, QUORATE_ZOOKEEPER: zookeeper };
    const provider = "org.apache.zookeeper.server.auth.SASLAuthenticationProvider";
    const lines = [...BASE, `authProvider.1=${provider}`, "superUser=bob"];
    for (const rule of [
      ["sessionRequireClientSASLAuth=true"],
      ["enforce.auth.enabled=true", "enforce.auth.schemes=sasl"],
    ]) {
      const config = load([...lines, ...rule], { env });
      expect(config.zookeeper).toMatchObject({
        requiredSchemes: ["sasl"],
        saslPasswords: { bob: "hunter2" },
        saslSuperUser: "bob",
      });
    }
    expect(refusalOf([...BASE, "sessionRequireClientSASLAuth=true"])).toMatch(
      /^ERR_CONFIG_RELATION: nobody could log in by sasl: .*\(DIR\/zoo\.cfg:3\)$/,
    );
  });

  it("is a port for TLS as well", () => {
    const config = load([
      ...BASE,
      "secureClientPort=2281",
      "secureClientPortAddress=127.0.0.1",
      "ssl.keyStore.location=/keys/own.jks",
      "ssl.keyStore.password=hunter2",
      "ssl.trustStore.location=/keys/all.p12",
      "ssl.clientAuth=WANT",
      "ssl.protocol=TLSv1.3",
      "X509AuthenticationProvider.superUser=CN=root",
    ]);
    expect(config.warnings).toEqual([]);
    expect(config.tls).toEqual({
      address: { host: "127.0.0.1", port: 2281 },
      keyStore: "/keys/own.jks",
      keyStorePassword: "hunter2",
      trustStore: "/keys/all.p12",
      trustStorePassword: null,
      clientAuth: "want",
      minVersion: "TLSv1.3",
      ciphers: null,
      superUser: "CN=root",
    });
  });

  it.each([
    [
      "maxCnxns=many",
      "ERR_CONFIG_VALUE: maxCnxns: it must be a whole number from 0 (DIR/zoo.cfg:3)",
    ],
    ["jute.maxbuffer=0", "ERR_CONFIG_VALUE: jute.maxbuffer: it must be a whole number from 1"],
    ["secureClientPort=0", "ERR_CONFIG_VALUE: secureClientPort: it must be a port"],
    ["secureClientPort=2281", "ERR_CONFIG_RELATION: tls.keyStore is required with tls"],
    ["enforce.auth.enabled=true", "ERR_CONFIG_VALUE: enforce.auth.enabled: enforce.auth.schemes"],
    [
      "enforce.auth.enabled=true\nenforce.auth.schemes=sasl",
      "ERR_CONFIG_RELATION: nobody could log in by sasl",
    ],
    [
      "readonlymode.enabled=yes",
      "ERR_CONFIG_VALUE: readonlymode.enabled: it must be true or false",
    ],
    ["secureClientPort=1\nssl.clientAuth=x", "ERR_CONFIG_VALUE: ssl.clientAuth: it must be one of"],
    [
      "DigestAuthenticationProvider.superDigest=super:hunter2",
      "ERR_CONFIG_VALUE: zookeeper.superDigest: it has the form",
    ],
  ])("is refused for %s", (lines, message) => {
    const refusal = refusalOf([...BASE, ...lines.split("\n")]);
    expect(refusal.slice(0, message.length)).toBe(message);
    expect(refusal).not.toContain("hunter2");
  });
});

describe("a mistake in a zoo.cfg is named with its line:", () => {
  it.each<[string, string[], string, (ConfigSources & { myid?: string | null })?]>([
    ["no dataDir", ["clientPort=2181"], "ERR_CONFIG_VALUE: dataDir: is required (DIR/zoo.cfg:1)"],
    [
      "a typo in dataDir",
      ["clientPort=2181", "datadir=DIR"],
      'ERR_CONFIG_VALUE: dataDir: is required; "datadir" is not known (DIR/zoo.cfg:2)',
    ],
    ["no clientPort", ["dataDir=DIR"], "ERR_CONFIG_VALUE: clientPort: is required (DIR/zoo.cfg:1)"],
    [
      "a server without a port for clients",
      ["dataDir=DIR", ...THREE],
      "ERR_CONFIG_VALUE: server.1: it has no port for clients: give clientPort, or " +
        ";clientPort at its end (DIR/zoo.cfg:2)",
    ],
    [
      "a clientPort that is no port",
      ["dataDir=DIR", "clientPort=0x885"],
      "ERR_CONFIG_VALUE: clientPort: it must be a port, 1..65535 (DIR/zoo.cfg:2)",
    ],
    [
      "a tickTime that is no number",
      [...BASE, "tickTime=2s", "syncLimit=5"],
      "ERR_CONFIG_VALUE: tickTime: it must be a whole number above 0 (DIR/zoo.cfg:3)",
    ],
    [
      "an initLimit of 0",
      [...BASE, "initLimit=0"],
      "ERR_CONFIG_VALUE: initLimit: it must be a whole number above 0 (DIR/zoo.cfg:3)",
    ],
    [
      "a syncLimit that nobody can keep",
      [...BASE, "tickTime=20", "syncLimit=2"],
      "ERR_CONFIG_RELATION: tickTime x syncLimit is 40 ms; below 100 ms nobody stays " +
        "leader (DIR/zoo.cfg:4)",
    ],
    [
      "a peerType that is neither",
      [...BASE, ...THREE, "peerType=watcher"],
      "ERR_CONFIG_VALUE: peerType: it must be participant or observer (DIR/zoo.cfg:6)",
    ],
    [
      "a boolean that is none",
      [...BASE, ...THREE, "quorumListenOnAllIPs=yes"],
      "ERR_CONFIG_VALUE: quorumListenOnAllIPs: it must be true or false (DIR/zoo.cfg:6)",
    ],
    [
      "a repeated key",
      [...BASE, "clientPort=2182"],
      "ERR_CONFIG_FILE: cannot read the ZooKeeper configuration DIR/zoo.cfg: line 3, " +
        'column 1: the key "clientPort" is given before, in line 2',
    ],
    [
      "one id in two forms",
      [...BASE, ...THREE, "server.01=10.0.0.4:1:2"],
      "ERR_CONFIG_RELATION: server.1 is given twice (DIR/zoo.cfg:6)",
    ],
    [
      "a bad escape",
      [...BASE, "x=\\u12"],
      "ERR_CONFIG_FILE: cannot read the ZooKeeper configuration DIR/zoo.cfg: line 3, " +
        "column 1: \\u is not followed by four hex digits",
    ],
    [
      "its own id missing",
      [...BASE, ...THREE],
      "ERR_CONFIG_RELATION: server.4 is missing: this node's id is 4, and there are " +
        "server.1, server.2, server.3 (DIR/zoo.cfg:3)",
      { myid: "4" },
    ],
    [
      "no myid",
      [...BASE, ...THREE],
      "ERR_CONFIG_FILE: cannot read this node's id DIR/myid: there is no such file (ENOENT)",
      { myid: null },
    ],
    [
      "a myid that is none",
      [...BASE, ...THREE],
      "ERR_CONFIG_VALUE: myid must hold a number in 1..254 and nothing else (DIR/myid:1)",
      { myid: "node1" },
    ],
    [
      "a myid of 255",
      [...BASE, ...THREE],
      "ERR_CONFIG_VALUE: myid must hold a number in 1..254 and nothing else (DIR/myid:1)",
      { myid: "255" },
    ],
    [
      "an id in the environment that is out of bounds",
      [...BASE, ...THREE],
      "ERR_CONFIG_VALUE: nodeId: Too big: expected number to be <=254 (QUORATE_NODE_ID)",
      { env: { ...SECRET, QUORATE_NODE_ID: "255" } },
    ],
    [
      "two client ports for this node",
      ["dataDir=DIR", "clientPort=2182", "server.1=a:1:2;2181"],
      "ERR_CONFIG_RELATION: clientPort 2182 is not the 2181 of server.1 (DIR/zoo.cfg:2)",
    ],
    [
      "two servers of one host without ports of their own",
      [...BASE, "server.1=127.0.0.1:1:2", "server.2=127.0.0.1:3:4"],
      "ERR_CONFIG_RELATION: server.2 and server.1 have one address for clients, " +
        "127.0.0.1:2181; write a ;clientPort of its own at the end of each line, " +
        "as ;127.0.0.1:2181 (DIR/zoo.cfg:4)",
    ],
    [
      "two servers of one message port",
      ["dataDir=DIR", "server.1=a:1:2;5", "server.2=a:1:4;6"],
      "ERR_CONFIG_RELATION: messageAddr of node 2 is also the messageAddr of node 1: a:1",
    ],
    [
      "observers alone",
      [...BASE, "server.1=a:1:2:observer"],
      "ERR_CONFIG_RELATION: peers: names no voter, and watchers alone elect nobody (DIR/zoo.cfg:3)",
    ],
    [
      "no secret",
      [...BASE, ...THREE],
      "ERR_CONFIG_INSECURE: electionAddr 10.0.0.1:3888 is reachable from other machines",
      { env: {} },
    ],
    [
      "more patience asked for than it allows",
      [...BASE, "tickTime=2000", "syncLimit=2"],
      "ERR_CONFIG_RELATION: followerTimeoutMs 5000 (QUORATE_TIMINGS) must not exceed the " +
        "4000 ms of tickTime x syncLimit, DIR/zoo.cfg:4",
      { env: { ...SECRET, QUORATE_TIMINGS: '{"followerTimeoutMs":5000}' } },
    ],
  ])("%s", (_title, lines, message, options) => {
    expect(refusalOf(lines, options).slice(0, message.length)).toBe(message);
  });

  it("ZooKeeper's own data, which would seem lost", () => {
    const { file, dir } = layOut(BASE);
    mkdirSync(join(dir, "version-2"));
    const open = () => loadConfig({ zooCfg: file, env: SECRET });
    expect(open).toThrow(/holds ZooKeeper's own data \(version-2\).*start empty.*zoo\.cfg:1/);
    const meant = { ...SECRET, QUORATE_DATA_DIR: "/elsewhere" };
    expect(loadConfig({ zooCfg: file, env: meant }).dataDir).toBe("/elsewhere");
    // This node has run here before: it is its own directory that it goes on with.
    mkdirSync(join(dir, "quorate"));
    expect(open().dataDir).toBe(join(dir, "quorate"));
  });

  it("two files at once", () => {
    expect(refusalOf(BASE, { file: "x.json" })).toMatch(/--config or --zoo-cfg, not both/);
  });
});

describe("a server line", () => {
  it.each([
    ["a:1:2", { host: "a", messagePort: 1, electionPort: 2, role: "voter", client: null }],
    ["a:1:2:PARTICIPANT", { role: "voter" }],
    ["a:1:2:observer;3", { role: "watcher", client: { host: null, port: 3 } }],
    ["10.0.0.1:1:2;10.0.0.2:3", { host: "10.0.0.1", client: { host: "10.0.0.2", port: 3 } }],
    ["[fe80::1]:1:2;[fe80::2]:3", { host: "fe80::1", client: { host: "fe80::2", port: 3 } }],
    ["[::1]:1:2;[::]:3", { host: "::1", client: { host: null, port: 3 } }],
    ["a_b.c-d:1:2 ; 3", { host: "a_b.c-d", client: { host: null, port: 3 } }],
    ["a:1:2|b:1:2;3", { host: "a", isMultiAddress: true, client: { host: null, port: 3 } }],
  ])("is read: %s", (text, server) => {
    expect(parseZooServer(text)).toMatchObject(server);
  });

  it.each([
    ["", /must have the form/],
    ["a", /must have the form/],
    ["a:1", /must have the form/],
    [":1:2", /must have the form/],
    ["a:1:0", /must have the form/],
    ["a:1:65536", /must have the form/],
    ["a:x:2", /must have the form/],
    ["a:1:2:voter", /participant or observer, not "voter"/],
    ["a:1:2:observer:x", /must have the form/],
    ["a:1:2;3;4", /must have the form/],
    ["a:1:2;", /behind the semicolon/],
    ["a:1:2;b", /behind the semicolon/],
    ["a:1:2;b:c:3", /behind the semicolon/],
    ["fe80::1:1:2", /must have the form|brackets/],
    ["[fe80::1:1:2", /brackets|must have the form/],
    ["[a]:1:2", /must have the form/],
    ["a b:1:2", /"a b" is not a host/],
    ["a:1:2 # comment", /must have the form/],
  ])("is refused: %s", (text, why) => {
    expect(parseZooServer(text)).toMatch(why);
  });
});

describe("three nodes of one machine", () => {
  const PLACES = ["1:2888:3888", "2:2889:3889", "3:2890:3890"].map((text) => text.split(":"));
  const linesWith = (client: (id: string) => string): string[] =>
    PLACES.map(([id = "", m, e]) => `server.${id}=localhost:${m}:${e}${client(id)}`);

  it("are told where the client ports and their addresses go, mistake by mistake", () => {
    const open = { env: {} };
    const base = ["dataDir=DIR", "clientPort=2181"];
    expect(refusalOf([...base, ...linesWith(() => "")], open)).toMatch(
      /^ERR_CONFIG_RELATION: .*at the end of each line, as ;127\.0\.0\.1:2181 /,
    );
    const own = linesWith((id) => `;218${id}`);
    expect(refusalOf([...base, ...own], open)).toMatch(
      /^ERR_CONFIG_INSECURE: .*clientPortAddress=127\.0\.0\.1, or ;127\.0\.0\.1:2181 at the end/,
    );
    expect(addressesOf(load([...base, "clientPortAddress=127.0.0.1", ...own], open))[2]).toBe(
      "127.0.0.1:2181",
    );
    expect(refusalOf([...base, "quorumListenOnAllIPs=true", ...own], open)).toMatch(
      /^ERR_CONFIG_INSECURE: electionAddr .* or write 127\.0\.0\.1 as the host/,
    );
  });

  it("start from the file in the document, without a secret", () => {
    const page = new URL("../../../docs/configuration.md", import.meta.url);
    const block = /```properties\n([^]*?)```/.exec(readFileSync(page, "utf8"))?.[1] ?? "";
    for (const myid of ["1", "2", "3"]) {
      const lines = block
        .replace(/^dataDir=.*$/m, "dataDir=DIR")
        .trim()
        .split("\n");
      const config = load(lines, { env: {}, myid });
      expect(config.voters).toEqual([1, 2, 3]);
      expect(formatAddress(config.host.request)).toBe(`127.0.0.1:218${myid}`);
    }
  });
});
