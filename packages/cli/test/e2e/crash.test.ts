import { describe, expect, it } from "vitest";
import { loadOf, others, startEnsemble, verdict } from "./support.js";

describe("three processes under load", () => {
  it("lose nothing when the leader is killed (F1)", async () => {
    await using started = await startEnsemble();
    const { ensemble, leader } = started;
    const load = loadOf(ensemble);
    await load.start("w");
    await load.more(300);
    const killedAt = performance.now();
    await ensemble.kill("SIGKILL", leader);
    await load.next(({ from }) => from > killedAt);
    expect(await ensemble.untilReady(others(ensemble, leader))).not.toBe(leader);
    ensemble.start(leader);
    await ensemble.untilReady();
    await load.more(300);
    expect(await verdict(load, ensemble)).toEqual([]);
  });

  it("lose nothing when a majority is killed", async () => {
    await using started = await startEnsemble();
    const { ensemble, leader } = started;
    const load = loadOf(ensemble);
    await load.start("w");
    await load.more(300);
    const victims = [leader, others(ensemble, leader)[0] ?? 0];
    await ensemble.kill("SIGKILL", ...victims);
    const [rest] = ensemble.ids.filter((id) => !victims.includes(id));
    await ensemble.until("the rest to stop serving", ([seen]) => seen?.ready === false, {
      ids: [rest ?? 0],
    });
    ensemble.start(...victims);
    await ensemble.untilReady();
    await load.more(300);
    expect(await verdict(load, ensemble)).toEqual([]);
  });

  it("lose nothing when all are killed at once", async () => {
    await using started = await startEnsemble();
    const { ensemble } = started;
    const load = loadOf(ensemble);
    await load.start("w");
    await load.more(300);
    await ensemble.kill("SIGKILL", ...ensemble.ids);
    ensemble.start();
    await ensemble.untilReady();
    await load.more(300);
    expect(await verdict(load, ensemble)).toEqual([]);
  });

  it("write on while the leader is stopped for longer than its lease", async () => {
    await using started = await startEnsemble();
    const { ensemble, leader } = started;
    const load = loadOf(ensemble);
    await load.start("w");
    await load.more(300);
    const stoppedAt = performance.now();
    ensemble.process(leader).signal("SIGSTOP");
    const first = await load.next(({ from }) => from > stoppedAt);
    expect(first.at - stoppedAt).toBeLessThan(2500);
    await ensemble.untilReady(others(ensemble, leader));
    ensemble.process(leader).signal("SIGCONT");
    expect(await ensemble.untilReady()).not.toBe(leader);
    await load.more(300);
    expect(await verdict(load, ensemble)).toEqual([]);
  });

  it("write on while the leader is cut off without a word", async () => {
    await using started = await startEnsemble({ isProxied: true });
    const { ensemble, leader } = started;
    const load = loadOf(ensemble);
    await load.start("w");
    await load.more(300);
    const cutAt = performance.now();
    ensemble.isolate(leader, true);
    const first = await load.next(({ from }) => from > cutAt);
    expect(first.at - cutAt).toBeLessThan(2500);
    await ensemble.until("the old leader to step down", ([seen]) => seen?.ready === false, {
      ids: [leader],
    });
    ensemble.isolate(leader, false);
    expect(await ensemble.untilReady()).not.toBe(leader);
    await load.more(300);
    expect(await verdict(load, ensemble)).toEqual([]);
  });

  it("re-admit a node whose data directory was wiped (F32)", async () => {
    await using started = await startEnsemble();
    const { ensemble, leader } = started;
    const load = loadOf(ensemble);
    await load.start("w");
    await load.more(300);
    await ensemble.kill("SIGKILL", leader);
    ensemble.wipe(leader);
    ensemble.start(leader);
    await ensemble.until(
      "the wiped node to be a member again",
      ([seen]) => seen?.ready === true && seen.standing === "member",
      { ids: [leader] },
    );
    // It is a voter again: with it alone the other follower makes a quorum.
    const second = await ensemble.untilReady();
    await ensemble.kill("SIGKILL", second);
    await ensemble.untilReady(others(ensemble, second));
    ensemble.start(second);
    await load.more(300);
    expect(await verdict(load, ensemble)).toEqual([]);
  });
});
