import { createElectionSite } from "@quorate/election";
import {
  DEFAULT_TIMINGS,
  majorityQuorum,
  silentLogger,
  toEpoch,
  toIdentity,
  TXNID_ZERO,
  type RequestOutcome,
} from "@quorate/protocol";
import { ZnodeOp } from "@quorate/znode";
import { describe, expect, test } from "vitest";
import { runWatcherServer, runWatcherServerWithElection } from "../src/index.js";
import { PlainHost, worldOf } from "./plain-host.js";
import { createOf, Ensemble, id, READ, seededRandom } from "./support.js";

const create = createOf(new Uint8Array([1]));

/** Three shipped servers, and a watcher over a host of someone else's that asks who leads. */
async function watched() {
  const ensemble = new Ensemble(3);
  const { clock, network, voters } = ensemble;
  await ensemble.start(...voters);
  await ensemble.clock.until(() => ensemble.allReady());
  const host = new PlainHost(9, voters, clock);
  const kill: AbortController = new AbortController();
  const site = createElectionSite(
    {
      nodeId: id(9),
      cluster: "test",
      quorum: majorityQuorum(voters),
      solicitOnly: true,
      timings: DEFAULT_TIMINGS,
    },
    {
      clock,
      random: seededRandom(9),
      logger: silentLogger,
      messenger: network.messenger(id(9)),
      state: () => ({
        status: "electing",
        standing: "recovering",
        identity: toIdentity("9".repeat(32)),
        currentEpoch: toEpoch(0),
        lastLogged: TXNID_ZERO,
        lastCommitted: TXNID_ZERO,
      }),
    },
  );
  let readies = 0;
  const end = runWatcherServerWithElection(
    { timings: DEFAULT_TIMINGS, signal: kill.signal, onReady: () => void (readies += 1) },
    {
      handler: host.handler,
      requests: host.requests,
      clock,
      logger: silentLogger,
      random: seededRandom(99),
      connector: network.connector(id(9)),
      site,
    },
  );
  return { ensemble, clock, host, site, kill, end, readies: () => readies };
}

describe("a watcher that finds its leader by a ballot", () => {
  test("watches on under the next leader, and reports once that it is ready", async () => {
    const { ensemble, clock, host, readies } = await watched();
    await clock.until(() => readies() === 1);
    await ensemble.settle(ensemble.server(1).submit(ZnodeOp.create, "/a", create));
    await clock.until(() => host.applied.includes("/a"));
    const old = ensemble.leader;
    if (old === undefined) throw new Error("nobody leads");
    ensemble.network.silence(old.status().id);
    const rest = [...ensemble.servers.values()].filter((one) => one !== old);
    await clock.until(() => rest.some((one) => one.status().role === "leading"));
    await clock.until(() => rest.every((one) => one.status().ready));
    const [next] = rest;
    if (next === undefined) throw new Error("nobody is left");
    await ensemble.settle(next.submit(ZnodeOp.create, "/b", create));
    await clock.until(() => host.applied.includes("/b"), 60_000);
    expect(host.applied.filter((key) => key.length === 2)).toEqual(["/a", "/b"]);
    expect(readies()).toBe(1);
    // It has promised nothing and counts nowhere.
    expect([host.accepted, host.current]).toEqual([0, 0]);
    for (const one of rest) expect(one.status().standing).toBe("member");
  });

  test("forwards what its own clients write, to whoever leads", async () => {
    const { ensemble, clock, host, readies } = await watched();
    await clock.until(() => readies() === 1);
    let outcome: RequestOutcome | null = null;
    host.requests.submit(ZnodeOp.create, "/w", create, (done) => (outcome = done));
    await clock.until(() => outcome !== null);
    expect(outcome).toMatchObject({ ok: true });
    const read = ensemble.server(2).read(ZnodeOp.exists, "/w", READ, {
      linearizable: true,
    });
    expect(await ensemble.settle(read)).not.toHaveLength(0);
  });

  test("ends at its signal, also while it asks and nobody answers", async () => {
    const { ensemble, clock, kill, end, site, readies } = await watched();
    await clock.until(() => readies() === 1);
    for (const voter of ensemble.voters) ensemble.network.silence(voter);
    await clock.pass(10_000);
    let ended: unknown = null;
    void end.then((reason) => (ended = reason));
    const before = clock.now();
    kill.abort();
    await clock.until(() => ended !== null);
    expect([ended, clock.now() - before < 10]).toEqual([{ kind: "stopped" }, true]);
    site.close();
  });
});

describe("a watcher of one leader", () => {
  test("takes no requests, applies what is committed, and says why it ended", async () => {
    const { clock, network, host, common, lead, follow, watchOptions, ready, kill } = worldOf();
    const [one, two, nine] = [host(1), host(2), host(9)];
    void lead(one);
    const following = new AbortController();
    void follow(two, following.signal);
    const { requests: _none, ...deps } = common(nine);
    let end: unknown = null;
    void runWatcherServer(watchOptions(new AbortController().signal), {
      ...deps,
      connector: network.connector(id(9)),
    }).then((reason) => (end = reason));
    await clock.until(() => ready.length === 3);
    one.requests.submit(1, "/one", new Uint8Array(), () => undefined);
    await clock.until(() => nine.applied.includes("/one"));
    // A request of its own client finds no role that would take it.
    const outcomes: RequestOutcome[] = [];
    nine.requests.submit(1, "/nine", new Uint8Array(), (done) => void outcomes.push(done));
    await clock.until(() => outcomes.length === 1);
    expect(outcomes).toMatchObject([{ ok: false, error: { code: "ERR_SERVER_NOT_READY" } }]);
    expect(one.applied).toEqual(["/one"]);
    // Without its follower the leader steps down, and tells nobody but by its end.
    following.abort();
    await clock.until(() => end !== null);
    expect(end).toMatchObject({ kind: "lost" });
    expect(nine.log.length).toBeGreaterThan(0);
    kill.abort();
  });
});
