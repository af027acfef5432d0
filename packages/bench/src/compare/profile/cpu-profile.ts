/** What V8 writes of one thread, the part that is used here. Times are microseconds. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      /** Both from 0. */
      readonly lineNumber: number;
      readonly columnNumber: number;
    };
  }[];
  readonly startTime: number;
  readonly samples: readonly number[];
  /** Before each sample, the first since the start. */
  readonly timeDeltas: readonly number[];
}

/** Where a function is, as a reader looks for it. */
export type Locate = (url: string, line: number, column: number) => string;

export interface SelfTime {
  readonly name: string;
  /** A file and a line; empty for what is none of JavaScript. */
  readonly at: string;
  readonly micros: number;
}

export interface ThreadTimes {
  readonly totalMicros: number;
  /** Without waiting for something to do. */
  readonly busyMicros: number;
  /** Longest first. */
  readonly functions: readonly SelfTime[];
}

const IDLE = "(idle)";
/** Waiting within a native call is idling too, but V8 cannot tell: it is part of "(program)". */

/** Sums up the time that each function was at the top of the stack, between two moments. */
export function selfTimesOf(
  profile: CpuProfile,
  locate: Locate,
  window: { readonly from: number; readonly to: number },
): ThreadTimes {
  const microsOf = new Map<number, number>();
  let at = profile.startTime;
  let totalMicros = 0;
  for (const [i, node] of profile.samples.entries()) {
    at += profile.timeDeltas[i] ?? 0;
    // A sample stands for the time until the next one.
    const until = at + (profile.timeDeltas[i + 1] ?? 0);
    const micros = Math.max(0, Math.min(until, window.to) - Math.max(at, window.from));
    totalMicros += micros;
    microsOf.set(node, (microsOf.get(node) ?? 0) + micros);
  }
  const functions = new Map<string, SelfTime>();
  for (const { id, callFrame } of profile.nodes) {
    const micros = microsOf.get(id) ?? 0;
    if (micros === 0 || callFrame.functionName === IDLE) continue;
    const { url, lineNumber, columnNumber } = callFrame;
    const name = callFrame.functionName === "" ? "(anonymous)" : callFrame.functionName;
    const place = url === "" ? "" : locate(url, lineNumber, columnNumber);
    const key = `${name} ${place}`;
    const before = functions.get(key)?.micros ?? 0;
    functions.set(key, { name, at: place, micros: before + micros });
  }
  const sorted = [...functions.values()].sort((a, b) => b.micros - a.micros);
  const busyMicros = sorted.reduce((sum, { micros }) => sum + micros, 0);
  return { totalMicros, busyMicros, functions: sorted };
}

/** Which part of the program it is: one of our packages, a library, Node, or the machine itself. */
export function areaOf({ name, at }: Pick<SelfTime, "name" | "at">): string {
  if (at === "") return name.startsWith("(") ? name : "native";
  const ours = /packages\/([^/]+)\/src\/(?:([^/]+)\/)?/.exec(at);
  if (ours !== null) return ours[2] === undefined ? `${ours[1]}` : `${ours[1]}/${ours[2]}`;
  const library = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(at);
  if (library !== null) return library[1] ?? "";
  return at.startsWith("node:") ? "node" : "other";
}
