/** What ZooKeeper's AdminServer answers with; a bigint is one of Java's longs. */
export type Json =
  string | number | bigint | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** Session ids are numbers of 64 bits there: `JSON.stringify` has none. */
export function jsonText(value: Json, indent = ""): string {
  if (typeof value === "bigint") return String(BigInt.asIntN(64, value));
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const deeper = `${indent}  `;
  if (Array.isArray(value)) {
    const items = (value as readonly Json[]).map((item) => jsonText(item, indent));
    return items.length === 0 ? "[ ]" : `[ ${items.join(", ")} ]`;
  }
  const fields = Object.entries(value).map(
    ([key, field]) => `${deeper}${JSON.stringify(key)} : ${jsonText(field, deeper)}`,
  );
  return fields.length === 0 ? "{ }" : `{\n${fields.join(",\n")}\n${indent}}`;
}
