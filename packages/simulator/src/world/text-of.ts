/** Data of a log line, on one line. */
export function textOf(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item === "bigint") return `0x${item.toString(16)}`;
    if (item instanceof Uint8Array) return `${item.length} bytes`;
    if (item instanceof Map) return [...(item as Map<unknown, unknown>)];
    if (item instanceof Error) return "code" in item ? String(item.code) : item.message;
    return item;
  });
}
