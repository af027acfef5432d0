/** In a time that does not depend on where they differ. Null is the password of nothing. */
export function isSamePassword(right: Uint8Array, given: Uint8Array | null): boolean {
  if (given?.length !== right.length) return false;
  let difference = 0;
  for (let i = 0; i < right.length; i += 1) difference |= (right[i] ?? 0) ^ (given[i] ?? 0);
  return difference === 0;
}
