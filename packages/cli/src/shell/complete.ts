import type { ClientSession } from "@quorate/client";
import { quotedWord } from "../words.js";
import { EXITS, VERBS } from "./verbs.js";

/** Paths that are offered at once. */
const OFFERS_MAX = 200;
/** What is not known by then is not offered. */
const ASK_MS = 1000;

/** What may stand where the line ends: the offers, and what of the line they replace. */
export async function completionsOf(
  line: string,
  session: Pick<ClientSession, "children">,
): Promise<[readonly string[], string]> {
  const current = /\S*$/.exec(line)?.[0] ?? "";
  const [verb] = line.trimStart().split(/\s+/);
  const isFirst = line.trimStart() === current;
  const names = [...VERBS.keys(), ...EXITS];
  if (isFirst) return [startingWith(current, names).map((name) => `${name} `), current];
  const known = VERBS.get(verb ?? "");
  if (known?.takes === "verb") return [startingWith(current, names), current];
  if (known?.takes === "path" && current.startsWith("/")) {
    return [await pathsFrom(current, session), current];
  }
  return [startingWith(current, known?.words ?? []), current];
}

async function pathsFrom(
  current: string,
  session: Pick<ClientSession, "children">,
): Promise<readonly string[]> {
  const at = current.lastIndexOf("/");
  const parent = at === 0 ? "/" : current.slice(0, at);
  try {
    const { children } = await session.children(parent, { timeoutMs: ASK_MS });
    return startingWith(current.slice(at + 1), children)
      .slice(0, OFFERS_MAX)
      .map((name) => quotedWord(current.slice(0, at + 1) + name));
  } catch {
    // Not now, or there is no such node: nothing is offered.
    return [];
  }
}

function startingWith(start: string, words: readonly string[]): readonly string[] {
  return words.filter((word) => word.startsWith(start));
}
