import { QuorateError } from "@quorate/protocol";
import { readEnvironment } from "./environment.js";
import { parseJson, TextError } from "./json-text.js";
import { locateObject, mergeLocated, valueAt } from "./located.js";
import type { LocatedObject, Origin, RawSettings } from "./located.js";
import { fileError, readText } from "./text-file.js";
import { readZooCfg, type Patience } from "./zoo-cfg.js";

export interface ConfigSources {
  /** Strongest. Each is named in messages as the command's flag: `log.level` is `--log-level`. */
  readonly flags?: RawSettings;
  /** Its QUORATE_* variables come next. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** A JSON file comes last, before the defaults. */
  readonly file?: string;
  /** In its place: a zoo.cfg, with `myid` in its dataDir. */
  readonly zooCfg?: string;
}

/** What all sources say together. */
export interface Layers {
  readonly settings: LocatedObject;
  readonly warnings: readonly string[];
  readonly patience: Patience | null;
  /** Whether mistakes are mended in a zoo.cfg: messages tell its ways then. */
  readonly isZooCfg: boolean;
}

const WHAT = "the configuration file";

/** Merges the sources: flag over environment over file. */
export function readLayers({ flags, env, file, zooCfg }: ConfigSources): Layers {
  if (file !== undefined && zooCfg !== undefined) {
    throw new QuorateError("ERR_CONFIG_RELATION", "give --config or --zoo-cfg, not both");
  }
  const above = overlay(readEnvironment(env ?? {}), locateObject(flags ?? {}, originOfFlag));
  if (zooCfg === undefined) {
    const below = file === undefined ? NOTHING : readConfigFile(file);
    return { settings: overlay(below, above), warnings: [], patience: null, isZooCfg: false };
  }
  const { settings, warnings, patience } = readZooCfg(zooCfg, {
    nodeId: scalarOf(above, "nodeId"),
    dataDir: scalarOf(above, "dataDir"),
  });
  return { settings: overlay(settings, above), warnings, patience, isZooCfg: true };
}

const NOTHING: LocatedObject = { kind: "object", fields: new Map(), origin: { kind: "default" } };

/** A secret of the stronger source replaces the other's, in whichever form each is given. */
function overlay(under: LocatedObject, over: LocatedObject): LocatedObject {
  const names = ["secret", "secretFile"];
  if (!names.some((name) => over.fields.has(name))) return mergeLocated(under, over);
  const fields = new Map([...under.fields].filter(([key]) => !names.includes(key)));
  return mergeLocated({ ...under, fields }, over);
}

function scalarOf(settings: LocatedObject, key: string): unknown {
  const found = valueAt(settings, [key]);
  return found?.kind === "scalar" ? found.value : undefined;
}

function originOfFlag(path: readonly string[]): Origin {
  const words = path.map((word) => word.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`));
  return { kind: "flag", name: `--${words.join("-")}` };
}

/** @throws ERR_CONFIG_FILE when it cannot be read or is not a JSON object. */
function readConfigFile(path: string): LocatedObject {
  try {
    const value = parseJson(readText(WHAT, path), (line) => ({ kind: "file", file: path, line }));
    if (value.kind === "object") return value;
  } catch (error) {
    if (error instanceof TextError)
      throw fileError(WHAT, path, `it is not JSON (${error.message})`);
    throw error;
  }
  throw fileError(WHAT, path, "it is not a JSON object");
}
