import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ServerProcess } from "@quorate/testkit/processes";
import { COMMAND, layOut, loadOf, others, quorate, startEnsemble, verdict } from "./support.js";

/** Writes a variant of a node's configuration and returns its file. */
function variant(file: string, name: string, change: Record<string, unknown>): string {
  const config = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
  const path = join(file, "..", name);
  writeFileSync(path, JSON.stringify({ ...config, ...change }));
  return path;
}

const FREE_PORTS = {
  host: { electionAddr: "0", messageAddr: "0", requestAddr: "0" },
} as const;

it("a second process on one data directory is refused, the first goes on", async () => {
  await using started = await startEnsemble();
  const { ensemble } = started;
  const config = variant(ensemble.configFile(1), "second.json", FREE_PORTS);
  const second = await quorate("server", "--config", config);
  expect(second.code).toBe(3);
  expect(second.err).toContain("ERR_STORE_LOCKED");
  expect(await ensemble.untilReady()).toBe(started.leader);
});

it("a second node of one id counts nowhere and harms nobody, also in an election", async () => {
  await using started = await startEnsemble();
  const { ensemble, leader } = started;
  const [doubled = 0] = others(ensemble, leader);
  const load = loadOf(ensemble);
  await load.start("w");
  const config = variant(ensemble.configFile(doubled), "double.json", {
    ...FREE_PORTS,
    dataDir: join(ensemble.dataDir(doubled), "..", "other"),
  });
  const double = new ServerProcess([...COMMAND, "server", "--config", config]);
  try {
    await ensemble.until("the double to elect", () => double.log.includes("clients are served"));
    await load.more(300);
    const killedAt = performance.now();
    await ensemble.kill("SIGKILL", leader);
    await load.next(({ from }) => from > killedAt);
    ensemble.start(leader);
    // Whose leader's id sends ballots takes it for that leader, started again, and answers nothing.
    while ((await ensemble.untilReady()) === doubled) {
      await ensemble.kill("SIGKILL", doubled);
      await ensemble.untilReady(others(ensemble, doubled));
      ensemble.start(doubled);
    }
    expect(double.log).not.toMatch(/leading|following/);
    // The peers answer the double's ballots at the address that the configuration gives to the id.
    await ensemble.until("the other to be told", () =>
      ensemble.process(doubled).log.includes("ERR_SERVER_DUPLICATE_ID"),
    );
  } finally {
    double.signal("SIGKILL");
    await double.ended;
  }
  expect(await verdict(load, ensemble)).toEqual([]);
});

it("a port in use is named, and nothing is left behind", async () => {
  await using laidOut = await layOut();
  const { ensemble } = laidOut;
  const { request, message, election } = ensemble.portsOf(1);
  for (const port of [request, message]) {
    const holder = createServer().listen(port, "127.0.0.1");
    await once(holder, "listening");
    const refused = await quorate("server", "--config", ensemble.configFile(1));
    expect(refused.code).toBe(3);
    expect(refused.err).toContain("ERR_SERVER_PORT_IN_USE");
    expect(refused.err).toContain(String(port));
    holder.close();
  }
  const holder = createSocket("udp4").bind(election, "127.0.0.1");
  await once(holder, "listening");
  const refused = await quorate("server", "--config", ensemble.configFile(1));
  expect(refused.code).toBe(3);
  expect(refused.err).toContain("ERR_SERVER_PORT_IN_USE");
  holder.close();
  ensemble.start();
  await ensemble.untilReady();
});

it("a typo, an unknown key and a bad value in the configuration are named", async () => {
  await using laidOut = await layOut();
  const file = laidOut.ensemble.configFile(1);
  const cases = [
    [{ dataDirectory: "x" }, "ERR_CONFIG_UNKNOWN_KEY", "dataDir"],
    [{ timings: { leaseMS: 5 } }, "ERR_CONFIG_UNKNOWN_KEY", "leaseMs"],
    [{ nodeId: 0 }, "ERR_CONFIG_VALUE", "nodeId"],
    [{ timings: { leaseMs: 9000 } }, "ERR_CONFIG_RELATION", "followerTimeoutMs"],
  ] as const;
  for (const [change, code, hint] of cases) {
    const refused = await quorate("server", "--config", variant(file, "bad.json", change));
    expect(refused.code).toBe(2);
    expect(refused.err).toContain(code);
    expect(refused.err).toContain(hint);
  }
  writeFileSync(file, "{ not json");
  const refused = await quorate("server", "--config", file);
  expect(refused.code).toBe(2);
  expect(refused.err).toContain("ERR_CONFIG_FILE");
});

it("garbage on every port leaves the processes up and the writes going", async () => {
  await using started = await startEnsemble();
  const { ensemble } = started;
  const load = loadOf(ensemble);
  await load.start("w");
  const sent: Promise<void>[] = [];
  for (const id of ensemble.ids) {
    const { request, message, election } = ensemble.portsOf(id);
    for (const garbage of garbageOf()) {
      sent.push(sendUdp(election, garbage), sendTcp(request, garbage), sendTcp(message, garbage));
    }
  }
  await Promise.all(sent);
  await load.more(300);
  for (const id of ensemble.ids) expect(ensemble.process(id).exit).toBeNull();
  expect(await ensemble.untilReady()).toBe(started.leader);
  expect(await verdict(load, ensemble)).toEqual([]);
});

/** Nothing, noise of several sizes, and what breaks off in the middle of the right protocol. */
function garbageOf(): Uint8Array[] {
  const noise = (length: number): Uint8Array =>
    Uint8Array.from({ length }, (_, i) => (i * 2_654_435_761) >>> 13);
  const upgrade = (protocol: string): string =>
    "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
    `Sec-WebSocket-Protocol: ${protocol}\r\n\r\n`;
  const texts = ["GET / HTTP/1.1\r\n", "POST /status HTTP/1.1\r\nHost: x\r\n\r\n", "\0\0\0\0"];
  const spoken = ["quorate.msgpackr.1", "none"].map((name) =>
    Buffer.concat([Buffer.from(upgrade(name)), noise(500)]),
  );
  return [
    new Uint8Array(0),
    noise(1),
    noise(37),
    noise(999),
    noise(30_000),
    ...texts.map((text) => Buffer.from(text)),
    ...spoken,
  ];
}

function sendUdp(port: number, data: Uint8Array): Promise<void> {
  const socket = createSocket("udp4");
  return new Promise((resolve, reject) => {
    socket.send(data, port, "127.0.0.1", (error) => {
      socket.close();
      if (error === null) resolve();
      else reject(error);
    });
  });
}

/** Sends, half-closes and waits until the other side has closed as well, or reset. */
function sendTcp(port: number, data: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.on("close", () => resolve());
    socket.resume();
    socket.end(data);
  });
}

it("a directory copied from another node's does not count as its own (F32)", async () => {
  await using started = await startEnsemble();
  const { ensemble, leader } = started;
  const [copied = 0, other = 0] = others(ensemble, leader);
  await ensemble.kill("SIGTERM", copied);
  ensemble.wipe(copied);
  cpSync(ensemble.dataDir(other), ensemble.dataDir(copied), { recursive: true });
  ensemble.start(copied);
  await ensemble.until("the leader not to count it", () =>
    ensemble
      .process(leader)
      .log.includes(`a voter is not counted yet node=${leader} peer=${copied}`),
  );
  await ensemble.untilReady();
  await ensemble.untilEqual();
});
