import { describe, expect, test } from "vitest";
import { ZkOp } from "../src/jute/op-codes.js";
import type { ZkOptions } from "../src/options.js";
import { TextLines } from "../src/words/text-lines.js";
import { WORDS } from "../src/words/words.js";
import { create, Harness, MemoryChannel } from "./support/harness.js";

const ALL: Partial<ZkOptions> = { words: ["*"] };

function ask(harness: Harness, word: string): string {
  const channel = new MemoryChannel();
  harness.frontEnd.accept(channel);
  channel.feed(new Uint8Array(Buffer.from(word)));
  expect(channel.isClosed).toBe(true);
  const text = Buffer.concat(channel.sent).toString();
  channel.hangUp();
  return text;
}

/** One client with a session, an ephemeral and two watches; time has passed. */
function lived(options = ALL): { harness: Harness; session: string } {
  const harness = new Harness(options);
  const client = harness.client();
  client.call(ZkOp.create, create("/w"));
  client.call(ZkOp.getData, { path: "/w", watch: true });
  client.call(ZkOp.exists, { path: "/v", watch: true });
  client.call(ZkOp.create, create("/eph", { flags: 1 }));
  harness.clock.advance(1_000);
  return { harness, session: `0x${client.session.toString(16)}` };
}

describe("the whitelist", () => {
  test("has srvr alone, and the rest is told so in ZooKeeper's words", () => {
    const harness = new Harness();
    expect(ask(harness, "srvr")).toMatch(/^Zookeeper version: /);
    for (const word of WORDS.filter((one) => one !== "srvr")) {
      expect(ask(harness, word)).toBe(
        `${word} is not executed because it is not in the whitelist.\n`,
      );
    }
  });

  test("has what it is given, and isro where clients may be read-only", () => {
    const harness = new Harness({ words: ["ruok"], isReadOnlyEnabled: true });
    expect([ask(harness, "ruok"), ask(harness, "isro")]).toEqual(["imok", "rw"]);
    expect(ask(harness, "stat")).toContain("whitelist");
  });
});

describe("the answers, in the format of a ZooKeeper 3.8", () => {
  test("ruok, gtmk, isro, dirs, envi, hash, crst, srst", () => {
    const harness = new Harness(ALL);
    expect(ask(harness, "ruok")).toBe("imok");
    expect(ask(harness, "gtmk")).toBe("306");
    expect(ask(harness, "isro")).toBe("rw");
    expect(ask(harness, "dirs")).toBe("datadir_size: 11\nlogdir_size: 22\n");
    expect(ask(harness, "envi")).toBe("Environment:\nos.name=Linux\n");
    expect(ask(harness, "hash")).toBe("100000001: 12345\n");
    expect(ask(harness, "crst")).toBe("Connection stats reset.\n");
    expect(ask(harness, "srst")).toBe("Server stats reset.\n");
  });

  test("srvr and stat", () => {
    const { harness } = lived();
    const srvr = [
      "Zookeeper version: 3.9.5-quorate, built on 2026-01-01 00:00 UTC",
      "Latency min/avg/max: 0/0.0/0",
      "Received: 6",
      "Sent: 5",
      "Connections: 2",
      "Outstanding: 0",
      "Zxid: 0x100000003",
      "Mode: follower",
      "Node count: 7",
      "",
    ];
    expect(ask(harness, "srvr").split("\n")).toEqual(srvr);
    const [version, ...rest] = ask(harness, "stat").split("\n");
    expect([version, ...rest.slice(0, 5)]).toEqual([
      "Zookeeper version: 3.9.5-quorate, built on 2026-01-01 00:00 UTC",
      "Clients:",
      " /127.0.0.1:40000[1](queued=0,recved=5,sent=5)",
      " /127.0.0.1:40000[0](queued=0,recved=1,sent=0)",
      "",
      "Latency min/avg/max: 0/0.0/0",
    ]);
  });

  test("cons", () => {
    const { harness, session } = lived();
    expect(ask(harness, "cons").split("\n")).toEqual([
      ` /127.0.0.1:40000[1](queued=0,recved=5,sent=5,sid=${session},lop=CREA,est=1700000001000,` +
        "to=10000,lcxid=0x4,lzxid=0x100000003,lresp=1000,llat=0,minlat=0,avglat=0,maxlat=0)",
      " /127.0.0.1:40000[0](queued=0,recved=1,sent=0)",
      "",
      "",
    ]);
  });

  test("wchs, wchc, wchp", () => {
    const { harness, session } = lived();
    expect(ask(harness, "wchs")).toBe("1 connections watching 2 paths\nTotal watches:2\n");
    expect(ask(harness, "wchc").split("\n").sort()).toEqual(
      ["", "", "\t/v", "\t/w", session].sort(),
    );
    expect(ask(harness, "wchp")).toBe(`/w\n\t${session}\n/v\n\t${session}\n\n`);
    expect(ask(new Harness(ALL), "wchc")).toBe("\n");
  });

  test("dump", () => {
    const { harness, session } = lived();
    expect(ask(harness, "dump").split("\n")).toEqual([
      "SessionTracker dump:",
      "Global Sessions(1):",
      `${session}\t10000ms`,
      "ephemeral nodes dump:",
      "Sessions with Ephemerals (1):",
      `${session}:`,
      "\t/eph",
      "Connections dump:",
      "Connections Sets (1)/(2):",
      "2 expire at Tue Nov 14 22:13:32 UTC 2023:",
      `\tip: /127.0.0.1:40000 sessionId: ${session}`,
      "\tip: /127.0.0.1:40000 sessionId: 0x0",
      "",
    ]);
  });

  test("conf and mntr, under ZooKeeper's names", () => {
    const { harness } = lived();
    expect(ask(harness, "conf").split("\n")).toEqual([
      "clientPort=2181",
      "tickTime=2000",
      "maxClientCnxns=60",
      "minSessionTimeout=4000",
      "maxSessionTimeout=40000",
      "serverId=3",
      "",
    ]);
    const mntr = new Map(
      ask(harness, "mntr")
        .trim()
        .split("\n")
        .map((line) => line.split("\t") as [string, string]),
    );
    expect(Object.fromEntries(mntr)).toMatchObject({
      zk_version: "3.9.5-quorate, built on 2026-01-01 00:00 UTC",
      zk_server_state: "follower",
      zk_num_alive_connections: "2",
      zk_avg_latency: "0.0",
      zk_outstanding_requests: "0",
      zk_znode_count: "7",
      zk_global_sessions: "1",
      zk_watch_count: "2",
      zk_last_client_response_size: "24",
      zk_min_client_response_size: "16",
      zk_max_client_response_size: "88",
      zk_open_file_descriptor_count: "42",
      zk_uptime: "2000",
    });
  });

  test("conf ends with the members of an ensemble", () => {
    const ensembleText = "server.1=a:2888:3888:participant;a:2181\nversion=0";
    const harness = new Harness({ ...ALL, ensembleText });
    expect(ask(harness, "conf")).toMatch(/serverId=3\nmembership: \nserver.1=a:.*\nversion=0$/);
  });

  test("a node that does not serve says so, but that it is there", () => {
    const harness = new Harness(ALL);
    harness.service.serve(false);
    const text = "This ZooKeeper instance is not currently serving requests";
    expect(ask(harness, "srvr")).toBe(`${text}\n`);
    expect(ask(harness, "mntr")).toBe(`${text}\n`);
    expect(ask(harness, "hash")).toBe(text);
    expect(ask(harness, "isro")).toBe("null");
    expect(ask(harness, "ruok")).toBe("imok");
  });

  test("a node that serves reads alone says so", () => {
    const harness = new Harness({ ...ALL, isReadOnlyEnabled: true });
    harness.service.serve(false);
    expect(ask(harness, "isro")).toBe("ro");
    expect(ask(harness, "srvr")).toContain(
      "READ-ONLY mode; serving only read-only clients\nLatency",
    );
    expect(ask(harness, "srvr")).toContain("\nMode: read-only\n");
  });
});

describe("long answers", () => {
  const MIB = 2 ** 20;

  /** As many connections, each of which takes a line of a little more than 1 MiB. */
  function crowded(count: number): Harness {
    const harness = new Harness(ALL);
    for (let i = 0; i < count; i += 1) harness.accept("x".repeat(MIB));
    return harness;
  }

  test("are whole up to their bound", () => {
    const cons = ask(crowded(3), "cons");
    expect(cons.length).toBeGreaterThan(3 * MIB);
    expect(cons).not.toContain("(cut off)");
    expect(ask(crowded(5), "cons")).toMatch(/\n\(cut off\)\n$/);
  });

  test("of stat lose clients, and nothing behind them", () => {
    const stat = ask(crowded(5), "stat");
    expect(stat.slice(stat.indexOf("(cut off)"))).toMatch(
      /^\(cut off\)\n\nLatency min\/avg\/max: .*\nMode: follower\nNode count: 7\n$/s,
    );
  });

  test("are bounded in bytes, of which a character may have several", () => {
    const lines = new TextLines(32);
    lines.list(["abc", "ü", "d"], 24);
    lines.line("e");
    expect(lines.isFull).toBe(false);
    lines.line("ü".repeat(7));
    expect(lines.isFull).toBe(true);
    const text = "abc\nü\n(cut off)\ne\n(cut off)\n";
    expect(Buffer.from(lines.bytes()).toString()).toBe(text);
  });
});
