import { createHash } from "node:crypto";
import { JuteReader, requestRecords } from "@quorate/zookeeper";

/** Within these bounds both sides grant the timeout that a client asks for. */
export const sessionMs = { min: 1_000, max: 120_000 } as const;

/** Which session a connection asks for. */
export type SessionWish =
  | { readonly kind: "new" }
  | {
      readonly kind: "resume";
      /** The connection that had it. */
      readonly of: number;
      readonly password: "right" | "wrong" | "empty" | "null";
      /** What the client says that it has seen; `future` is above everything. */
      readonly zxid: "none" | "seen" | "future";
    };

/**
 * One thing to do. Connections have numbers that are never used again in a sequence. What cannot be
 * known beforehand (session ids, passwords, zxids) is named, and put in when the step is done.
 */
export type Step =
  | {
      readonly do: "open";
      readonly connection: number;
      /** Its place in the target's list, modulo the list's length. */
      readonly server: number;
      readonly session: SessionWish;
      readonly timeoutMs: number;
      readonly readOnly: boolean | null;
    }
  /** The connection is cut; the session lives on. */
  | { readonly do: "drop"; readonly connection: number }
  /** The connection is cut, and the session's end waited for. */
  | { readonly do: "expire"; readonly connection: number }
  | RequestStep
  /** A header, and whatever bytes after it. */
  | {
      readonly do: "raw";
      readonly connection: number;
      readonly type: number;
      readonly bytes: Uint8Array;
    };

export interface RequestStep {
  readonly do: "request";
  readonly connection: number;
  readonly type: number;
  /** Of the record of that type; null for none. */
  readonly value: unknown;
  /** The relative zxid of setWatches, which the value leaves at 0. */
  readonly relativeZxid?: "seenAtDrop";
}

/** The request that a step makes, also with bytes of its own, as long as they can be read. */
export function requestIn(step: Step): RequestStep | null {
  if (step.do === "request") return step;
  if (step.do !== "raw") return null;
  const { connection, type, bytes } = step;
  try {
    const value = requestRecords.get(type)?.read(new JuteReader(bytes));
    return value === undefined ? null : { do: "request", connection, type, value };
  } catch {
    return null;
  }
}

/** A step as a line of a file. */
export function stepToJson(step: Step): string {
  return JSON.stringify(step, (_key, value: unknown) => {
    if (typeof value === "bigint") return { $long: String(value) };
    if (!(value instanceof Uint8Array)) return value;
    // Huge data are one byte again and again.
    const [first = 0] = value;
    const isFilled = value.length > 64 && value.every((byte) => byte === first);
    return isFilled
      ? { $fill: [first, value.length] }
      : { $hex: Buffer.from(value).toString("hex") };
  });
}

export function stepFromJson(line: string): Step {
  return JSON.parse(line, (_key, value: unknown) => {
    if (typeof value !== "object" || value === null) return value;
    if ("$long" in value) return BigInt(value.$long as string);
    if ("$hex" in value) return new Uint8Array(Buffer.from(value.$hex as string, "hex"));
    if ("$fill" in value) {
      const [byte, length] = value.$fill as [number, number];
      return new Uint8Array(length).fill(byte);
    }
    return value;
  }) as Step;
}

/** Names a sequence: traces of different ones are not compared. */
export function digestOf(steps: readonly Step[]): string {
  const hash = createHash("sha256");
  for (const step of steps) hash.update(stepToJson(step)).update("\n");
  return hash.digest("hex").slice(0, 16);
}
