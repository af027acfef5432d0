import { makeTxnid, toEpoch } from "@quorate/protocol";
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
