/** Each attempt runs a sequence on both sides; more than these are not worth the wait. */
const ATTEMPTS_MAX = 400;

/**
 * Shrinks a list that fails to one that still does, by leaving out ever smaller pieces. What is
 * left fails by itself, and no single element of it can be left out, unless the attempts ran out.
 */
export async function minimise<T>(
  items: readonly T[],
  fails: (items: readonly T[]) => Promise<boolean>,
  attemptsMax = ATTEMPTS_MAX,
): Promise<readonly T[]> {
  let kept = items;
  let attempts = 0;
  let size = Math.max(1, kept.length >> 1);
  for (;;) {
    let isSmaller = false;
    // From the end: later steps rest on earlier ones.
    for (let end = kept.length; end > 0; end -= size) {
      if (attempts >= attemptsMax) return kept;
      const from = Math.max(0, end - size);
      const rest = [...kept.slice(0, from), ...kept.slice(end)];
      if (rest.length === 0) continue;
      attempts += 1;
      if (!(await fails(rest))) continue;
      kept = rest;
      isSmaller = true;
    }
    if (size > 1) size >>= 1;
    else if (!isSmaller) return kept;
  }
}
