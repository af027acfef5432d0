import { expect, it } from "vitest";
import { ServerProcess, type ProcessEnsemble } from "@quorate/testkit/processes";
import { COMMAND, loadOf, others, quorate, startEnsemble, verdict } from "./support.js";

/** What docs/operations/runbook.md tells to do, done. */

const isMember = (seen: { ready: boolean; standing: string } | null | undefined): boolean =>
  seen?.ready === true && seen.standing === "member";

async function untilMembers(ensemble: ProcessEnsemble, ...ids: number[]): Promise<void> {
  await ensemble.until("members that serve", (seen) => seen.every(isMember), { ids });
}

it("rolling restart: followers first, each ready before the next, and no write is lost", async () => {
  await using started = await startEnsemble();
  const { ensemble, leader } = started;
  const load = loadOf(ensemble);
  await load.start("w");
  await load.more(100);
  for (const id of [...others(ensemble, leader), leader]) {
    expect(await ensemble.kill("SIGTERM", id)).toEqual([{ code: 0, signal: null }]);
    ensemble.start(id);
    await untilMembers(ensemble, id);
    await load.more(50);
  }
  expect(await verdict(load, ensemble)).toEqual([]);
});

it("replacing a node: an empty directory under the old id is filled and counts again", async () => {
  await using started = await startEnsemble();
  const { ensemble, leader } = started;
  const [replaced = 0, second = 0] = others(ensemble, leader);
  const at = ["--server", ensemble.serverOf(leader)];
  expect((await quorate("create", "/kept", "data", ...at)).code).toBe(0);
  await ensemble.kill("SIGTERM", replaced);
  ensemble.wipe(replaced);
  ensemble.start(replaced);
  await untilMembers(ensemble, replaced);
  // It counts: without the other follower it is a quorum with the leader.
  await ensemble.kill("SIGKILL", second);
  const again = await quorate("set", "/kept", "more", ...at);
  expect(again).toMatchObject({ code: 0, out: "version 1\n" });
  const read = ["get", "/kept", "--linearizable", "--server", ensemble.serverOf(replaced)];
  expect((await quorate(...read)).out).toBe("more");
});

it("forced recovery: one survivor of three and one trusted empty node serve what it has", async () => {
  await using started = await startEnsemble();
  const { ensemble, leader } = started;
  const at = ["--server", ensemble.serverOf(leader)];
  expect((await quorate("create", "/kept", "data", ...at)).code).toBe(0);
  await ensemble.untilEqual();
  const [first = 0, second = 0] = others(ensemble, leader);
  await ensemble.kill("SIGKILL", first, second);
  ensemble.wipe(first);
  ensemble.wipe(second);
  // Two empty nodes count neither with the survivor nor, as it is there, without it.
  ensemble.start(first, second);
  await ensemble.until("the empty nodes to be up", (seen) => seen.every((one) => one !== null), {
    ids: [first, second],
  });
  for (const id of ensemble.ids) expect(await ensemble.status(id)).toMatchObject({ ready: false });
  await ensemble.kill("SIGTERM", first);
  const command = [...COMMAND, "server", "--config", ensemble.configFile(first)];
  const trusted = new ServerProcess(command, { ...process.env, QUORATE_TRUST_EMPTY: "true" });
  try {
    await untilMembers(ensemble, ...ensemble.ids);
    expect(trusted.log).toContain("trustEmpty is set");
    for (const server of ensemble.servers) {
      const read = await quorate("get", "/kept", "--linearizable", "--server", server);
      expect(read.out).toBe("data");
    }
  } finally {
    trusted.signal("SIGTERM");
    await trusted.ended;
  }
  // The flag has done its work.
  ensemble.start(first);
  await untilMembers(ensemble, ...ensemble.ids);
});
