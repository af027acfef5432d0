import { QuorateError } from "@quorate/protocol";

/**
 * Walks one MessagePack value without building it, so that a length that lies is found before
 * anything is allocated for it: `dd ff ff ff ff` claims four billion elements in five bytes.
 * Afterwards a decoder can neither allocate more than the bytes that are there, nor recurse
 * deeper than `depthMax`, nor meet an extension type.
 * @throws ERR_PROTOCOL_DECODE when lengths do not fit, bytes are left over, a value is nested too
 * deeply, or a type is not plain data.
 */
export function checkMsgpack(bytes: Uint8Array, depthMax: number): void {
  // How many values are still due at each open level.
  const due: number[] = [1];
  let at = 0;
  while (due.length > 0) {
    const level = due.length - 1;
    const left = due[level] ?? 0;
    if (left === 0) {
      due.pop();
      continue;
    }
    due[level] = left - 1;
    if (at >= bytes.length) throw refuse("it ends within a value", at);
    const shape = shapeAt(bytes, at);
    at += shape.bytes;
    if (at > bytes.length) throw refuse("a length exceeds the frame", at);
    if (shape.values > 0) {
      // Every value takes at least one byte.
      if (shape.values > bytes.length - at) throw refuse("a count exceeds the frame", at);
      if (due.length >= depthMax) throw refuse("it is nested too deeply", at);
      due.push(shape.values);
    }
  }
  if (at !== bytes.length) throw refuse("bytes are left over", at);
}

interface Shape {
  /** The head, and the payload of anything but a container. */
  readonly bytes: number;
  /** The values that follow in a container. */
  readonly values: number;
}

const leaf = (bytes: number): Shape => ({ bytes, values: 0 });
/** Most values are small: their shapes are made once. */
const leaves: readonly Shape[] = Array.from({ length: 64 }, (_, bytes) => leaf(bytes));
const leafOf = (bytes: number): Shape => leaves[bytes] ?? leaf(bytes);

function shapeAt(bytes: Uint8Array, at: number): Shape {
  const head = bytes[at] ?? 0;
  if (head < 0x80 || head >= 0xe0) return leafOf(1);
  if (head < 0x90) return { bytes: 1, values: (head & 0x0f) * 2 };
  if (head < 0xa0) return { bytes: 1, values: head & 0x0f };
  if (head < 0xc0) return leafOf(1 + (head & 0x1f));
  switch (head) {
    case 0xc0: // nil
    case 0xc2: // false
    case 0xc3: // true
      return leafOf(1);
    case 0xc4: // bin 8
    case 0xd9: // str 8
      return leafOf(2 + lengthAt(bytes, at + 1, 1));
    case 0xc5: // bin 16
    case 0xda: // str 16
      return leafOf(3 + lengthAt(bytes, at + 1, 2));
    case 0xc6: // bin 32
    case 0xdb: // str 32
      return leafOf(5 + lengthAt(bytes, at + 1, 4));
    case 0xcc: // uint 8
    case 0xd0: // int 8
      return leafOf(2);
    case 0xcd: // uint 16
    case 0xd1: // int 16
      return leafOf(3);
    case 0xca: // float 32
    case 0xce: // uint 32
    case 0xd2: // int 32
      return leafOf(5);
    case 0xcb: // float 64
    case 0xcf: // uint 64
    case 0xd3: // int 64
      return leafOf(9);
    case 0xdc: // array 16
      return { bytes: 3, values: lengthAt(bytes, at + 1, 2) };
    case 0xdd: // array 32
      return { bytes: 5, values: lengthAt(bytes, at + 1, 4) };
    case 0xde: // map 16
      return { bytes: 3, values: lengthAt(bytes, at + 1, 2) * 2 };
    case 0xdf: // map 32
      return { bytes: 5, values: lengthAt(bytes, at + 1, 4) * 2 };
    default:
      // Extension types carry dates, classes, shared structures: none belongs in a frame.
      throw refuse(`type 0x${head.toString(16)} is not plain data`, at);
  }
}

function lengthAt(bytes: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let i = 0; i < size; i += 1) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}

function refuse(what: string, at: number): QuorateError {
  return new QuorateError("ERR_PROTOCOL_DECODE", `cannot read the frame: ${what}`, {
    details: { at },
  });
}
