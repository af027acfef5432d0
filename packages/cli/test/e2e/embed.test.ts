import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { exampleFile, LineProcess, TYPESCRIPT, until } from "./support.js";

/** The example's service on a port of its own choice; resolves when it listens. */
async function start(dataDir: string): Promise<{ service: LineProcess; url: string }> {
  const file = exampleFile("embed/service.ts");
  const service = new LineProcess([...TYPESCRIPT, file, dataDir, "0"]);
  await until("the service listens", () => service.lines.length > 0);
  return { service, url: service.lines[0] ?? "" };
}

async function ask(url: string, method = "GET", body?: unknown): Promise<unknown> {
  const json = { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  const response = await fetch(url, { method, ...(body === undefined ? {} : json) });
  expect(response.status).toBe(200);
  return response.json();
}

it("a service with a node inside keeps its state through kill -9 and an orderly end", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "quorate-service-"));
  try {
    for (const [run, signal] of (["SIGKILL", "SIGTERM", "SIGINT"] as const).entries()) {
      const { service, url } = await start(dataDir);
      await using _service = service;
      const events = await fetch(`${url}/events`);
      const reader = events.body?.pipeThrough(new TextDecoderStream()).getReader();
      expect((await reader?.read())?.value).toBe(": listening\n\n");
      expect(await ask(`${url}/settings`)).toEqual(run === 0 ? {} : { run: run - 1 });
      expect(await ask(`${url}/settings`, "PUT", { run })).toEqual({ version: run + 1 });
      expect((await reader?.read())?.value).toMatch(/^id: e\d+:\d+\ndata: the settings have/);
      expect(await ask(`${url}/visits`, "POST")).toEqual({ visits: 2 * run + 1 });
      expect(await ask(`${url}/visits`, "POST")).toEqual({ visits: 2 * run + 2 });
      expect(await ask(`${url}/now`)).toEqual({ now: expect.stringMatching(/^\d{4}-/) as string });
      service.signal(signal);
      // With a stream of events open: the service closes it, and then the node.
      expect(await service.exited, service.err).toBe(signal === "SIGKILL" ? null : 0);
      await reader?.cancel().catch(() => undefined);
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
});
