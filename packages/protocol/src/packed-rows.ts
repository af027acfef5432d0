import { QuorateError } from "./errors.js";

/** One key and value of the state machine's checkpoint; both opaque. Null: the key is gone. */
export interface StateRow {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

/** Rows of a checkpoint. Whoever makes few of them gives an array. */
export interface StateRows extends Iterable<StateRow> {
  readonly length: number;
}

/** Before each packed row: u32 bytes of the key | u32 bytes of the value. */
export const ROW_HEADER_BYTES = 8;
/** In the place of a value's bytes: there is no value. */
export const NO_VALUE = 0xffff_ffff;

/**
 * Rows one behind the other in one piece of memory, as they are on disk and between nodes:
 *   u32 key bytes | u32 value bytes (all ones: no value) | key | value
 * A million rows as objects of their own are three million for the collector to deal with.
 */
export class PackedRows implements StateRows {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly length: number;
  /** How many of them have a value. */
  readonly values: number;

  /** @throws ERR_PROTOCOL_DECODE when the bytes are no rows. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let length = 0;
    let values = 0;
    let at = 0;
    for (; at + ROW_HEADER_BYTES <= bytes.length; length += 1) {
      const valueBytes = this.view.getUint32(at + 4);
      at += ROW_HEADER_BYTES + this.view.getUint32(at);
      if (valueBytes === NO_VALUE) continue;
      at += valueBytes;
      values += 1;
    }
    if (at !== bytes.length) {
      throw new QuorateError("ERR_PROTOCOL_DECODE", "rows of a checkpoint do not fit their bytes", {
        details: { bytes: bytes.length },
      });
    }
    this.length = length;
    this.values = values;
  }

  static of(rows: StateRows): PackedRows {
    if (rows instanceof PackedRows) return rows;
    const packer = new RowPacker();
    for (const { key, value } of rows) packer.add(key, value);
    return packer.take();
  }

  /** Keys and values are views. */
  *[Symbol.iterator](): Generator<StateRow, undefined> {
    const { bytes, view } = this;
    for (let at = 0; at < bytes.length;) {
      const valueBytes = view.getUint32(at + 4);
      const keyAt = at + ROW_HEADER_BYTES;
      const valueAt = keyAt + view.getUint32(at);
      at = valueBytes === NO_VALUE ? valueAt : valueAt + valueBytes;
      const value = valueBytes === NO_VALUE ? null : bytes.subarray(valueAt, at);
      yield { key: bytes.subarray(keyAt, valueAt), value };
    }
  }
}

/** One row, packed, in memory that is as long. */
export function packRow(key: Uint8Array, value: Uint8Array | null): Uint8Array {
  const bytes = new Uint8Array(ROW_HEADER_BYTES + key.length + (value?.length ?? 0));
  writeRow(bytes, new DataView(bytes.buffer), 0, { key, value });
  return bytes;
}

function writeRow(bytes: Uint8Array, view: DataView, at: number, { key, value }: StateRow): void {
  view.setUint32(at, key.length);
  view.setUint32(at + 4, value === null ? NO_VALUE : value.length);
  bytes.set(key, at + ROW_HEADER_BYTES);
  if (value !== null) bytes.set(value, at + ROW_HEADER_BYTES + key.length);
}

const INITIAL_BYTES = 4096;

/** Packs rows; one serves for many. */
export class RowPacker {
  #bytes = new Uint8Array(INITIAL_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #used = 0;

  get byteLength(): number {
    return this.#used;
  }

  add(key: Uint8Array, value: Uint8Array | null): void {
    const at = this.#reserve(ROW_HEADER_BYTES + key.length + (value?.length ?? 0));
    writeRow(this.#bytes, this.#view, at, { key, value });
  }

  /** One row, or many, that are packed already. */
  addPacked(rows: Uint8Array): void {
    const at = this.#reserve(rows.length);
    this.#bytes.set(rows, at);
  }

  /** What was added since the last time, in memory of its own. */
  take(): PackedRows {
    const bytes = this.#bytes.slice(0, this.#used);
    this.#used = 0;
    return new PackedRows(bytes);
  }

  /** Where room for so many bytes begins. */
  #reserve(length: number): number {
    const at = this.#used;
    this.#used += length;
    if (this.#used <= this.#bytes.length) return at;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#used));
    grown.set(this.#bytes.subarray(0, at));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
    return at;
  }
}
