import {
  JuteWriter,
  PathVersionRequest,
  requestRecords,
  ZkOp,
  type Field,
} from "@quorate/zookeeper";

/** What follows the header of a request. */
export function bodyOf(type: number, value: unknown): Uint8Array {
  const record = recordOf(type);
  if (record === null) return new Uint8Array(0);
  const writer = new JuteWriter();
  record.write(writer, value);
  return writer.bytes().slice();
}

function recordOf(type: number): Field<unknown> | null {
  // Only within a multi, says the reference; a client may send it all the same.
  if (type === ZkOp.check) return PathVersionRequest;
  const record = requestRecords.get(type);
  if (record === undefined) throw new Error(`no record of a request of type ${type}`);
  return record;
}
