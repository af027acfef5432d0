import { DEFAULT_TIMINGS, QuorateError } from "@quorate/protocol";
import { ZnodeOp } from "@quorate/znode";
import { describe, expect, test } from "vitest";
import type { Server } from "../src/index.js";
import { isReset, resetReason } from "../src/role.js";
import { createOf, Ensemble } from "./support.js";

const { leaseMs, heartbeatMs } = DEFAULT_TIMINGS;
const create = createOf(new Uint8Array([1]));

async function started(size: number): Promise<{ ensemble: Ensemble; leader: Server }> {
  const ensemble = new Ensemble(size);
  await ensemble.start(...ensemble.voters);
  const all = [...ensemble.servers.values()];
  await ensemble.clock.until(() =>
    all.every((one) => one.status().ready && one.status().standing === "member"),
  );
  const { leader } = ensemble;
  if (leader === undefined) throw new Error("nobody leads");
  ensemble.lines.length = 0;
  return { ensemble, leader };
}

const ends = (ensemble: Ensemble): string[] =>
  ensemble.lines.filter((line) => line.includes("role ended"));

describe("connections that are reset", () => {
  test("are told from those that were lost, at either end", () => {
    const reason = resetReason();
    expect(reason.code).toBe("ERR_PROTOCOL_RESET");
    const closed = (details: Record<string, unknown>): QuorateError =>
      new QuorateError("ERR_PROTOCOL_CLOSED", "closed by the peer", { details });
    expect(isReset(reason)).toBe(true);
    expect(isReset(closed({ peerCode: "ERR_PROTOCOL_RESET" }))).toBe(true);
    expect(isReset(closed({}))).toBe(false);
  });

  test.each([3, 5])("do not end the term of a leader of %i", async (size) => {
    const { ensemble, leader } = await started(size);
    const { id, epoch } = leader.status();
    const from = ensemble.clock.now();
    leader.resetConnections();
    const write = leader.submit(ZnodeOp.create, "/during", create);
    expect(leader.status()).toMatchObject({ role: "leading", ready: true });
    await ensemble.settle(write);
    await ensemble.clock.until(() => ensemble.allReady());
    expect(ensemble.clock.now() - from).toBeLessThan(leaseMs / 2);
    for (const one of ensemble.servers.values()) {
      expect(one.status()).toMatchObject({ leader: id, epoch });
    }
    expect(ends(ensemble)).toHaveLength(size - 1);
    for (const line of ends(ensemble)) expect(line).toContain('"end":"reset"');
    // The lease is proved anew: long after it the leader is still the same.
    await ensemble.clock.pass(3 * leaseMs);
    await ensemble.settle(leader.submit(ZnodeOp.create, "/after", create));
    expect(ensemble.leader).toBe(leader);
  });

  test("again and again lose no acknowledged write and keep every digest equal", async () => {
    const { ensemble, leader } = await started(3);
    const { epoch } = leader.status();
    for (let i = 0; i < 20; i += 1) {
      leader.resetConnections();
      await ensemble.settle(leader.submit(ZnodeOp.create, `/n${i}`, create));
    }
    const all = [...ensemble.servers.values()];
    const mark = leader.status().lastCommitted;
    await ensemble.clock.until(() => all.every((one) => one.status().lastApplied >= mark));
    expect(new Set(all.map((one) => one.status().digest)).size).toBe(1);
    expect(leader.status()).toMatchObject({ role: "leading", epoch });
  });

  test("of a follower cost neither its leader's term nor an election", async () => {
    const { ensemble, leader } = await started(3);
    const { id, epoch } = leader.status();
    const followers = [...ensemble.servers.values()].filter((one) => one !== leader);
    for (const follower of followers) follower.resetConnections();
    await ensemble.clock.until(() => ends(ensemble).length === 2);
    await ensemble.clock.until(() => ensemble.allReady());
    for (const one of ensemble.servers.values()) {
      expect(one.status()).toMatchObject({ leader: id, epoch });
    }
  });

  test("end the term if the followers do not come back within the lease", async () => {
    const { ensemble, leader } = await started(3);
    leader.resetConnections();
    for (const voter of ensemble.voters) {
      if (voter !== leader.status().id) ensemble.network.silence(voter);
    }
    const from = ensemble.clock.now();
    await ensemble.clock.until(() => leader.status().role !== "leading");
    expect(ensemble.clock.now() - from).toBeLessThanOrEqual(leaseMs + 2 * heartbeatMs);
  });
});
