import { LOG_INTERVALS_MAX, QuorateError, type ErrorCode } from "@quorate/protocol";
import { openMemoryStore } from "@quorate/testkit";
import { ZnodeOp } from "@quorate/znode";
import { describe, expect, test } from "vitest";
import { createOf, Ensemble, READ, seededRandom, testHash } from "./support.js";

const create = createOf(new Uint8Array([1]));

describe("an ensemble", () => {
  test.each([1, 3, 5, 7])("of %i elects, founds itself with every voter, and writes", async (n) => {
    const ensemble = new Ensemble(n);
    await ensemble.start(...ensemble.voters);
    await ensemble.clock.until(() => ensemble.allReady());
    const server = ensemble.server(n);
    const { txnid } = await ensemble.settle(server.submit(ZnodeOp.create, "/a", create));
    const everyone = [...ensemble.servers.values()];
    await ensemble.clock.until(() => everyone.every((one) => one.status().lastApplied >= txnid));
    await ensemble.clock.until(() => everyone.every((one) => one.status().standing === "member"));
    const [digest] = everyone.map((one) => one.status().digest);
    expect(everyone.map((one) => one.status().digest)).toEqual(everyone.map(() => digest));
  });

  test("stops in order in each role; the others elect another and keep what was written", async () => {
    const ensemble = new Ensemble(3);
    await ensemble.start(1, 2, 3);
    await ensemble.clock.until(() => ensemble.allReady());
    const first = ensemble.leader;
    const write = await ensemble.settle(ensemble.server(1).submit(ZnodeOp.create, "/a", create));
    await ensemble.settle(first?.stop() ?? Promise.resolve());
    expect(await first?.done).toEqual({ kind: "stopped" });
    const rest = [...ensemble.servers.values()].filter((one) => one !== first);
    const old = first?.status().id;
    await ensemble.clock.until(() =>
      rest.every((one) => one.status().ready && one.status().leader !== old),
    );
    for (const one of rest) {
      expect(one.status().lastApplied).toBeGreaterThanOrEqual(write.txnid);
    }
    for (const one of rest) await ensemble.settle(one.stop());
  });

  test("stops while it elects", async () => {
    const ensemble = new Ensemble(3);
    await ensemble.start(1);
    await ensemble.clock.pass(200);
    expect(ensemble.server(1).status().role).toBe("electing");
    await ensemble.settle(ensemble.server(1).stop());
    expect(await ensemble.server(1).done).toEqual({ kind: "stopped" });
    await expect(ensemble.server(1).submit(1, "/a", create)).rejects.toMatchObject({
      code: "ERR_SERVER_CLOSED",
    });
  });

  test("stops at once while it waits for room on its disk", async () => {
    const full = new QuorateError("ERR_STORE_FULL", "no room", { retryable: true });
    let openings = 0;
    const ensemble: Ensemble = new Ensemble(1, {
      deps: () => ({
        openStore: () => {
          openings += 1;
          const { clock } = ensemble;
          const random = seededRandom(openings);
          const options = { clock, random, chainHash: testHash, latencyMs: () => 1 };
          return openings === 1 ? openMemoryStore(ensemble.disk(1), options) : Promise.reject(full);
        },
      }),
    });
    await ensemble.start(1);
    await ensemble.clock.until(() => ensemble.allReady());
    ensemble.disk(1).failNextCommit("full");
    const lost = ensemble.server(1).submit(ZnodeOp.create, "/a", create);
    await expect(ensemble.settle(lost)).rejects.toThrow();
    await ensemble.clock.until(() => openings === 2);
    const before = ensemble.clock.now();
    await ensemble.settle(ensemble.server(1).stop());
    expect(ensemble.clock.now() - before).toBeLessThan(10);
    expect(await ensemble.server(1).done).toEqual({ kind: "stopped" });
  });

  test("G16: a write and a read without a leader are refused within a bound", async () => {
    const ensemble = new Ensemble(3);
    await ensemble.start(1);
    const refused = { code: "ERR_SERVER_NOT_READY", retryable: true };
    const server = ensemble.server(1);
    const write = server.submit(ZnodeOp.create, "/a", create);
    await expect(ensemble.settle(write, 3000)).rejects.toMatchObject(refused);
    const read = server.read(ZnodeOp.get, "/a", READ, { linearizable: true });
    await expect(ensemble.settle(read, 3000)).rejects.toMatchObject(refused);
  });

  test("ZOOKEEPER-4882: a full disk ends the role; the node reloads and leads on", async () => {
    const ensemble = new Ensemble(1);
    await ensemble.start(1);
    await ensemble.clock.until(() => ensemble.allReady());
    const server = ensemble.server(1);
    await ensemble.settle(server.submit(ZnodeOp.create, "/a", create));
    ensemble.disk(1).failNextCommit("full");
    const lost = server.submit(ZnodeOp.create, "/lost", create);
    await expect(ensemble.settle(lost)).rejects.toMatchObject({
      code: "ERR_CLIENT_OUTCOME_UNKNOWN",
    });
    await ensemble.clock.until(() => server.status().ready);
    await ensemble.settle(server.submit(ZnodeOp.create, "/b", create));
    const gone = server.read(ZnodeOp.get, "/lost", READ);
    await expect(ensemble.settle(gone)).rejects.toMatchObject({ code: "ERR_ZNODE_NO_NODE" });
  });

  test("F29, F31: a store that cannot be opened again yet is tried again, any other ends the server", async () => {
    const ensemble = new Ensemble(1);
    await ensemble.start(1);
    await ensemble.clock.until(() => ensemble.allReady());
    const server = ensemble.server(1);
    const fill = (): void => {
      ensemble.disk(1).failNextCommit("full");
      server.submit(ZnodeOp.create, "/lost", create).catch(() => undefined);
    };
    const passing = (code: ErrorCode): QuorateError =>
      new QuorateError(code, "it passes", { retryable: true });
    ensemble.openFailures.push(passing("ERR_STORE_FULL"));
    // The thread of the store before hangs in the disk; then somebody reads the log.
    ensemble.openFailures.push(passing("ERR_STORE_TIMEOUT"), passing("ERR_STORE_LOCKED"));
    fill();
    await ensemble.clock.until(() => ensemble.openFailures.length === 0);
    await ensemble.clock.until(() => server.status().ready);
    await ensemble.settle(server.submit(ZnodeOp.create, "/a", create));
    ensemble.openFailures.push(new QuorateError("ERR_STORE_LOCKED", "another process has it"));
    fill();
    expect(await ensemble.settle(server.done)).toMatchObject({
      kind: "failed",
      error: { code: "ERR_STORE_LOCKED" },
    });
  });

  test("G18, F29: checkpoints without room bound the log, and the node waits for room", async () => {
    const checkpointBytes = 2000;
    const ensemble = new Ensemble(1, { checkpointBytes });
    await ensemble.start(1);
    await ensemble.clock.until(() => ensemble.allReady());
    const server = ensemble.server(1);
    const disk = ensemble.disk(1);
    disk.hasRoomForRows = false;
    const data = new Uint8Array(500);
    let written = 0;
    for (; server.status().ready; written += 1) {
      const write = server.submit(ZnodeOp.create, `/n${String(written)}`, createOf(data));
      await ensemble.settle(write).catch(() => undefined);
    }
    const bytes = written * data.length;
    expect(bytes).toBeGreaterThan((checkpointBytes * LOG_INTERVALS_MAX) / 2);
    expect(bytes).toBeLessThan(checkpointBytes * (LOG_INTERVALS_MAX + 1));
    const told = (): string[] => ensemble.lines.filter((line) => line.includes("does not end"));
    expect(told()).toEqual([]);
    await ensemble.clock.pass(30_500);
    expect(told()).toHaveLength(1);
    expect(told()[0]).toContain("1 a checkpoint does not end; this node stays out of elections");
    expect(server.status().ready).toBe(false);
    const refused = ensemble.settle(server.submit(ZnodeOp.create, "/refused", create), 3000);
    await expect(refused).rejects.toMatchObject({ code: "ERR_SERVER_NOT_READY" });
    // It stays so over a restart, and the process stays up.
    const stoppedAt = ensemble.clock.now();
    await ensemble.settle(server.stop());
    expect(ensemble.clock.now() - stoppedAt).toBeLessThan(100);
    await ensemble.start(1);
    await ensemble.clock.pass(5000);
    expect(ensemble.server(1).status().ready).toBe(false);

    disk.hasRoomForRows = true;
    await ensemble.clock.until(() => ensemble.server(1).status().ready);
    expect(disk.image?.checkpoint?.position.txnid).toBeGreaterThan(0n);
    for (let i = 0; i < written - 1; i += 1) {
      await ensemble.settle(ensemble.server(1).read(ZnodeOp.get, `/n${String(i)}`, READ));
    }
    await ensemble.settle(ensemble.server(1).submit(ZnodeOp.create, "/more", create));
  });

  test.each([
    ["a leader", 3],
    ["a follower", 1],
    ["a watcher", 9],
  ])(
    "G18: %s with a slow disk checkpoints while it is written to without a pause",
    async (_, slow) => {
      const writeLatencyMs = (node: number): number => (node === slow ? 20 : 1);
      const ensemble = new Ensemble(3, { checkpointBytes: 10_000, writeLatencyMs });
      await ensemble.start(1, 2, 3);
      await ensemble.clock.until(() => ensemble.allReady());
      if (slow === 9) await ensemble.start(slow);
      await ensemble.clock.until(() => ensemble.allReady());
      const { clock, leader } = ensemble;
      expect(leader?.status().id).toBe(3);
      let written = 0;
      let failed = 0;
      const write = (): void => {
        written += 1;
        leader?.submit(ZnodeOp.create, `/n${String(written)}`, create).then(
          () => clock.setTimer(10, write),
          () => (failed += 1),
        );
      };
      // About one batch per millisecond: never is everything durable that was applied.
      for (let i = 0; i < 10; i += 1) clock.setTimer(i, write);
      for (const count of [2000, 4000]) {
        await clock.until(() => written >= count, 60_000);
        // Counters of one epoch are entries. A watcher is durable within a second of them.
        const { txnid } = ensemble.disk(slow).image?.checkpoint?.position ?? { txnid: 0n };
        expect(written - Number(txnid & 0xffff_ffffn)).toBeLessThan(1500);
      }
      expect(failed).toBe(0);
    },
  );

  test.each([1200, 2400])(
    "a leader is established with disks whose sync takes %i ms: discovery bears with it",
    async (latencyMs) => {
      const ensemble = new Ensemble(3, { writeLatencyMs: () => latencyMs });
      await ensemble.start(1, 2, 3);
      await ensemble.clock.until(() => ensemble.leader !== undefined, 10 * latencyMs);
      await ensemble.clock.until(() => ensemble.allReady());
      const elections = ensemble.lines.filter((line) => line.includes("role ended"));
      expect(elections).toEqual([]);
      await ensemble.settle(ensemble.server(1).submit(ZnodeOp.create, "/a", create));
    },
  );

  test("G32: a disk that failed with an unknown outcome ends the server", async () => {
    const ensemble = new Ensemble(1);
    await ensemble.start(1);
    await ensemble.clock.until(() => ensemble.allReady());
    ensemble.disk(1).failNextCommit("io");
    ensemble
      .server(1)
      .submit(ZnodeOp.create, "/a", create)
      .catch(() => undefined);
    expect(await ensemble.settle(ensemble.server(1).done)).toMatchObject({
      kind: "failed",
      error: { code: "ERR_STORE_IO" },
    });
  });
});
