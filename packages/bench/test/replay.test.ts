import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { embedEnsemble, type EmbeddedNode } from "@quorate/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compareTraces } from "../src/differential/compare.js";
import { describeDifference } from "../src/differential/describe.js";
import { SequenceRunner } from "../src/differential/run-sequence.js";
import { quorateSettings } from "../src/differential/settings.js";
import { TraceFile, type Trace } from "../src/differential/trace.js";

const url = new URL("../testdata/differential/zookeeper-3.8.trace.gz", import.meta.url);
const recorded: Trace[] = [];
for await (const trace of new TraceFile(url.pathname).read()) recorded.push(trace);

const READY_MS = 20_000;
/** Of one sequence; some wait for a session to expire. */
const SEQUENCE_MS = 30_000;
const SHOWN_MAX = 3;

let directory = "";
let nodes: EmbeddedNode[] = [];
let runner: SequenceRunner;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "quorate-replay-"));
  nodes = await embedEnsemble(3, { ...quorateSettings, dataDir: directory });
  await Promise.all(nodes.map((node) => node.ready({ timeoutMs: READY_MS })));
  const servers = nodes.map(({ requestAddress: { host, port } }) => `${host}:${port}`);
  runner = await SequenceRunner.create(servers);
}, 2 * READY_MS);

afterAll(async () => {
  await runner.close();
  await Promise.all(nodes.map((node) => node.close()));
  rmSync(directory, { recursive: true, force: true });
});

describe("what ZooKeeper 3.8 answered, asked of an ensemble here", () => {
  it("is 5,000 operations in ten sequences", () => {
    expect(recorded.map(({ steps }) => steps.length)).toEqual(new Array(10).fill(500));
  });

  for (const trace of recorded) {
    it(
      `seed ${trace.seed}: nothing differs but what is listed`,
      async () => {
        const answered = await runner.run(trace.seed, trace.steps);
        const { unknown, compared } = compareTraces(trace, answered);
        const shown = unknown.slice(0, SHOWN_MAX);
        const text = shown.map((one) => describeDifference(one, trace.steps)).join("\n");
        expect(text).toBe("");
        expect(compared).toBeGreaterThan(trace.steps.length / 2);
      },
      SEQUENCE_MS,
    );
  }
});
