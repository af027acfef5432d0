import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ProcessEnsemble } from "@quorate/testkit/processes";
import { loadOf, others, startEnsemble, verdict } from "./support.js";

/** The store's own crash suite fails calls on demand by the same library. */
const SHIM = fileURLToPath(new URL("../../../commit-log/test/crash/sync-shim.cc", import.meta.url));
const ENOSPC = 28;
const EIO = 5;
/** A process ends within two seconds of being told; the rest is for a busy machine. */
const STOP_MS_MAX = 3000;

const directory = mkdtempSync(join(tmpdir(), "quorate-shim-"));
const library = join(directory, "shim.so");

afterAll(() => {
  rmSync(directory, { recursive: true });
});

/** Preloading needs the dynamic linker of Linux. */
describe.runIf(process.platform === "linux")("a disk", () => {
  beforeAll(() => {
    const compiler = process.env["CXX"] ?? "c++";
    execFileSync(compiler, ["-shared", "-fPIC", "-o", library, SHIM, "-ldl", "-lpthread"]);
  });

  for (const role of ["leader", "follower"] as const) {
    it(`that is full takes a ${role} out until there is room, and loses nothing`, async () => {
      await using started = await startEnsemble({ env: shimmed });
      const { ensemble, leader } = started;
      const victim = role === "leader" ? leader : (others(ensemble, leader)[0] ?? 0);
      const load = loadOf(ensemble);
      await load.start("w");
      await load.more(300);
      const fullAt = performance.now();
      writeFileSync(controlOf(victim), `write log.db-wal ${ENOSPC} always`);
      await ensemble.until(
        "the victim to notice",
        ([seen]) =>
          seen?.ready === false && ensemble.process(victim).log.includes("ERR_STORE_FULL"),
        { ids: [victim] },
      );
      await load.next(({ from }) => from > fullAt);
      await ensemble.untilReady(others(ensemble, victim));
      rmSync(controlOf(victim));
      await ensemble.untilReady();
      expect(ensemble.process(victim).exit).toBeNull();
      await load.more(300);
      expect(await verdict(load, ensemble)).toEqual([]);
    });
  }

  it("whose fsync fails ends the process with a code of its own, and loses nothing", async () => {
    await using started = await startEnsemble({ env: shimmed });
    const { ensemble, leader } = started;
    const load = loadOf(ensemble);
    await load.start("w");
    await load.more(300);
    writeFileSync(controlOf(leader), `sync log.db-wal ${EIO} once`);
    expect(await ensemble.process(leader).ended).toEqual({ code: 74, signal: null });
    expect(ensemble.process(leader).log).toContain("ERR_STORE_IO");
    await ensemble.untilReady(others(ensemble, leader));
    ensemble.start(leader);
    await ensemble.untilReady();
    await load.more(300);
    expect(await verdict(load, ensemble)).toEqual([]);
  });

  it("that hangs deposes its leader, keeps it out, and does not keep its process from ending", async () => {
    await using started = await startEnsemble({ env: shimmed });
    const { ensemble, leader } = started;
    const load = loadOf(ensemble);
    await load.start("w");
    await load.more(300);
    const hungAt = performance.now();
    writeFileSync(controlOf(leader), "sync log.db-wal 0 hang");
    await ensemble.untilReady(others(ensemble, leader));
    await load.next(({ from }) => from > hungAt);
    await ensemble.until("it to say so", () =>
      ensemble.process(leader).log.includes("disk does not answer"),
    );
    const toldAt = performance.now();
    const end = await ensemble.kill("SIGTERM", leader);
    expect(performance.now() - toldAt).toBeLessThan(STOP_MS_MAX);
    expect(end).toEqual([{ code: null, signal: "SIGKILL" }]);
    rmSync(controlOf(leader));
    ensemble.start(leader);
    await ensemble.untilReady();
    await load.more(300);
    expect(await verdict(load, ensemble)).toEqual([]);
  });

  it("that flipped a bit of the log makes its node recover from the others", async () => {
    await using started = await startEnsemble();
    const { ensemble, leader } = started;
    const [victim = 0] = others(ensemble, leader);
    const load = loadOf(ensemble);
    await load.start("w");
    await load.more(300);
    await ensemble.kill("SIGTERM", victim);
    flipIn(ensemble, victim);
    ensemble.start(victim);
    await ensemble.until("the damage to be told", () =>
      ensemble.process(victim).log.includes("damaged"),
    );
    await ensemble.untilReady();
    await load.more(300);
    expect(await verdict(load, ensemble)).toEqual([]);
  });
});

function controlOf(id: number): string {
  return join(directory, `control-${id}`);
}

function shimmed(id: number, dataDir: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    LD_PRELOAD: library,
    SYNC_SHIM_DIR: dataDir,
    SYNC_SHIM_CONTROL: controlOf(id),
  };
}

/**
 * In every copy of a path that was written: SQLite leaves old copies of moved rows in the unused
 * part of its pages, where a flipped bit is rightly noticed by nobody.
 */
function flipIn(ensemble: ProcessEnsemble, id: number): void {
  const file = join(ensemble.dataDir(id), "log.db");
  const bytes = readFileSync(file);
  let at = bytes.indexOf("/w-0/0-1");
  expect(at).toBeGreaterThan(0);
  for (; at !== -1; at = bytes.indexOf("/w-0/0-1", at + 1)) {
    bytes.writeUInt8(bytes.readUInt8(at + 1) ^ 1, at + 1);
  }
  writeFileSync(file, bytes);
}
