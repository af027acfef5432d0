import type { z } from "zod";
import { QuorateError } from "@quorate/protocol";
import { formatOrigin, originAt, plainOf, type LocatedObject } from "./located.js";
import { unknownKey } from "./nearest.js";
import { configSchema, type ConfigInput } from "./schema.js";

/** Further mistakes that one message names. */
const FURTHER_MAX = 9;

/**
 * Checks keys and types. Every mistake is named, with its place.
 * @throws ERR_CONFIG_UNKNOWN_KEY (with the nearest known key), ERR_CONFIG_VALUE.
 */
export function checkSettings(settings: LocatedObject): ConfigInput {
  const result = configSchema.safeParse(plainOf(settings));
  if (result.success) return result.data;
  const { issues } = result.error;
  // An unknown key often explains the missing one beside it: it is named first.
  const [first, ...further] = [
    ...issues.filter(({ code }) => code === "unrecognized_keys"),
    ...issues.filter(({ code }) => code !== "unrecognized_keys"),
  ].flatMap((issue) => errorsOf(issue, settings));
  if (first === undefined) throw new Error("refused without a reason");
  if (further.length === 0) throw first;
  const named = further.slice(0, FURTHER_MAX).map(({ message }) => message);
  const rest = further.length > FURTHER_MAX ? `; and ${further.length - FURTHER_MAX} more` : "";
  throw new QuorateError(first.code, `${[first.message, ...named].join("; ")}${rest}`, {
    details: first.details,
  });
}

function errorsOf(issue: z.core.$ZodIssue, settings: LocatedObject): QuorateError[] {
  if (issue.code === "unrecognized_keys") {
    const known = knownKeysAt(issue.path);
    const what = issue.path.length === 0 ? "setting" : `setting in ${issue.path.join(".")}`;
    return issue.keys.map((key) =>
      unknownKey(key, known, what, placeOf(settings, [...issue.path, key])),
    );
  }
  const path = issue.path.join(".");
  const message = `${path}: ${issue.message}${placeOf(settings, issue.path)}`;
  return [new QuorateError("ERR_CONFIG_VALUE", message, { details: { key: path } })];
}

/** " (file:line)"; empty for what the program itself gave. */
export function placeOf(settings: LocatedObject, path: readonly PropertyKey[]): string {
  const origin = originAt(settings, path);
  const place = origin === undefined ? "" : formatOrigin(origin);
  return place === "" ? "" : ` (${place})`;
}

/** Runs a check that names the setting in `details.key`, and adds where that comes from. */
export function withPlace<T>(settings: LocatedObject, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error;
    const { key } = error.details;
    const place = typeof key === "string" ? placeOf(settings, key.split(".")) : "";
    if (place === "") throw error;
    throw new QuorateError(error.code, `${error.message}${place}`, {
      cause: error.cause,
      details: error.details,
    });
  }
}

/** The keys that the schema knows where an unknown one was found. */
function knownKeysAt(path: readonly PropertyKey[]): readonly string[] {
  let at: z.core.$ZodType | undefined = configSchema;
  for (const step of path) {
    at = unwrap(at);
    const def: z.core.$ZodTypes["_zod"]["def"] | undefined = (at as z.core.$ZodTypes | undefined)
      ?._zod.def;
    if (def?.type === "array") at = def.element;
    else if (def?.type === "object") at = def.shape[String(step)];
    else return [];
  }
  const def = (unwrap(at) as z.core.$ZodTypes | undefined)?._zod.def;
  return def?.type === "object" ? Object.keys(def.shape) : [];
}

function unwrap(type: z.core.$ZodType | undefined): z.core.$ZodType | undefined {
  const def = (type as z.core.$ZodTypes | undefined)?._zod.def;
  return def?.type === "optional" ? unwrap(def.innerType) : type;
}
