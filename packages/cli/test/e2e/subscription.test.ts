import { formatTxnid, parseTxnid, type EventDocument } from "@quorate/client";
import { StreamFollower, verifyStreams, WriteLoad } from "@quorate/testkit/processes";
import { describe, expect, it } from "vitest";
import {
  COMMAND,
  exampleFile,
  LineProcess,
  others,
  quorate,
  startEnsemble,
  TYPESCRIPT,
  until,
  verdict,
} from "./support.js";

const ENTRIES = 10_000;
const DEATHS = 3;

/** `quorate watch` as a process. */
function watch(...args: string[]): LineProcess {
  return new LineProcess([...COMMAND.slice(1), "watch", ...args]);
}

describe("quorate watch", () => {
  it("goes on when the leader is killed, and ends with 0 when told to", async () => {
    await using started = await startEnsemble();
    const { ensemble, leader } = started;
    const servers = ensemble.servers.flatMap((server) => ["--server", server]);
    await using watching = watch("/", "--json", "--from", "e0:0", ...servers);
    await quorate("create", "/before", "1", ...servers);
    await until("the first line", () => watching.lines.length === 1);
    await ensemble.kill("SIGKILL", leader);
    await ensemble.untilReady(others(ensemble, leader));
    await quorate("create", "/after", "2", ...servers);
    await until("the second line", () => watching.lines.length === 2);
    const paths = watching.lines.map(
      (line) => (JSON.parse(line) as EventDocument).operations[0]?.path,
    );
    expect(paths).toEqual(["/before", "/after"]);
    watching.signal("SIGINT");
    expect(await watching.exited).toBe(0);

    await using piped = watch("--from", "e0:0", ...servers);
    await until("a line", () => piped.lines.length > 0);
    piped.closeOutput();
    await quorate("create", "/more", ...servers);
    expect(await piped.exited).toBe(0);
  });

  it("is there over HTTP, and so are metrics", async () => {
    await using started = await startEnsemble();
    const { ensemble, leader } = started;
    const [follower = 0] = others(ensemble, leader);
    const abort = new AbortController();
    const url = `http://${ensemble.serverOf(follower)}`;
    const response = await fetch(`${url}/watch?prefix=/a&from=e0:0`, { signal: abort.signal });
    await quorate("create", "/a", "hello", "--server", ensemble.serverOf(leader));
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true });
      if (text.includes("data:")) break;
    }
    abort.abort();
    const [retry, start] = text.split("\n\n");
    expect([retry, start]).toEqual(["retry: 1000", "id: e0:0"]);
    const [, id, json] = /^id: (.*)\ndata: (.*)$/m.exec(text) ?? [];
    expect(JSON.parse(json ?? "")).toMatchObject({
      txnid: id,
      operations: [{ kind: "create", path: "/a", data: "hello", encoding: "utf8" }],
    });
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toMatch(/^quorate_log_commit_seconds_count [1-9]/m);
    expect(metrics).toMatch(/^quorate_commit_seconds_count [1-9]/m);
    expect(metrics).toMatch(/^quorate_elections_total [1-9]/m);
    expect(metrics).toMatch(/^quorate_role{role="follower"} 1$/m);
    expect(metrics).toContain(`quorate_peer_received_bytes_total{peer="${leader}"}`);
  });
});

describe("a subscription, across the deaths of leaders", () => {
  it("misses and repeats nothing of ten thousand entries", async () => {
    await using started = await startEnsemble();
    const { ensemble } = started;
    const { servers } = ensemble;
    await using example = new LineProcess([
      ...TYPESCRIPT,
      exampleFile("subscribe/follow.ts"),
      servers.join(),
      "/",
      "e0:0",
    ]);
    const followers = [
      ...Array.from({ length: 6 }, () => new StreamFollower(servers, "/")),
      ...Array.from({ length: 4 }, (_, i) => new StreamFollower(servers, `/w-${i}`)),
    ];
    const clients = [...servers.map((server) => [server]), servers];
    const load = new WriteLoad({ clients, outstanding: 64 });
    await load.start("w");
    let { leader } = started;
    for (let death = 0; death < DEATHS; death += 1) {
      await load.more(ENTRIES / (DEATHS + 1));
      await ensemble.kill("SIGKILL", leader);
      const next = await ensemble.untilReady(others(ensemble, leader));
      ensemble.start(leader);
      await ensemble.untilReady();
      leader = next;
    }
    await load.more(ENTRIES / (DEATHS + 1));
    expect(await verdict(load, ensemble)).toEqual([]);

    // Whoever begins now hears from the log what the others heard live.
    const whole = new StreamFollower(servers, "/");
    const all = [whole, ...followers];
    expect(await verifyStreams(all, load.parents)).toEqual([]);
    await until("the example's last line", () => {
      const seen = example.lines.at(-1)?.split(" ")[0] ?? "e0:0";
      return parseTxnid(seen) >= whole.last;
    });
    const heard = whole.txnids.map((txnid, i) => `${formatTxnid(txnid)} create ${whole.paths[i]}`);
    expect(example.lines).toEqual(heard);
    example.signal("SIGINT");
    expect(await example.exited, example.err).toBe(0);
    expect(load.acknowledgedCount).toBeGreaterThanOrEqual(ENTRIES);
    for (const follower of all) follower.close();
  });
});
