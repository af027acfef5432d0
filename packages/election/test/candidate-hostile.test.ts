import type { LeaseAct } from "@quorate/protocol";
import { describe, expect, it } from "vitest";
import { findLeader } from "../src/index.js";
import {
  CandidateWorld,
  LEASE_MS,
  Process,
  TIMEOUT_MS,
  type Flight,
} from "./support/candidate-world.js";

async function elected(members: number): Promise<CandidateWorld> {
  const world = new CandidateWorld({ members });
  await world.startAll();
  await world.untilAgreed(1000);
  return world;
}

function isLease({ datagram }: Flight, act: LeaseAct): boolean {
  return "lease" in datagram && datagram.lease.act === act;
}

/** Keeps back what 2 says to 3 from the time when it is told to. */
class Delayed {
  readonly flights: Flight[] = [];
  isHeld = false;

  takes(flight: Flight): boolean {
    if (!this.isHeld || flight.from !== 2 || flight.to !== 3) return false;
    this.flights.push(flight);
    return true;
  }
}

describe("what a start said that is over, when it comes after the next start was welcomed", () => {
  it("grants no lead: no two lead", async () => {
    const world = new CandidateWorld({ members: 3 });
    let worst = 0;
    world.onMoment = () => (worst = Math.max(worst, world.leaders().length));
    const delayed = new Delayed();
    // Node 1 does not hear 3, and 2 hears no welcome: it waits, and says hello all the time.
    world.fate = (flight) => {
      if (flight.from === 3 && flight.to === 1) return [];
      if (flight.to === 2 && isLease(flight, "welcome")) return [];
      return delayed.takes(flight) ? [] : [1];
    };
    await world.start(1);
    await world.start(2);
    // Its claim has a greater term than the others will have.
    await world.start(3, { rank: () => ({ epoch: 9 }) });
    await world.advance(TIMEOUT_MS - 150);
    delayed.isHeld = true;
    while (!delayed.flights.some((flight) => isLease(flight, "grant"))) await world.advance(5);
    expect(delayed.flights.some((flight) => isLease(flight, "hello"))).toBe(true);
    expect(world.leaders()).toEqual([]);
    world.kill(2);
    // Its third start is welcomed by both; nothing else passes between it and 3.
    delayed.isHeld = false;
    const greetings: readonly LeaseAct[] = ["hello", "welcome", "note"];
    world.fate = (flight) =>
      (flight.from !== 3 && flight.to !== 3) || greetings.some((act) => isLease(flight, act))
        ? [1]
        : [];
    await world.start(2);
    await world.advance(150);
    expect(world.leaders()).toEqual([2]);
    for (const flight of delayed.flights) world.arrive(flight);
    await world.advance(TIMEOUT_MS);
    expect(worst).toBe(1);
  });

  it("does not make the voter mute for ever", async () => {
    const world = await elected(3);
    const delayed = new Delayed();
    world.fate = (flight) => {
      if (flight.to === 2 && isLease(flight, "welcome")) return [];
      return delayed.takes(flight) ? [] : [1];
    };
    world.kill(2);
    await world.start(2);
    await world.advance(TIMEOUT_MS - 50);
    delayed.isHeld = true;
    while (!delayed.flights.some((flight) => isLease(flight, "hello"))) await world.advance(5);
    world.kill(2);
    delayed.isHeld = false;
    world.heal();
    await world.start(2);
    await world.advance(20);
    for (const flight of delayed.flights) world.arrive(flight);
    await world.advance(1000);
    expect(world.agreedLeader()).toBe(3);
    world.kill(1);
    await world.advance(3 * LEASE_MS);
    expect(world.agreedLeader()).toBe(3);
  });
});

describe("findLeader", () => {
  it("names nobody who only claims", async () => {
    const world = new CandidateWorld({ members: 3 });
    for (const id of [1, 2]) await world.start(id);
    await world.advance(500);
    expect(world.leaders()).toEqual([]);
    const process = new Process(254, 1);
    world.processes.set(254, process);
    const found = findLeader({ cluster: "test", members: world.members }, world.network(process));
    const foundAt = found.then(() => world.leaders());
    await world.advance(3000);
    expect(await found).toMatchObject({ leader: 2, term: 1 });
    expect(await foundAt).toEqual([2]);
  });
});

describe("a leader", () => {
  it.each([3, 5])(
    "of %i keeps its lead when any one way is cut, but for a member",
    async (count) => {
      for (const from of Array.from({ length: count }, (_, index) => index + 1)) {
        for (let to = 1; to <= count; to += 1) {
          if (from === to) continue;
          const world = await elected(count);
          const lost: string[] = [];
          world.candidate(count).on("lost", ({ reason }) => lost.push(reason));
          world.fate = (flight) => (flight.from === from && flight.to === to ? [] : [1]);
          await world.advance(20_000);
          expect(lost, `${from}>${to}`).toEqual([]);
          const deaf = from === count ? to : null;
          for (const id of world.ids) {
            if (id === count) continue;
            const { status } = world.candidate(id).state;
            expect(status, `${id} with ${from}>${to}`).toBe(id === deaf ? "electing" : "following");
          }
        }
      }
    },
  );

  it("goes on asking in time under a stream of datagrams that are all fresh", async () => {
    const world = await elected(3);
    const last = world.sent.findLast((flight) => flight.from === 2 && isLease(flight, "grant"));
    if (last === undefined || !("lease" in last.datagram)) throw new Error("2 granted nothing");
    const { datagram } = last;
    const lease = { ...datagram.lease, act: "note" as const };
    for (let sequence = 1_000_000n; sequence < 1_006_000n; sequence += 1n) {
      world.arrive({ ...last, datagram: { ...datagram, lease, sequence } });
      await world.advance(0.5);
    }
    expect(world.candidate(3).isLeading).toBe(true);
    expect(world.candidate(3).state.term).toBe(1);
  });

  it.each(["close", "lease"])("hears that it has lost before any member does (%s)", async (how) => {
    const world = await elected(3);
    const releases = (): number => world.sent.filter((one) => isLease(one, "release")).length;
    const told: [number, boolean][] = [];
    const candidate = world.candidate(3);
    candidate.on("lost", () => told.push([releases(), candidate.isLeading]));
    if (how === "lease") world.partition([3]);
    else void candidate.close();
    await world.advance(LEASE_MS + 1);
    expect(told).toEqual([[0, false]]);
    expect(releases()).toBeGreaterThan(0);
  });

  it("says goodbye twice also when a listener closes it: one datagram may be lost", async () => {
    const world = new CandidateWorld({ members: 3 });
    await world.startAll();
    const candidate = world.candidate(3);
    candidate.on("leading", () => void candidate.close());
    await world.advance(LEASE_MS);
    expect(candidate.state.status).toBe("closed");
    const goodbyes = world.sent.filter((one) => one.from === 3 && isLease(one, "release"));
    expect(goodbyes.map(({ to }) => to)).toEqual([1, 2, 1, 2]);
  });
});
