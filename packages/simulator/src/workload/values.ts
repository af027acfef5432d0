/**
 * Values as a history has them, `name:length`: their bytes are the name, filled up. So whatever was
 * changed, cut or mixed up on the way shows, and nobody keeps the bulk.
 */
const FILLER = "x";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** At least as long as its name, which must not end in the filler. */
export function valueOf(name: string, length: number): string {
  return `${name}:${Math.max(length, name.length)}`;
}

export function bytesOfValue(value: string): Uint8Array {
  const [name = "", length = ""] = value.split(":");
  return encoder.encode(name.padEnd(Number(length), FILLER));
}

export function valueOfBytes(bytes: Uint8Array): string {
  const text = decoder.decode(bytes);
  let end = text.length;
  while (text[end - 1] === FILLER) end -= 1;
  return `${text.slice(0, end)}:${text.length}`;
}
