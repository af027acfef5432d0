import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compareTraces } from "../src/differential/compare.js";
import { describeDifference } from "../src/differential/describe.js";
import { openTarget, type Target } from "../src/differential/targets.js";
import { TraceFile, type Trace } from "../src/differential/trace.js";

const url = new URL("../testdata/differential/zookeeper-3.8.trace.gz", import.meta.url);
const recorded: Trace[] = [];
for await (const trace of new TraceFile(url.pathname).read()) recorded.push(trace);

const START_MS = 30_000;
/** Of one sequence; some wait for a session to expire. */
const SEQUENCE_MS = 30_000;
const SHOWN_MAX = 3;

let ensemble: Target;

beforeAll(async () => {
  ensemble = await openTarget("embedded", []);
}, START_MS);

afterAll(() => ensemble[Symbol.asyncDispose]());

describe("what ZooKeeper 3.8 answered, asked of an ensemble here", () => {
  it("is 5,000 operations in ten sequences", () => {
    expect(recorded.map(({ steps }) => steps.length)).toEqual(new Array(10).fill(500));
  });

  for (const trace of recorded) {
    it(
      `seed ${trace.seed}: nothing differs but what is listed`,
      async () => {
        const answered = await ensemble.trace(trace.seed, trace.steps);
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
