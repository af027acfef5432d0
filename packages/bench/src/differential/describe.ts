import { ZkOp } from "@quorate/zookeeper";
import type { Difference } from "./compare.js";
import type { NormalItem } from "./normalise.js";
import { stepToJson, type Step } from "./steps.js";

const VALUE_CHARS_MAX = 160;
/** Steps that are shown before a difference. */
const BEFORE_STEPS = 8;

const names: ReadonlyMap<number, string> = new Map(
  Object.entries(ZkOp).map(([name, type]) => [type, name]),
);

export function opName(type: number): string {
  return names.get(type) ?? `type ${type}`;
}

/** The kind of thing that a step does, for counts. */
export function kindOf(step: Step): string {
  if (step.do === "raw") return names.has(step.type) ? "malformed" : "unknown type";
  return step.do === "request" ? opName(step.type) : step.do;
}

export function describeStep(at: number, step: Step): string {
  const head = `${String(at).padStart(4)} c${step.connection}`;
  switch (step.do) {
    case "open": {
      const { session, server, timeoutMs, readOnly } = step;
      const wish =
        session.kind === "new"
          ? "new session"
          : `session of c${session.of}, password ${session.password}, zxid ${session.zxid}`;
      return `${head} open at server ${server}, ${wish}, ${timeoutMs} ms, read-only ${readOnly}`;
    }
    case "drop":
    case "expire":
      return `${head} ${step.do}`;
    case "raw":
      return `${head} raw ${opName(step.type)} ${short(Buffer.from(step.bytes).toString("hex"))}`;
    case "request": {
      const { value } = JSON.parse(stepToJson(step)) as { value: unknown };
      const relative = step.relativeZxid === undefined ? "" : ` relative to ${step.relativeZxid}`;
      return `${head} ${opName(step.type)} ${short(readable(value))}${relative}`;
    }
  }
}

/** What a step's JSON says, with texts in place of bytes. */
function readable(value: unknown): string {
  return JSON.stringify(value, (_key, field: unknown) => {
    if (typeof field !== "object" || field === null) return field;
    if ("$hex" in field) return Buffer.from(field.$hex as string, "hex").toString("latin1");
    if ("$fill" in field) return `${(field.$fill as number[])[1]} bytes`;
    return "$long" in field ? field.$long : field;
  });
}

export function describeDifference(difference: Difference, steps: readonly Step[]): string {
  const { at, left, right } = difference;
  const before = stepsBefore(difference, steps).map((i) => {
    const step = steps[i];
    return step === undefined ? "" : `  ${describeStep(i, step)}\n`;
  });
  return (
    `${before.join("")}> ${describeStep(at, difference.step)}\n` +
    `    left   c${difference.connection} ${textOf(left)}\n` +
    `    right  c${difference.connection} ${textOf(right)}\n`
  );
}

/** The last steps before it that touch the same connection or the same nodes. */
function stepsBefore({ at, connection, step }: Difference, steps: readonly Step[]): number[] {
  const paths = pathsOf(step);
  const found: number[] = [];
  for (let i = at - 1; i >= 0 && found.length < BEFORE_STEPS; i -= 1) {
    const other = steps[i];
    if (other === undefined) continue;
    const isNear = [...pathsOf(other)].some((path) => [...paths].some((one) => touch(path, one)));
    if (other.connection === connection || isNear) found.unshift(i);
  }
  return found;
}

function touch(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);
}

/** Every path that a step names, but the root. */
export function pathsOf(step: Step): ReadonlySet<string> {
  const found = new Set<string>();
  const look = (value: unknown, isPath: boolean): void => {
    if (typeof value === "string") {
      if (isPath && value.length > 1) found.add(value);
    } else if (Array.isArray(value)) {
      for (const item of value) look(item, isPath);
    } else if (typeof value === "object" && value !== null && !(value instanceof Uint8Array)) {
      for (const [name, field] of Object.entries(value)) {
        look(field, name === "path" || name.endsWith("Watches"));
      }
    }
  };
  if (step.do === "request") look(step.value, false);
  return found;
}

function textOf(item: NormalItem | null): string {
  return item === null ? "nothing" : item.text;
}

function short(text: string): string {
  return text.length <= VALUE_CHARS_MAX ? text : `${text.slice(0, VALUE_CHARS_MAX)}...`;
}
