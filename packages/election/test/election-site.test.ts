import { errorCodeOf, makeTxnid, toEpoch } from "@quorate/protocol";
import { describe, expect, it } from "vitest";
import { BallotNetwork } from "./support/ballot-network.js";

const RTT_MS = 2;

function threeNodes(): BallotNetwork {
  const network = new BallotNetwork({ voters: [1, 2, 3] });
  for (const id of [1, 2, 3]) network.boot(id);
  return network;
}

describe("an election without loss", () => {
  it("ends on three idle nodes within three round trips, before any resend", async () => {
    const network = threeNodes();
    for (const id of [1, 2, 3]) network.start(id);
    await network.clock.advance(3 * RTT_MS);
    expect(network.leaders()).toEqual([3, 3, 3]);
    expect(network.sent.length).toBeLessThan(30);
  });

  it("ends in an ensemble of one at once", async () => {
    const network = new BallotNetwork({ voters: [7] });
    network.boot(7, { standing: "empty" });
    network.start(7);
    await network.clock.advance(0);
    expect(network.node(7).result).toMatchObject({ leader: 7, epoch: 0, established: false });
  });

  it("prefers the longer log to the greater id", async () => {
    const network = threeNodes();
    network.boot(1, { currentEpoch: toEpoch(2), lastLogged: makeTxnid(2, 9) });
    network.boot(2, { currentEpoch: toEpoch(2), lastLogged: makeTxnid(2, 10) });
    network.boot(3, { currentEpoch: toEpoch(1), lastLogged: makeTxnid(1, 99) });
    for (const id of [1, 2, 3]) network.start(id);
    await network.clock.advance(3 * RTT_MS);
    expect(network.leaders()).toEqual([2, 2, 2]);
  });
});

describe("the founding of an ensemble", () => {
  it("has each node name whom it waits for: after a second, on a change, then seldom", async () => {
    const network = new BallotNetwork({ voters: [1, 2, 3] });
    for (const id of [1, 2, 3]) network.boot(id, { standing: "empty" });
    network.start(1);
    await network.clock.advance(5000);
    expect(network.node(1).site.awaitedFounders).toEqual([2, 3]);
    network.start(2);
    await network.clock.advance(25_000);
    const said = network.warnings.filter(({ id }) => id === 1);
    expect(said.map(({ data }) => data)).toEqual([
      { waitingFor: [2, 3] },
      { waitingFor: [3] },
      { waitingFor: [3] },
      { waitingFor: [3] },
    ]);
    expect(said[0]?.atMs).toBeLessThan(1600);
    network.start(3);
    await network.clock.advance(600);
    expect(network.leaders()).toEqual([3, 3, 3]);
    expect(network.node(1).site.awaitedFounders).toEqual([]);
  });

  it("warns of nothing when all are there, nor where members wait for a quorum", async () => {
    const network = new BallotNetwork({ voters: [1, 2, 3] });
    for (const id of [1, 2, 3]) network.boot(id, { standing: "empty" });
    for (const id of [1, 2, 3]) network.start(id);
    await network.clock.advance(20);
    expect(network.leaders()).toEqual([3, 3, 3]);
    const members = threeNodes();
    members.start(1);
    await members.clock.advance(30_000);
    expect([...network.warnings, ...members.warnings]).toEqual([]);
  });
});

describe("a node that starts beside a running leader", () => {
  it("finds it within one round trip", async () => {
    const network = threeNodes();
    for (const id of [1, 2, 3]) network.start(id);
    await network.clock.advance(10);
    for (const node of network.nodes.values()) node.site.updateWinningEpoch(toEpoch(1));
    network.boot(1, { currentEpoch: toEpoch(1) });
    network.start(1);
    await network.clock.advance(RTT_MS);
    expect(network.node(1).result).toEqual({ leader: 3, epoch: 1, established: true, round: 1 });
  });

  it("finds it within one round trip as a watcher that is no voter", async () => {
    const network = threeNodes();
    for (const id of [1, 2, 3]) network.start(id);
    await network.clock.advance(10);
    network.boot(9, {}, true);
    network.start(9);
    await network.clock.advance(RTT_MS);
    expect(network.node(9).result).toMatchObject({ leader: 3, established: true });
  });
});

describe("the site", () => {
  const codeOf = (id: number, network: BallotNetwork) => errorCodeOf(network.node(id).error);

  it("refuses a second election while one runs", async () => {
    const network = threeNodes();
    network.start(1);
    await expect(network.node(1).site.startElection()).rejects.toMatchObject({
      code: "ERR_ELECTION_IN_PROGRESS",
    });
    expect(network.node(1).isRunning).toBe(true);
  });

  it("ends a running election when it is closed, and starts none afterwards", async () => {
    const network = threeNodes();
    const { site } = network.node(1);
    network.start(1);
    expect(site.isClosed()).toBe(false);
    site.close();
    site.close();
    await network.clock.advance(1000);
    expect(site.isClosed()).toBe(true);
    expect(codeOf(1, network)).toBe("ERR_ELECTION_CLOSED");
    await expect(site.startElection()).rejects.toMatchObject({ code: "ERR_ELECTION_CLOSED" });
    expect(network.sent).toHaveLength(2);
  });

  it("ends an aborted election, sends nothing more, and can start the next round", async () => {
    const network = threeNodes();
    const abort = new AbortController();
    network.start(1, { signal: abort.signal });
    abort.abort(new Error("told to"));
    await network.clock.advance(1000);
    expect(codeOf(1, network)).toBe("ERR_ELECTION_CLOSED");
    expect(network.node(1).error).toMatchObject({ cause: new Error("told to") });
    expect(network.sent).toHaveLength(2);
    for (const id of [1, 2, 3]) network.start(id);
    await network.clock.advance(20);
    expect(network.leaders()).toEqual([3, 3, 3]);
    expect(network.node(1).result?.round).toBe(2);
  });

  it("does not start with a signal that is aborted already", async () => {
    const network = threeNodes();
    await expect(
      network.node(1).site.startElection({ signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ code: "ERR_ELECTION_CLOSED" });
    expect(network.sent).toHaveLength(0);
  });

  it("takes a winning epoch before there is a winner without harm (G20)", () => {
    const network = threeNodes();
    const { site } = network.node(1);
    site.updateWinningEpoch(toEpoch(5));
    network.start(1);
    site.updateWinningEpoch(toEpoch(6));
    expect(site.round).toBe(1);
  });

  it("tells those who ask the winning epoch, which never goes back", async () => {
    const network = threeNodes();
    for (const id of [1, 2, 3]) network.start(id);
    await network.clock.advance(20);
    for (const id of [2, 3]) {
      network.node(id).site.updateWinningEpoch(toEpoch(8));
      network.node(id).site.updateWinningEpoch(toEpoch(7));
    }
    network.boot(1);
    network.start(1);
    await network.clock.advance(20);
    expect(network.node(1).result).toMatchObject({ leader: 3, epoch: 8, established: true });
  });

  it("sends again with pauses from ballotResendMs up to ballotResendMsMax", async () => {
    const network = threeNodes();
    network.fate = () => [];
    network.start(1);
    await network.clock.advance(2400);
    const times = network.sent.filter(({ to }) => to === 2).map(({ atMs }) => atMs);
    expect(times).toEqual([0, 50, 150, 350, 750, 1250, 1750, 2250]);
  });

  it("is not created for a node that is no voter, nor for an endless cluster name", () => {
    const network = new BallotNetwork({ voters: [1, 2, 3] });
    expect(() => network.boot(9)).toThrow(expect.objectContaining({ code: "ERR_CONFIG_VALUE" }));
    expect(() => network.boot(1, {}, false, "x".repeat(65))).toThrow(
      expect.objectContaining({ code: "ERR_CONFIG_VALUE" }),
    );
  });

  it("finds the leader as a recovering node, and elects nobody with another's help only", async () => {
    const network = threeNodes();
    network.boot(2, { standing: "recovering" });
    network.start(1);
    network.start(2);
    await network.clock.advance(1000);
    expect(network.leaders()).toEqual([null, null, null]);
    network.start(3);
    await network.clock.advance(100);
    expect(network.leaders()).toEqual([3, 3, 3]);
  });
});
