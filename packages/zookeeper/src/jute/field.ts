import type { JuteReader } from "./reader.js";
import type { JuteWriter } from "./writer.js";

/** How one kind of value is written and read. */
export interface Field<T> {
  read(reader: JuteReader): T;
  write(writer: JuteWriter, value: T): void;
}

/** The value that a field, or a record of fields, carries. */
export type ValueOf<F> = F extends Field<infer T> ? T : never;

type Fields = Readonly<Record<string, Field<unknown>>>;
type RecordOf<S extends Fields> = { readonly [K in keyof S]: ValueOf<S[K]> };

export const int: Field<number> = {
  read: (reader) => reader.int(),
  write: (writer, value) => writer.int(value),
};
export const long: Field<bigint> = {
  read: (reader) => reader.long(),
  write: (writer, value) => writer.long(value),
};
/** A long that both sides keep within 2^53: times. */
export const longNumber: Field<number> = {
  read: (reader) => Number(reader.long()),
  write: (writer, value) => writer.long(BigInt(value)),
};
export const boolean: Field<boolean> = {
  read: (reader) => reader.boolean(),
  write: (writer, value) => writer.boolean(value),
};
export const buffer: Field<Uint8Array | null> = {
  read: (reader) => reader.buffer(),
  write: (writer, value) => writer.buffer(value),
};
export const text: Field<string | null> = {
  read: (reader) => reader.text(),
  write: (writer, value) => writer.text(value),
};

export function vector<T>(item: Field<T>): Field<readonly T[] | null> {
  const read = (reader: JuteReader): T => item.read(reader);
  const write = (writer: JuteWriter, value: T): void => item.write(writer, value);
  return {
    read: (reader) => reader.vector(read),
    write: (writer, value) => writer.vector(value, write),
  };
}

/** Fields one after another, without tags, in the order given. */
export function record<S extends Fields>(fields: S): Field<RecordOf<S>> {
  const entries = Object.entries(fields);
  return {
    read(reader) {
      const value: Record<string, unknown> = {};
      for (const [name, field] of entries) value[name] = field.read(reader);
      return value as RecordOf<S>;
    },
    write(writer, value) {
      for (const [name, field] of entries) field.write(writer, value[name]);
    },
  };
}
