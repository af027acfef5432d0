import { describe, expect, it } from "vitest";
import {
  DoubleSuspicion,
  FOREIGN_SIGNS_MIN,
  SIGN_SOURCES_MAX,
  SUSPECTS_MAX,
} from "../src/double-suspicion.js";
import { BallotNetwork, type Flight, type TIMINGS } from "./support/ballot-network.js";
import { CandidateWorld } from "./support/candidate-world.js";
import { VirtualClock } from "./support/virtual-clock.js";

const LASTING_MS = 3000;
const SILENCE_MS = 1500;
const CODE = "ERR_SERVER_DUPLICATE_ID";

/** Notes one sign of each start, `times` times with a pause; returns when something was told. */
function bench() {
  const clock = new VirtualClock();
  const suspicion = new DoubleSuspicion({ lastingMs: LASTING_MS, silenceMsMax: SILENCE_MS }, clock);
  let sequence = 0n;
  const signs = async (starts: readonly bigint[], times: number, pauseMs: number) => {
    const told: number[] = [];
    for (let i = 0; i < times; i += 1) {
      for (const start of starts) {
        suspicion.note({ start, source: start, sequence: (sequence += 1n) });
        if (suspicion.take()) told.push(clock.now());
      }
      await clock.advance(pauseMs);
    }
    return told;
  };
  return { clock, suspicion, signs };
}

describe("signs of one start", () => {
  it("that go on are told once, when they are enough and last", async () => {
    const { signs } = bench();
    expect(await signs([7n], 100, 100)).toEqual([LASTING_MS]);
    const slow = bench();
    expect(await slow.signs([7n], 100, 500)).toEqual([(FOREIGN_SIGNS_MIN - 1) * 500]);
  });

  it("that come seldom, or pause, are none that go on", async () => {
    const { signs } = bench();
    expect(await signs([7n], 100, SILENCE_MS + 1)).toEqual([]);
    for (let i = 0; i < 10; i += 1) {
      expect(await signs([7n], FOREIGN_SIGNS_MIN - 1, 400)).toEqual([]);
      await signs([], 1, SILENCE_MS);
    }
  });

  it("that was reported are not told again after a pause", async () => {
    const { signs } = bench();
    expect(await signs([7n], 50, 100)).toHaveLength(1);
    await signs([], 1, 3_600_000);
    expect(await signs([7n], 50, 100)).toEqual([]);
  });

  it("count once, however often a recording of them is replayed", async () => {
    const { clock, suspicion } = bench();
    for (let i = 0; i < 100; i += 1) {
      // Two recordings by turns, of two starts of one peer, and older ones between.
      suspicion.note({ start: 7n, source: 1n, sequence: 5n });
      suspicion.note({ start: 7n, source: 2n, sequence: 9n - BigInt(i % 9) });
      await clock.advance(100);
    }
    expect(suspicion.take()).toBe(false);
  });
});

describe("signs of several starts", () => {
  it("do not hide each other, as many as are watched at once", async () => {
    const { signs } = bench();
    const starts = Array.from({ length: SUSPECTS_MAX }, (_, index) => BigInt(index + 1));
    expect(await signs(starts, 100, 250)).toEqual(starts.map(() => LASTING_MS));
  });

  it("are bounded: one too many waits until another is silent", async () => {
    const { signs } = bench();
    const starts = Array.from({ length: SUSPECTS_MAX }, (_, index) => BigInt(index + 1));
    expect(await signs([...starts, 99n], 100, 250)).toHaveLength(SUSPECTS_MAX);
    expect(await signs([...starts.slice(1), 99n], 100, 250)).toHaveLength(1);
  });

  it("are counted of so many senders only", async () => {
    const { clock, suspicion } = bench();
    for (let source = 1n; source <= 100n; source += 1n) {
      suspicion.note({ start: 7n, source, sequence: 1n });
    }
    // Whoever came first is counted on, whoever came last is not.
    for (const [source, isTold] of [
      [100n, false],
      [BigInt(SIGN_SOURCES_MAX), true],
    ] as const) {
      for (let sequence = 2n; sequence <= 12n; sequence += 1n) {
        await clock.advance(300);
        suspicion.note({ start: 7n, source, sequence });
      }
      expect(suspicion.take()).toBe(isTold);
    }
  });
});

/** Three nodes with an elected leader, 3. */
async function elected(timings: Partial<typeof TIMINGS> = {}): Promise<BallotNetwork> {
  const network = new BallotNetwork({ voters: [1, 2, 3], timings });
  for (const id of [1, 2, 3]) network.boot(id);
  for (const id of [1, 2, 3]) network.start(id);
  await network.clock.advance(20);
  expect(network.leaders()).toEqual([3, 3, 3]);
  return network;
}

const toldOfLeader = [1, 2].map((id) => ({ id, data: { code: CODE, leader: 3 } }));
const byId = (network: BallotNetwork) => [...network.errors].sort((a, b) => a.id - b.id);

describe("a double of the leader that is followed", () => {
  it.each([1500, 60_000])("is told once, and no restart (followerTimeoutMs %i)", async (ms) => {
    const network = await elected({ followerTimeoutMs: ms });
    network.boot(3);
    network.start(3);
    await network.clock.advance(2 * ms - 1);
    expect(network.errors).toEqual([]);
    await network.clock.advance(10_000);
    expect(byId(network)).toEqual(toldOfLeader);
    await network.clock.advance(2 * ms);
    expect(network.errors).toHaveLength(2);
  });

  it("is no leader of candidates that is restarted at once, with long timeouts", async () => {
    const timings = { heartbeatMs: 500, leaseMs: 10_000, followerTimeoutMs: 15_000 };
    const world = new CandidateWorld({ members: 3, timings });
    const errors: unknown[] = [];
    const logger = {
      debug: () => undefined,
      info: () => undefined,
      warn: () => undefined,
      error: (_message: string, data: unknown) => void errors.push(data),
      child: () => logger,
    };
    for (const id of world.ids) await world.start(id, { logger });
    await world.untilAgreed(30_000);
    const leader = world.agreedLeader() ?? 0;
    world.kill(leader);
    await world.advance(200);
    await world.start(leader, { logger });
    await world.advance(60_000);
    expect(world.agreedLeader()).not.toBeNull();
    expect(errors).toEqual([]);
  });

  it("is none of whom old datagrams come, one an hour or one again and again", async () => {
    const network = new BallotNetwork({ voters: [1, 2, 3] });
    for (const id of [1, 2, 3]) network.boot(id);
    network.start(3);
    await network.clock.advance(10_000);
    const old = network.sent.filter(({ datagram, to }) => datagram.sender === 3 && to === 1);
    for (const id of [1, 2, 3]) network.boot(id);
    for (const id of [1, 2, 3]) network.start(id);
    await network.clock.advance(500);
    const replay = async (flights: readonly Flight[], pauseMs: number) => {
      for (const flight of flights) {
        network.deliver(flight);
        await network.clock.advance(pauseMs);
      }
    };
    expect(old.length).toBeGreaterThan(2 * FOREIGN_SIGNS_MIN);
    await replay(old, 3_600_000);
    await replay(Array<Flight>(100).fill(old[0] as Flight), 400);
    expect(network.leaders()).toEqual([3, 3, 3]);
    expect(network.errors).toEqual([]);
  });

  it("is told also when there are two, whose datagrams alternate", async () => {
    const network = await elected();
    const asked = network.sent.find(({ datagram, to }) => datagram.sender === 3 && to === 1);
    const { datagram } = asked as Flight;
    for (let sequence = 1n; sequence <= 100n; sequence += 1n) {
      for (const bootId of [111n, 222n]) {
        const flight = { ...datagram, bootId, sequence, echo: 0n };
        network.deliver({ ...(asked as Flight), datagram: flight });
        await network.clock.advance(250);
      }
    }
    const told = { id: 1, data: { code: CODE, leader: 3 } };
    expect(network.errors).toEqual([told, told]);
  });
});

describe("a node that was restarted", () => {
  it("has no double when what it sends is lost and a peer echoes its start before", async () => {
    const network = new BallotNetwork({ voters: [1, 2, 3, 4, 5] });
    for (const id of [1, 2]) network.boot(id);
    for (const id of [1, 2]) network.start(id);
    await network.clock.advance(1000);
    network.boot(1);
    network.fate = ({ datagram }) => (datagram.sender === 1 ? [] : [1]);
    network.start(1);
    await network.clock.advance(10_000);
    expect(network.errors).toEqual([]);
  });

  it("has one when a peer that has heard it goes on hearing another", async () => {
    const network = new BallotNetwork({ voters: [1, 2, 3, 4, 5] });
    for (const id of [1, 2]) network.boot(id);
    for (const id of [1, 2]) network.start(id);
    await network.clock.advance(1000);
    const heard = network.sent.find(({ datagram, to }) => datagram.sender === 1 && to === 2);
    for (let sequence = 1n; sequence <= 40n; sequence += 1n) {
      const { datagram } = heard as Flight;
      const double = { ...datagram, bootId: 111n, sequence, echo: 0n };
      network.deliver({ ...(heard as Flight), datagram: double });
      await network.clock.advance(250);
    }
    expect(network.errors).toEqual([{ id: 1, data: { code: CODE, heardFrom: 2 } }]);
  });
});
