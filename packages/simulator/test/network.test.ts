import {
  defaultMsgFactory,
  QuorateError,
  toNodeId,
  type NodeId,
  type PeerMsg,
  type PeerPipe,
} from "@quorate/protocol";
import { describe, expect, it } from "vitest";
import {
  drawPartition,
  LinkMap,
  NodeHost,
  PipeNetwork,
  RandomStream,
  Scheduler,
  structuredCodec,
} from "../src/index.js";

const ids = [1, 2, 3].map(toNodeId);

function world(seed = 1, queueBytesMax = 1 << 20) {
  const scheduler = new Scheduler();
  const random = new RandomStream(seed);
  const links = new LinkMap(ids);
  const network = new PipeNetwork(
    {
      scheduler,
      random: random.split("pipes"),
      links,
      codec: structuredCodec,
      observer: {
        onMessageSent: () => undefined,
        onMessagesReceived: () => undefined,
        onOverflow: () => undefined,
      },
    },
    { queueBytesMax },
  );
  const hosts = new Map<NodeId, NodeHost>();
  for (const id of ids) {
    const host = new NodeHost(id, scheduler, random.split(`host ${id}`), {
      onUncaught: (_host, error) => {
        throw error;
      },
    });
    host.boot();
    network.addHost(host);
    hosts.set(id, host);
  }
  const hostOf = (id: number): NodeHost => hosts.get(toNodeId(id)) as NodeHost;
  return { scheduler, links, network, hostOf, random };
}

interface Recorded {
  readonly rounds: number[];
  readonly closed: string[];
}

function record(pipe: PeerPipe): Recorded {
  const seen: Recorded = { rounds: [], closed: [] };
  pipe.attach({
    onMessages: (messages: readonly PeerMsg[]) => {
      for (const message of messages) {
        if (message.kind === "heartbeat") seen.rounds.push(message.round);
      }
    },
    onClose: (reason) => seen.closed.push(reason.code),
  });
  return seen;
}

async function joined(w: ReturnType<typeof world>): Promise<[PeerPipe, PeerPipe]> {
  let accepted: PeerPipe | null = null;
  let connected: PeerPipe | null = null;
  w.network.listener(w.hostOf(2)).onPipe((pipe) => (accepted = pipe));
  const { signal } = new AbortController();
  w.network
    .connector(w.hostOf(1))
    .connect(toNodeId(2), { signal })
    .then(
      (pipe) => (connected = pipe),
      () => undefined,
    );
  await w.scheduler.run(w.scheduler.nowMs + 10);
  if (accepted === null || connected === null) throw new Error("not connected");
  return [connected, accepted];
}

const beat = (round: number): PeerMsg => defaultMsgFactory.createHeartbeat(round, false);
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe("a simulated pipe", () => {
  it("delivers in order what was sent before a graceful close, then closes", async () => {
    const w = world();
    const [a, b] = await joined(w);
    const seen = record(b);
    const own = record(a);
    w.hostOf(1).after(0, "x", () => {
      for (const round of range(50)) a.send(beat(round));
      a.close(new QuorateError("ERR_SERVER_CLOSED", "done"));
      a.send(beat(99));
    });
    await w.scheduler.run(200);
    expect(seen).toEqual({ rounds: range(50), closed: ["ERR_PROTOCOL_CLOSED"] });
    expect(own.closed).toEqual(["ERR_SERVER_CLOSED"]);
  });

  it("keeps what arrives before attach", async () => {
    const w = world();
    const [a, b] = await joined(w);
    a.send(beat(1));
    await w.scheduler.run(100);
    const seen = record(b);
    expect(seen.rounds).toEqual([]);
    await w.scheduler.run(110);
    expect(seen.rounds).toEqual([1]);
  });

  it("stops at a one-way cut and goes on after it, without a hole (F7)", async () => {
    const w = world();
    const [a, b] = await joined(w);
    const atB = record(b);
    const atA = record(a);
    for (const round of range(30)) {
      w.hostOf(1).after(round * 10, "x", () => a.send(beat(round)));
      w.hostOf(2).after(round * 10, "x", () => b.send(beat(round)));
    }
    w.scheduler.after(100, "x", () => w.links.change(toNodeId(1), toNodeId(2), { isCut: true }));
    await w.scheduler.run(1000);
    expect(atA.rounds).toEqual(range(30));
    expect(atB.rounds.length).toBeLessThan(15);
    expect(atB.rounds).toEqual(range(atB.rounds.length));
    w.links.heal();
    await w.scheduler.run(2000);
    expect(atB.rounds).toEqual(range(30));
  });

  it("leaves the other end believing when one is lost, until it sends (F6)", async () => {
    const w = world();
    const [a, b] = await joined(w);
    const seen = [record(a), record(b)];
    w.network.halfOpen(w.network.openConnections()[0] ?? 0);
    await w.scheduler.run(1000);
    expect(seen.filter((end) => end.closed.length > 0)).toHaveLength(1);
    a.send(beat(1));
    b.send(beat(1));
    await w.scheduler.run(2000);
    expect(seen.map((end) => end.closed)).toEqual([
      ["ERR_PROTOCOL_CLOSED"],
      ["ERR_PROTOCOL_CLOSED"],
    ]);
    expect(seen.flatMap((end) => end.rounds)).toEqual([]);
  });

  it("tells the peer of a killed process, and is silent after a power loss", async () => {
    const killed = world();
    const [a] = await joined(killed);
    const seen = record(a);
    killed.hostOf(2).end("killed");
    await killed.scheduler.run(1000);
    expect(seen.closed).toHaveLength(1);

    const dark = world();
    const [c] = await joined(dark);
    const other = record(c);
    dark.hostOf(2).end("powerLoss");
    c.send(beat(1));
    await dark.scheduler.run(1000);
    expect(other.closed).toEqual([]);
    dark.hostOf(2).boot();
    c.send(beat(2));
    await dark.scheduler.run(2000);
    expect(other.closed).toEqual(["ERR_PROTOCOL_CLOSED"]);
  });

  it("closes on a damaged frame, and delivers nothing of it (F5)", async () => {
    const w = world();
    const [a, b] = await joined(w);
    const seen = [record(a), record(b)];
    w.network.corruptNextFrame(w.network.openConnections()[0] ?? 0);
    a.send(beat(1));
    b.send(beat(2));
    await w.scheduler.run(100);
    expect(seen.flatMap((end) => end.closed)).toContain("ERR_PROTOCOL_DECODE");
    expect(seen.flatMap((end) => end.rounds).length).toBeLessThan(2);
  });

  it("closes when a slow receiver's queue is full (F15)", async () => {
    const w = world(1, 2000);
    const [a] = await joined(w);
    const seen = record(a);
    w.links.change(toNodeId(1), toNodeId(2), { bytesPerMs: 0.1 });
    for (const round of range(200)) w.hostOf(1).after(round, "x", () => a.send(beat(round)));
    await w.scheduler.run(1000);
    expect(seen.closed).toEqual(["ERR_PROTOCOL_OVERFLOW"]);
  });

  it("refuses a connection to a dead process and times out over a cut link", async () => {
    const w = world();
    const outcomes: unknown[] = [];
    const { signal } = new AbortController();
    const attempt = (): void => {
      w.network
        .connector(w.hostOf(1))
        .connect(toNodeId(3), { signal })
        .catch((error: unknown) => outcomes.push((error as QuorateError).code));
    };
    w.hostOf(1).after(0, "x", attempt);
    await w.scheduler.run(100);
    w.links.partition(() => false);
    w.hostOf(1).after(0, "x", attempt);
    await w.scheduler.run(3000);
    expect(outcomes).toEqual(["ERR_PROTOCOL_CLOSED", "ERR_PROTOCOL_TIMEOUT"]);
  });
});

describe("a partition", () => {
  it.each(["split", "bridge", "ring"] as const)(
    "of shape %s leaves a quorum somewhere",
    (shape) => {
      const five = [1, 2, 3, 4, 5].map(toNodeId);
      for (let seed = 0; seed < 50; seed += 1) {
        const { mayPass } = drawPartition(shape, five, null, new RandomStream(seed));
        const reach = five.map((a) =>
          five.filter((b) => a === b || (mayPass(a, b) && mayPass(b, a))),
        );
        expect(Math.max(...reach.map((nodes) => nodes.length))).toBeGreaterThanOrEqual(3);
        expect(Math.min(...reach.map((nodes) => nodes.length))).toBeLessThan(5);
      }
    },
  );
});
