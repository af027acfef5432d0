import { ZnodeOp } from "@quorate/znode";
import { describe, expect, test } from "vitest";
import { createOf, Ensemble } from "./support.js";

const create = createOf(new Uint8Array([1]));

function waitsOf(ensemble: Ensemble): unknown {
  return [...ensemble.servers.values()].map((one) => one.status().waitingFor);
}

async function untilMembers(ensemble: Ensemble): Promise<void> {
  const everyone = [...ensemble.servers.values()];
  await ensemble.clock.until(() =>
    everyone.every((one) => one.status().ready && one.status().standing === "member"),
  );
}

describe("the founding of an ensemble", () => {
  test.each([3, 5, 7])("of %i waits for the last voter, and each node says so (G27)", async (n) => {
    const ensemble = new Ensemble(n);
    const early = ensemble.voters.slice(0, -1);
    await ensemble.start(...early);
    await ensemble.clock.pass(30_000);
    for (const one of ensemble.servers.values()) {
      expect(one.status()).toMatchObject({ role: "electing", ready: false, standing: "empty" });
    }
    expect(waitsOf(ensemble)).toEqual(early.map(() => [n]));
    await ensemble.start(n);
    await untilMembers(ensemble);
    expect(waitsOf(ensemble)).toEqual(ensemble.voters.map(() => []));
  });

  test("takes no longer than an election and three round trips when all are up", async () => {
    const ensemble = new Ensemble(5);
    await ensemble.start(...ensemble.voters);
    const before = ensemble.clock.now();
    await untilMembers(ensemble);
    // No timer is waited for: neither the finalize wait nor a pause between two attempts.
    expect(ensemble.clock.now() - before).toBeLessThan(20);
  });

  test("names, at the gates, the voter that was elected with and did not come", async () => {
    const ensemble = new Ensemble(3);
    await ensemble.start(1, 2, 3);
    const last = ensemble.server(3);
    await ensemble.clock.until(() => last.status().role === "leading");
    ensemble.network.silence(ensemble.server(1).status().id);
    await ensemble.clock.pass(200);
    expect(last.status()).toMatchObject({ role: "leading", ready: false, waitingFor: [1] });
    await ensemble.clock.until(() => last.status().role === "electing");
  });

  test("goes by those the operator vouches for; the rest is admitted, the flag not needed", async () => {
    const ensemble = new Ensemble(3);
    for (const node of [1, 2]) ensemble.trusted.add(node);
    await ensemble.start(1, 2);
    await ensemble.clock.until(() => ensemble.allReady());
    const write = ensemble.server(1).submit(ZnodeOp.create, "/a", create);
    const { txnid } = await ensemble.settle(write);
    ensemble.trusted.clear();
    for (const node of [1, 2]) {
      await ensemble.settle(ensemble.server(node).stop());
      ensemble.servers.delete(ensemble.server(node).status().id);
    }
    await ensemble.start(1, 2);
    await untilMembers(ensemble);
    await ensemble.start(3);
    await untilMembers(ensemble);
    const late = ensemble.server(3);
    await ensemble.clock.until(() => late.status().lastApplied >= txnid);
  });
});
