import { Kind, Pacer, type LoadConnection, type LoadSink } from "@quorate/load";
import { setTimeout as pause } from "node:timers/promises";
import type { WireProtocol } from "../contenders/contender.js";
import { microsNow } from "../profile/profile-report.js";
import { openWriter } from "./writers.js";
import type { ErrandMessage, Notice, Probe, ProbeOrder } from "./errands.js";

const BEAT_MS = 1;
/** An answer that comes later than this after the end is none. */
const LATE_MS = 10_000;

/** Writes at a steady rate until it is told to stop, and keeps each by itself. */
export async function probe(
  protocol: WireProtocol,
  order: ProbeOrder,
  tell: (notice: Notice) => void,
): Promise<readonly Probe[]> {
  const probes: Probe[] = [];
  const connections: LoadConnection[] = [];
  const clockOffset = microsNow() - performance.now() * 1000;
  const sink: LoadSink = {
    opened: () => undefined,
    answered: (_index, _kind, _key, startedAt, at, error) => {
      probes.push({ startedAt: startedAt * 1000 + clockOffset, ms: at - startedAt, error });
    },
  };
  for (let index = 0; index < order.connections; index += 1) {
    connections.push(await openWriter(protocol, order, index, sink, PROBES_IN_FLIGHT));
  }
  let isStopped = false;
  process.on("message", ({ kind }: ErrandMessage) => {
    if (kind === "stop") isStopped = true;
  });
  tell({ kind: "steady" });
  const pacer = new Pacer(order.ratePerSecond, performance.now());
  const until = performance.now() + order.forMsMax;
  let sent = 0;
  while (!isStopped && performance.now() < until) {
    for (const due = pacer.dueAt(performance.now()); sent < due; sent += 1) {
      const connection = connections[sent % connections.length];
      if (connection?.isOpen !== true || connection.inFlight >= PROBES_IN_FLIGHT) {
        const startedAt = pacer.intendedAt(sent) * 1000 + clockOffset;
        probes.push({ startedAt, ms: 0, error: "NO_CONNECTION" });
        continue;
      }
      connection.send(Kind.set, sent % order.keys, pacer.intendedAt(sent));
      connection.flush();
    }
    await pause(BEAT_MS);
  }
  const deadline = performance.now() + LATE_MS;
  while (connections.some(({ inFlight }) => inFlight > 0) && performance.now() < deadline) {
    await pause(BEAT_MS);
  }
  await Promise.all(connections.map((connection) => connection.close()));
  return probes;
}

const PROBES_IN_FLIGHT = 1_000;
