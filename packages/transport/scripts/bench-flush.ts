// Compares when queued messages leave: `node --conditions=@quorate/source --import tsx FILE`.
// One message to and fro (what a lone client feels), then 30 pipes whose requests are all passed
// on over one pipe (what a follower under load does), with both ends in processes of their own.
import { fork } from "node:child_process";
import { silentLogger, silentMeter, toNodeId, type Clock, type PeerPipe } from "@quorate/protocol";
import { createClock, createPeerConnector, createPeerListener } from "../src/index.js";

const SOURCES = 30;
const DURATION_MS = 2000;
const flushes: Readonly<Record<string, Clock["defer"]>> = {
  setImmediate: (callback) => void setImmediate(callback),
  nextTick: (callback) => {
    process.nextTick(callback);
  },
};
const [, , mode = "", portText = ""] = process.argv;
const one = toNodeId(1);
const two = toNodeId(2);

function makeDeps(flush: string) {
  const defer = flushes[flush] ?? setImmediate;
  return { clock: { ...createClock(), defer }, logger: silentLogger, meter: silentMeter };
}

async function runFar(flush: string, port: number): Promise<void> {
  const connector = createPeerConnector(
    {
      nodeId: one,
      cluster: "bench",
      role: "voter",
      peers: new Map([[two, { host: "127.0.0.1", port }]]),
    },
    makeDeps(flush),
  );
  const { signal } = new AbortController();
  const trunk = await connector.connect(two, { signal });
  const sources: PeerPipe[] = [];
  for (let i = 0; i < SOURCES; i += 1) sources.push(await connector.connect(two, { signal }));
  const content = new Uint8Array(1024);
  const request = (id: number): void => {
    sources[id]?.send({ kind: "request", reqId: BigInt(id), op: 1, key: "/k", content });
  };
  trunk.attach({
    onMessages(messages) {
      for (const m of messages) {
        if (m.kind === "heartbeat" && m.answer) for (let i = 0; i < SOURCES; i += 1) request(i);
        else if (m.kind === "heartbeat") trunk.send(m);
        else if (m.kind === "request") request(Number(m.reqId));
      }
    },
    onClose: () => process.exit(0),
  });
}

async function measure(flush: string): Promise<void> {
  const listener = await createPeerListener(
    {
      nodeId: two,
      cluster: "bench",
      bind: { host: "127.0.0.1", port: 0 },
      voters: [one, two],
      allowsWatchers: false,
    },
    makeDeps(flush),
  );
  const pipes: PeerPipe[] = [];
  const ready = new Promise<void>((resolve) => {
    listener.onPipe((pipe) => {
      if (pipes.push(pipe) === SOURCES + 1) resolve();
    });
  });
  const port = String(listener.address.port);
  const far = fork(new URL(import.meta.url).pathname, ["far:" + flush, port]);
  await ready;
  const [trunk, ...sources] = pipes;
  if (trunk === undefined) throw new Error("no trunk");
  const roundTripsUs: number[] = [];
  let sentAt = 0;
  const ping = (): void => {
    sentAt = performance.now();
    trunk.send({ kind: "heartbeat", round: 1, answer: false, touches: [] });
  };
  let onPong = ping;
  trunk.attach({
    onMessages() {
      roundTripsUs.push((performance.now() - sentAt) * 1000);
      onPong();
    },
    onClose: () => undefined,
  });
  ping();
  await new Promise((resolve) => setTimeout(resolve, DURATION_MS));
  onPong = () => undefined;
  roundTripsUs.sort((a, b) => a - b);
  let passed = 0;
  for (const source of sources) {
    source.attach({
      onMessages(messages) {
        passed += messages.length;
        for (const m of messages) trunk.send(m);
      },
      onClose: () => undefined,
    });
  }
  const cpu = process.cpuUsage();
  trunk.send({ kind: "heartbeat", round: 1, answer: true, touches: [] });
  await new Promise((resolve) => setTimeout(resolve, DURATION_MS));
  const { user, system } = process.cpuUsage(cpu);
  const at = (share: number): string =>
    (roundTripsUs[Math.floor(roundTripsUs.length * share)] ?? 0).toFixed(0);
  console.log(
    `${flush}: round trip p50 ${at(0.5)} us, p99 ${at(0.99)} us; ` +
      `${((passed / DURATION_MS) * 1000).toFixed(0)} messages/s passed on, ` +
      `${((user + system) / passed).toFixed(1)} us of CPU each`,
  );
  far.kill();
  await listener.close();
}

if (mode.startsWith("far:")) {
  await runFar(mode.slice(4), Number(portText));
} else {
  for (const flush of Object.keys(flushes)) await measure(flush);
  process.exit(0);
}
