import { encodeCreate, ZnodeOp } from "@quorate/znode";
import { describe, expect, test } from "vitest";
import { Ensemble } from "./support.js";

const create = encodeCreate({ data: new Uint8Array([1]) });

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

  test("G16: a write and a read without a leader are refused within a bound", async () => {
    const ensemble = new Ensemble(3);
    await ensemble.start(1);
    const refused = { code: "ERR_SERVER_NOT_READY", retryable: true };
    const server = ensemble.server(1);
    const write = server.submit(ZnodeOp.create, "/a", create);
    await expect(ensemble.settle(write, 3000)).rejects.toMatchObject(refused);
    const read = server.read(ZnodeOp.get, "/a", new Uint8Array(), { linearizable: true });
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
    const gone = server.read(ZnodeOp.get, "/lost", new Uint8Array());
    await expect(ensemble.settle(gone)).rejects.toMatchObject({ code: "ERR_ZNODE_NO_NODE" });
  });

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
