import { QuorateError } from "@quorate/protocol";

/** The known word closest to a mistyped one; undefined when none is close. */
export function nearestOf(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  // Beyond a third of its letters a suggestion is a guess.
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Levenshtein's distance, row by row. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** ERR_CONFIG_UNKNOWN_KEY, with the known key that was probably meant. */
export function unknownKey(
  key: string,
  known: readonly string[],
  what: string,
  where = "",
): QuorateError {
  const nearest = nearestOf(key, known);
  const hint = nearest === undefined ? "" : `; did you mean "${nearest}"?`;
  return new QuorateError("ERR_CONFIG_UNKNOWN_KEY", `unknown ${what} "${key}"${hint}${where}`, {
    details: { key, ...(nearest === undefined ? {} : { nearest }) },
  });
}
