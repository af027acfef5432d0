import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { listSessions } from "../src/session-list.js";
import type { Io } from "../src/io.js";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function answering(body: object): Promise<string> {
  const server = createServer((_, response) => response.end(JSON.stringify(body)));
  servers.push(server.listen(0, "127.0.0.1"));
  await once(server, "listening");
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const SESSIONS = [
  { session: "200000000000002", timeout_ms: 4000, node: null, ephemerals: 0 },
  { session: "100000000000001", timeout_ms: 10_000, node: 2, ephemerals: 3 },
];

async function listed(server: readonly string[], json: boolean): Promise<[string, string]> {
  const said: [string, string] = ["", ""];
  const io = {
    out: (text: string) => (said[0] += text),
    err: (text: string) => (said[1] += text),
  } as unknown as Io;
  await listSessions({ server, timeout: 1000, json }, io);
  return said;
}

describe("session list", () => {
  it("tells of each session where it is, of the first server that serves", async () => {
    const starting = await answering({ command: "sessions", error: "not serving" });
    const node = await answering({ error: null, sessions: SESSIONS, count: 5 });
    const [out, err] = await listed([starting, node], false);
    expect(out.split("\n").map((line) => line.split(/\s{2,}/))).toEqual([
      ["session", "node", "timeout ms", "ephemerals"],
      ["0x100000000000001", "2", "10000", "3"],
      ["0x200000000000002", "-", "4000", "0"],
      [""],
    ]);
    expect(err).toContain("2 of 5");
  });

  it("tells scripts the same", async () => {
    const node = await answering({ error: null, sessions: SESSIONS, count: 2 });
    const [out] = await listed([node], true);
    expect(JSON.parse(out)).toEqual({
      sessions: [
        { session: "100000000000001", timeoutMs: 10_000, node: 2, ephemerals: 3 },
        { session: "200000000000002", timeoutMs: 4000, node: null, ephemerals: 0 },
      ],
      count: 2,
    });
  });

  it("names what stood in the way when no server tells", async () => {
    const starting = await answering({ command: "sessions", error: "not serving" });
    await expect(listed([starting, "127.0.0.1:1"], false)).rejects.toMatchObject({
      code: "ERR_CLIENT_UNREACHABLE",
      message: expect.stringContaining("not serving") as string,
    });
  });
});
