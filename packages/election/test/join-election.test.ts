import {
  silentLogger,
  type ElectionNetwork,
  type Logger,
  type QuorateError,
} from "@quorate/protocol";
import { describe, expect, it } from "vitest";
import {
  findLeader,
  joinElection,
  type CandidateState,
  type JoinElectionOptions,
} from "../src/index.js";
import { CandidateWorld, Process, TIMEOUT_MS } from "./support/candidate-world.js";
import { drainPromises } from "./support/virtual-clock.js";

const noNetwork: ElectionNetwork = () => Promise.reject(new Error("no network is opened"));

async function elected(members = 3): Promise<CandidateWorld> {
  const world = new CandidateWorld({ members });
  await world.startAll();
  await world.untilAgreed(1000);
  return world;
}

describe("joinElection refuses", () => {
  const good: JoinElectionOptions = {
    cluster: "c",
    nodeId: 1,
    members: { 1: "127.0.0.1:7001", 2: "127.0.0.1:7002" },
  };
  it.each<[string, Partial<JoinElectionOptions>, string]>([
    ["a node that is no member", { nodeId: 3 }, "ERR_CONFIG_VALUE"],
    ["an impossible id", { nodeId: 0 }, "ERR_ARG_NODE_ID"],
    ["an impossible member", { members: { 1: "a:1", 300: "b:1" } }, "ERR_ARG_NODE_ID"],
    ["no members", { members: {} }, "ERR_CONFIG_VALUE"],
    ["one address twice", { members: { 1: "a:1", 2: "a:1" } }, "ERR_CONFIG_VALUE"],
    ["an empty cluster name", { cluster: "" }, "ERR_CONFIG_VALUE"],
    ["a long cluster name", { cluster: "é".repeat(33) }, "ERR_CONFIG_VALUE"],
    ["a short secret", { secret: "short" }, "ERR_CONFIG_VALUE"],
    ["a lease as long as a grant", { timings: { leaseMs: 1500 } }, "ERR_CONFIG_RELATION"],
    ["a lease of two heartbeats", { timings: { heartbeatMs: 400 } }, "ERR_CONFIG_RELATION"],
    ["no time", { timings: { heartbeatMs: 0 } }, "ERR_CONFIG_VALUE"],
    ["an aborted signal", { signal: AbortSignal.abort() }, "ERR_ELECTION_CLOSED"],
  ])("%s", async (_, options, code) => {
    await expect(joinElection({ ...good, ...options }, noNetwork)).rejects.toMatchObject({ code });
  });

  it("nothing else: what the network says comes through", async () => {
    await expect(joinElection(good, noNetwork)).rejects.toThrow("no network is opened");
  });
});

describe("a candidate", () => {
  it("tells its states as an iteration that queues nothing, and ends when it closes", async () => {
    const world = new CandidateWorld({ members: 1 });
    await world.start(1);
    const candidate = world.candidate(1);
    const seen: CandidateState["status"][] = [];
    const reading = (async () => {
      for await (const { status } of candidate.states()) seen.push(status);
    })();
    await drainPromises();
    const slow = candidate.states();
    const closing = candidate.close();
    await world.advance(50);
    await Promise.all([closing, reading, candidate.close()]);
    expect(seen).toEqual(["electing", "leading", "closed"]);
    expect(await slow.next()).toMatchObject({ value: { status: "closed" } });
    expect(await slow.next()).toMatchObject({ done: true });
    expect(await candidate.states().next()).toMatchObject({ value: { status: "closed" } });
    expect(await candidate.closed).toBeNull();
  });

  it("closes when its signal aborts, also during an election", async () => {
    const world = new CandidateWorld({ members: 3 });
    const abort = new AbortController();
    const { candidate } = await world.start(1, { signal: abort.signal });
    abort.abort();
    await world.advance(50);
    expect(await candidate?.closed).toBeNull();
    const { length } = world.sent;
    await world.advance(5000);
    expect(world.sent).toHaveLength(length);
  });

  it("logs a listener that throws, and tells the others", async () => {
    const errors: string[] = [];
    const logger: Logger = {
      ...silentLogger,
      error: (message) => errors.push(message),
      child: () => logger,
    };
    const world = new CandidateWorld({ members: 1 });
    await world.start(1, { logger });
    let told = 0;
    world.candidate(1).on("leading", () => {
      throw new Error("mine");
    });
    const stop = world.candidate(1).on("leading", () => (told += 1));
    await world.untilAgreed(100);
    expect(errors).toEqual(["a listener of the candidate threw"]);
    expect(told).toBe(1);
    stop();
  });

  it("may be closed by a listener", async () => {
    const world = await elected();
    const candidate = world.candidate(2);
    candidate.on("leading", () => void candidate.close());
    world.kill(3);
    await world.advance(TIMEOUT_MS + 300);
    expect(candidate.state.status).toBe("closed");
    await world.untilAgreed(3000).catch(() => undefined);
    expect(world.leaders()).toEqual([]);
  });

  it("keeps its last rank when the present one cannot be had, and says so", async () => {
    const errors: unknown[] = [];
    const logger: Logger = {
      ...silentLogger,
      error: (_message, _data, error) => errors.push(error),
      child: () => logger,
    };
    const world = new CandidateWorld({ members: 3 });
    await world.start(1, { logger, rank: () => ({ lastLogged: 1n, lastCommitted: 2n }) });
    for (const id of [2, 3]) await world.start(id);
    await world.untilAgreed(1000);
    expect(world.agreedLeader()).toBe(3);
    expect(errors[0]).toMatchObject({ code: "ERR_ARG_VALUE" });
  });

  it("ends when no greater term exists", async () => {
    const world = new CandidateWorld({ members: 1 });
    const { candidate } = await world.start(1, { rank: () => ({ epoch: 2 ** 32 - 1 }) });
    await world.advance(50);
    expect(await candidate?.closed).toMatchObject({ code: "ERR_PROTOCOL_EPOCH_EXHAUSTED" });
    const states = candidate?.states();
    expect(await states?.next()).toMatchObject({ value: { status: "closed" } });
    await expect(states?.next()).rejects.toMatchObject({ code: "ERR_PROTOCOL_EPOCH_EXHAUSTED" });
  });
});

describe("whileLeading", () => {
  it("runs while the node leads, aborts with the lead, and never overlaps", async () => {
    const world = await elected();
    const log: string[] = [];
    let release = (): void => undefined;
    const done = world.candidate(3).whileLeading(async (signal, term) => {
      log.push(`begins ${term}`);
      signal.addEventListener("abort", () => {
        log.push((signal.reason as QuorateError).code);
      });
      await new Promise<void>((resolve) => (release = resolve));
      log.push(`ends ${term}`);
    });
    await drainPromises();
    // Its leads 2 and 3 pass while the work of the first one goes on.
    for (let turn = 0; turn < 2; turn += 1) {
      world.partition([3]);
      await world.advance(1200);
      world.heal();
      for (const id of [1, 2]) world.kill(id);
      for (const id of [1, 2]) await world.start(id);
      await world.untilAgreed(5000);
    }
    expect(world.agreedLeader()).toBe(3);
    expect(log).toEqual(["begins 1", "ERR_ELECTION_LOST"]);
    release();
    await drainPromises();
    const { term } = world.candidate(3).state;
    expect(log).toEqual(["begins 1", "ERR_ELECTION_LOST", "ends 1", `begins ${term}`]);
    const closing = world.candidate(3).close();
    release();
    await world.advance(50);
    await Promise.all([closing, done]);
    expect(log.at(-1)).toBe(`ends ${term}`);
  });

  it("rejects with what work throws while the node leads, and not with what it throws after", async () => {
    const world = await elected();
    const first = world.candidate(3).whileLeading(() => Promise.reject(new Error("work failed")));
    await expect(first).rejects.toThrow("work failed");
    const second = world.candidate(3).whileLeading(
      (signal) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(new Error("aborted")));
        }),
    );
    await drainPromises();
    const closing = world.candidate(3).close();
    await world.advance(50);
    await Promise.all([closing, second]);
  });
});

describe("findLeader", () => {
  const options = (world: CandidateWorld) => ({ cluster: "test", members: world.members });
  const outside = (world: CandidateWorld): ElectionNetwork => {
    const process = new Process(254, 1);
    world.processes.set(254, process);
    return world.network(process);
  };

  it.each([1, 2, 3, 5])("asks %i members without being one", async (members) => {
    const world = await elected(members);
    const found = findLeader(options(world), outside(world));
    await world.advance(100);
    expect(await found).toEqual({ leader: members, address: `host:${members}`, term: 1 });
  });

  it("names the leader that was elected when the last one died", async () => {
    const world = await elected();
    world.kill(3);
    await world.untilAgreed(TIMEOUT_MS + 200);
    const found = findLeader(options(world), outside(world));
    await world.advance(100);
    expect(await found).toMatchObject({ leader: 2, term: 2 });
  });

  it("finds none without a majority: ERR_ELECTION_NO_LEADER in time", async () => {
    const world = await elected();
    for (const id of [1, 2]) world.kill(id);
    const network = outside(world);
    const found = findLeader({ ...options(world), timeoutMs: 800 }, network).catch(
      (error: unknown) => error,
    );
    await world.advance(801);
    expect(await found).toMatchObject({ code: "ERR_ELECTION_NO_LEADER", retryable: true });
    expect(String(await found)).toContain(`in the cluster "${options(world).cluster}"`);
  });

  it("ends with its signal", async () => {
    const world = new CandidateWorld({ members: 3 });
    const abort = new AbortController();
    const found = findLeader({ ...options(world), signal: abort.signal }, outside(world));
    const outcome = found.catch((error: unknown) => error);
    await world.advance(10);
    abort.abort();
    expect(await outcome).toMatchObject({ code: "ERR_ELECTION_CLOSED" });
  });
});
