import { describe, expect, it } from "vitest";
import { CandidateWorld, LEASE_MS, TIMEOUT_MS, type Flight } from "./support/candidate-world.js";

/** A ballot, the claim and its grants, with datagrams that take 1 ms. */
const ELECTION_MS = 200;

async function elected(members: number): Promise<CandidateWorld> {
  const world = new CandidateWorld({ members });
  await world.startAll();
  await world.untilAgreed(1000);
  return world;
}

/** What happened at each candidate, in order. */
function record(world: CandidateWorld): string[] {
  const log: string[] = [];
  for (const [id, { candidate }] of world.processes) {
    candidate?.on("leading", ({ term }) => log.push(`${id} leads ${term}`));
    candidate?.on("following", ({ leader }) => log.push(`${id} follows ${leader}`));
    candidate?.on("lost", ({ reason }) => log.push(`${id} lost ${reason}`));
  }
  return log;
}

describe("a leader", () => {
  it.each([1, 2, 3, 4, 5, 7])("of %i is the highest id when all are equal", async (members) => {
    const world = await elected(members);
    expect(world.agreedLeader()).toBe(members);
    expect(world.candidate(members).leadsForMs).toBeGreaterThan(0.5 * LEASE_MS);
    await world.advance(10_000);
    expect(world.agreedLeader()).toBe(members);
    expect(world.candidate(members).state.term).toBe(1);
  });

  it("is who ranks highest, as each says when the ballot is held", async () => {
    const world = new CandidateWorld({ members: 3 });
    const logged = new Map([
      [1, 7n],
      [2, 5n],
      [3, 5n],
    ]);
    for (const id of world.ids) {
      await world.start(id, { rank: () => ({ epoch: 2, lastLogged: logged.get(id) ?? 0n }) });
    }
    await world.untilAgreed(1000);
    expect(world.candidate(1).state).toEqual({ status: "leading", leader: 1, term: 3 });
    logged.set(2, 6n);
    world.kill(1);
    await world.untilAgreed(TIMEOUT_MS + ELECTION_MS);
    expect(world.candidate(2).state).toEqual({ status: "leading", leader: 2, term: 4 });
  });

  it("that is killed is followed by another within followerTimeoutMs and an election", async () => {
    const world = await elected(3);
    await world.advance(5000);
    world.kill(3);
    const gapMs = await world.untilAgreed(TIMEOUT_MS + ELECTION_MS);
    expect(gapMs).toBeGreaterThan(LEASE_MS);
    expect(world.agreedLeader()).toBe(2);
    await world.start(3);
    await world.untilAgreed(1000);
    expect(world.candidate(3).state).toEqual({ status: "following", leader: 2, term: 2 });
  });

  it("that closes is followed by another at once", async () => {
    const world = await elected(3);
    const log = record(world);
    const closing = world.candidate(3).close();
    expect(log).toEqual(["3 lost left"]);
    await world.advance(ELECTION_MS);
    await closing;
    expect(log).toEqual(["3 lost left", "2 leads 2", "1 follows 2"]);
    expect(world.candidate(3).state.status).toBe("closed");
  });

  it("that is cut off loses the lead before another has it", async () => {
    const world = await elected(5);
    const log = record(world);
    world.partition([5]);
    await world.advance(LEASE_MS + 1);
    expect(world.candidate(5).isLeading).toBe(false);
    expect(log).toEqual(["5 lost lease"]);
    await world.advance(TIMEOUT_MS);
    expect(log.slice(1)).toEqual(expect.arrayContaining(["4 leads 2", "1 follows 4"]));
    world.heal();
    await world.untilAgreed(2000);
    expect(world.agreedLeader()).toBe(4);
  });

  it("that is paused for longer than its lease knows so before it does anything", async () => {
    const world = await elected(3);
    const log = record(world);
    const process = world.process(3);
    let first: boolean | null = null;
    process.pause();
    await world.advance(TIMEOUT_MS + ELECTION_MS);
    expect(log).toEqual(["2 leads 2", "1 follows 2"]);
    world.onMoment = () => (first ??= world.candidate(3).isLeading);
    world.resume(3);
    expect(first).toBe(false);
    expect(log[2]).toBe("3 lost lease");
    await world.untilAgreed(1000);
    expect(world.agreedLeader()).toBe(2);
  });

  it.each(["from", "to"] as const)(
    "that is heard and hears nobody, or hears and is not heard, makes way (cut: %s)",
    async (direction) => {
      for (const members of [3, 5]) {
        const world = await elected(members);
        let worst = 0;
        world.onMoment = () => (worst = Math.max(worst, world.leaders().length));
        world.fate = (flight) => (flight[direction] === members ? [] : [1]);
        await world.advance(3 * TIMEOUT_MS);
        expect(world.leaders()).toEqual([members - 1]);
        await world.advance(20_000);
        expect(world.candidate(members - 1).state.term).toBe(2);
        expect(worst).toBe(1);
      }
    },
  );

  it("keeps the lead while a minority is restarted, again and again", async () => {
    const world = await elected(5);
    const log = record(world);
    for (let round = 0; round < 20; round += 1) {
      const id = 1 + (round % 2);
      world.kill(id);
      await world.advance(round * 20);
      await world.start(id);
      await world.advance(700);
    }
    expect(log.filter((line) => line.startsWith("5"))).toEqual([]);
  });

  it("of two loses the lead with the other one, within a lease", async () => {
    const world = await elected(2);
    const log = record(world);
    world.kill(1);
    await world.advance(LEASE_MS + 1);
    expect(log).toEqual(["2 lost lease"]);
    await world.advance(10_000);
    expect(world.leaders()).toEqual([]);
    await world.start(1);
    await world.untilAgreed(3000);
  });

  it("is none where no side has more than half: four, two and two", async () => {
    const world = await elected(4);
    world.partition([1, 2]);
    await world.advance(LEASE_MS + 1);
    expect(world.leaders()).toEqual([]);
    await world.advance(20_000);
    expect(world.leaders()).toEqual([]);
    world.heal();
    await world.untilAgreed(4000);
  });

  it("steps down when a voter remembers a term that the others have forgotten", async () => {
    const world = await elected(3);
    for (let term = 2; term <= 4; term += 1) {
      const leader = world.agreedLeader() ?? 0;
      world.kill(leader);
      await world.untilAgreed(TIMEOUT_MS + ELECTION_MS);
      await world.start(leader);
      await world.untilAgreed(1000);
    }
    const { term } = world.candidate(1).state;
    expect(term).toBe(4);
    // Node 1 is cut off, and the two others forget all they knew.
    world.partition([1]);
    for (const id of [2, 3]) world.kill(id);
    for (const id of [2, 3]) await world.start(id);
    await world.advance(2 * TIMEOUT_MS + ELECTION_MS);
    expect(world.candidate(3).state).toEqual({ status: "leading", leader: 3, term: 1 });
    world.heal();
    await world.advance(2000);
    await world.untilAgreed(2000);
    expect(world.candidate(1).state.term).toBeGreaterThan(4);
  });
});

describe("what is not promised", () => {
  it("one leader, when clocks differ by more than followerTimeoutMs : leaseMs", async () => {
    const lead = async (rate: number): Promise<number> => {
      const world = new CandidateWorld({ members: 3 });
      for (const id of [1, 2]) await world.start(id, {}, { rate });
      await world.start(3);
      await world.untilAgreed(1000);
      let worst = 0;
      world.onMoment = () => (worst = Math.max(worst, world.leaders().length));
      world.partition([3]);
      await world.advance(3 * TIMEOUT_MS);
      return worst;
    };
    expect(await lead(1.4)).toBe(1);
    expect(await lead(2)).toBe(2);
  });

  it("a leader, while more than half are not there", async () => {
    const world = new CandidateWorld({ members: 3 });
    await world.start(3);
    await world.advance(60_000);
    expect(world.candidate(3).state.status).toBe("electing");
  });
});

describe("a second process under one id", () => {
  it.each([1, 3])("ends with ERR_SERVER_DUPLICATE_ID; the first one stays (%i)", async (id) => {
    const world = await elected(3);
    const log = record(world);
    // It listens where no member looks for it, as a copied configuration does.
    const { candidate } = await world.start(id, {}, { at: 100 });
    await world.advance(4000);
    const error = await candidate?.closed;
    expect(error).toMatchObject({ code: "ERR_SERVER_DUPLICATE_ID" });
    expect(candidate?.state.status).toBe("closed");
    await expect(candidate?.states().next()).resolves.toMatchObject({
      value: { status: "closed" },
    });
    world.processes.delete(100);
    expect(log).toEqual([]);
    expect(world.agreedLeader()).toBe(3);
  });

  it("is not taken for one when the first was restarted", async () => {
    const world = await elected(3);
    for (let round = 0; round < 10; round += 1) {
      world.kill(1);
      await world.start(1);
      await world.advance(500);
    }
    await world.advance(5000);
    expect(world.agreedLeader()).toBe(3);
    expect(world.candidate(1).state.status).toBe("following");
  });
});

describe("what does not belong to the election", () => {
  it("another cluster's candidates change nothing and agree with nobody", async () => {
    const world = await elected(3);
    const log = record(world);
    const { candidate } = await world.start(2, { cluster: "other" }, { at: 100 });
    await world.advance(10_000);
    expect(candidate?.state.status).toBe("electing");
    expect(log).toEqual([]);
  });

  it("one that is not among the members is not heard", async () => {
    const world = await elected(3);
    const log = record(world);
    const members = { ...world.members, 9: "host:9" };
    const { candidate } = await world.start(9, { members });
    await world.advance(10_000);
    expect(candidate?.state.status).not.toBe("leading");
    expect(log).toEqual([]);
  });

  it("recordings of an earlier life grant nothing and depose nobody", async () => {
    const world = await elected(3);
    await world.advance(1000);
    world.kill(3);
    await world.untilAgreed(TIMEOUT_MS + ELECTION_MS);
    const recorded: Flight[] = [...world.sent];
    world.kill(1);
    await world.start(1);
    await world.start(3);
    await world.untilAgreed(2000);
    const leader = world.agreedLeader();
    const log = record(world);
    for (const flight of recorded) {
      world.arrive(flight);
      await world.advance(1);
    }
    await world.advance(5000);
    expect(log).toEqual([]);
    expect(world.agreedLeader()).toBe(leader);
  });

  it("a voter that holds grants for less than the claimant's lease does not grant", async () => {
    const world = new CandidateWorld({ members: 3 });
    const timings = { heartbeatMs: 50, leaseMs: 200, followerTimeoutMs: 400 };
    for (const id of [1, 2]) await world.start(id, { timings });
    await world.start(3);
    await world.advance(20_000);
    expect(world.candidate(3).isLeading).toBe(false);
  });
});
