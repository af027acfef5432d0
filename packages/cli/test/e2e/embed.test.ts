import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { freePorts } from "@quorate/testkit/processes";

const SERVICE = fileURLToPath(new URL("../../../examples/embed/service.ts", import.meta.url));
/** Runs TypeScript, on the sources of the workspace's packages. */
const TSX = ["--conditions=@quorate/source", "--import", "tsx"];
const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));

async function started(dataDir: string, port: number): Promise<ChildProcess> {
  const service = spawn(process.execPath, [...TSX, SERVICE, dataDir, String(port)], {
    stdio: ["ignore", "ignore", "inherit"],
    cwd: ROOT,
  });
  const isUp = (): Promise<boolean> =>
    fetch(`http://127.0.0.1:${port}/settings`).then(
      () => true,
      () => false,
    );
  const deadline = performance.now() + 20_000;
  while (!(await isUp())) {
    if (performance.now() > deadline) throw new Error("the service does not answer");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return service;
}

it("a service with a node inside keeps its state through kill -9 and an orderly end", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "quorate-service-"));
  const [port = 0] = await freePorts(1);
  const ask = async (path: string, init?: RequestInit): Promise<string> =>
    (await fetch(`http://127.0.0.1:${port}${path}`, init)).text();
  let service: ChildProcess | null = null;
  try {
    for (const [run, signal] of (["SIGKILL", "SIGTERM", "SIGTERM"] as const).entries()) {
      service = await started(dataDir, port);
      const ended = once(service, "exit");
      const aborter = new AbortController();
      const events = await fetch(`http://127.0.0.1:${port}/events`, { signal: aborter.signal });
      const reader = events.body?.getReader();
      expect(await ask("/settings")).toBe(run === 0 ? "{}" : `{"run":${run - 1}}`);
      const body = JSON.stringify({ run });
      expect(await ask("/settings", { method: "PUT", body })).toBe(`version ${run + 1}\n`);
      const heard = await reader?.read();
      expect(new TextDecoder().decode(heard?.value)).toMatch(/^settings changed at \d+\n$/);
      expect(await ask("/visits", { method: "POST" })).toBe(String(2 * run + 1));
      expect(await ask("/visits", { method: "POST" })).toBe(String(2 * run + 2));
      expect(await ask("/now")).toMatch(/^\d{4}-/);
      aborter.abort();
      service.kill(signal);
      expect(await ended).toEqual(signal === "SIGKILL" ? [null, signal] : [0, null]);
    }
  } finally {
    service?.kill("SIGKILL");
    rmSync(dataDir, { recursive: true, force: true });
  }
});
