import { createServer, type Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { gatherStatus, type StatusRow } from "../src/status-rows.js";
import { liveLine, liveTable, plainTable } from "../src/status-table.js";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** Answers as a node does, older ones included. */
async function node(id: number, over: Record<string, unknown> = {}): Promise<string> {
  const status = {
    ...{ cluster: "c", id, role: "follower", leader: 1, epoch: 7 },
    ...{ lastLogged: "e7:9", lastCommitted: "e7:9", lastApplied: "e7:9" },
    ...{ digest: "0", digestAt: "e7:9", standing: "member", ready: true, nodes: [] },
    ...over,
  };
  const server = createServer((_, response) => response.end(JSON.stringify(status)));
  servers.push(server.listen(0, "127.0.0.1"));
  await once(server, "listening");
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("the rows of status", () => {
  it("tell how far each node is behind the most advanced commit", async () => {
    const rows = await gatherStatus(
      [
        await node(1, { role: "leader", lastCommitted: "e7:12", lastApplied: "e7:12" }),
        await node(2, { lastApplied: "e7:5" }),
        await node(3, { lastCommitted: "e6:40", lastApplied: "e6:40" }),
      ],
      1000,
    );
    expect(rows).toMatchObject([{ lag: 0 }, { lag: 7 }, { lag: null }]);
    expect(rows.map(liveLine)).toEqual([
      expect.stringContaining("lag 0"),
      expect.stringContaining("lag 7"),
      expect.stringContaining("lag an epoch"),
    ]);
  });

  it("tell disk and event loop, and a dash for a node that does not", async () => {
    const told = {
      logCommitMs: { count: 3, p50: 1.25, p99: 8, max: 9 },
      loopDelayMs: { p99: 1, max: 40.04 },
    };
    const rows = await gatherStatus([await node(1, told), await node(2)], 1000);
    const [, first, second] = liveTable(rows);
    expect(first).toMatch(/ 1\.3\/8\.0 +40\.0 +ready$/);
    expect(second).toMatch(/ - +- +ready$/);
  });

  it("tell of a watcher no epoch, and as committed what it has applied", async () => {
    const lazy = { epoch: 0, lastLogged: "e7:3", lastCommitted: "e7:3", digestAt: "e7:9" };
    const rows = await gatherStatus([await node(4, { role: "watcher", ...lazy })], 1000);
    // Scripts are told what the node says.
    expect(rows).toMatchObject([{ epoch: 0, lastCommitted: "e7:3" }]);
    expect(plainTable(rows)[1]).toMatch(/^4 +watcher +- +e7:3 +e7:9 +0 +e7:9$/);
    expect(liveTable(rows)[1]).toMatch(/^4 +watcher +- +e7:3 +e7:9 +0 /);
    expect(liveLine(rows[0] as StatusRow)).toContain("watcher   e-  logged e7:3  committed e7:9");
  });

  it("tell for whom a new ensemble waits", async () => {
    const rows = await gatherStatus([await node(1, { ready: false, waitingFor: [2, 3] })], 1000);
    expect(liveTable(rows).slice(1)).toEqual([
      expect.stringMatching(/ waits for 2, 3$/),
      "node 1 waits for 2, 3 to found the ensemble",
    ]);
  });

  it("tell a node that does not count, or does not serve", async () => {
    const starting = { standing: "starting", ready: false };
    const rows = await gatherStatus(
      [await node(1, { ready: false }), await node(2, starting)],
      1000,
    );
    expect(liveTable(rows).slice(1)).toEqual([
      expect.stringMatching(/ not ready$/),
      expect.stringMatching(/ not ready, starting$/),
    ]);
  });
});
