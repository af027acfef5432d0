import { QuorateError } from "@quorate/protocol";
import type { Field, ValueOf } from "./field.js";
import { ZkOp } from "./op-codes.js";
import type { JuteReader } from "./reader.js";
import {
  Create2Response,
  CreateRequest,
  CreateTtlRequest,
  ErrorResponse,
  GetChildrenResponse,
  GetDataResponse,
  MultiHeader,
  PathResponse,
  PathVersionRequest,
  PathWatchRequest,
  SetDataRequest,
  StatResponse,
} from "./records.js";

type CreateOp = typeof ZkOp.create | typeof ZkOp.create2 | typeof ZkOp.createContainer;

/** One operation of a multi, or of a multiRead, by ZooKeeper's number. */
export type MultiOp =
  | { readonly type: CreateOp; readonly request: ValueOf<typeof CreateRequest> }
  | { readonly type: typeof ZkOp.createTtl; readonly request: ValueOf<typeof CreateTtlRequest> }
  | { readonly type: typeof ZkOp.setData; readonly request: ValueOf<typeof SetDataRequest> }
  | {
      readonly type: typeof ZkOp.delete | typeof ZkOp.check;
      readonly request: ValueOf<typeof PathVersionRequest>;
    }
  | {
      readonly type: typeof ZkOp.getData | typeof ZkOp.getChildren;
      readonly request: ValueOf<typeof PathWatchRequest>;
    };

/** A header and its record, again and again, and a header that says that this was all. */
const END = { type: -1, done: true, err: -1 } as const;

/** @throws ERR_PROTOCOL_DECODE for what no multi may hold. It does not judge how many there are. */
export const MultiRequest: Field<readonly MultiOp[]> = {
  read(reader) {
    const ops: MultiOp[] = [];
    for (;;) {
      const { type, done } = MultiHeader.read(reader);
      if (done) return ops;
      ops.push(readOp(type, reader));
    }
  },
  write(writer, ops) {
    for (const op of ops) {
      MultiHeader.write(writer, { type: op.type, done: false, err: -1 });
      requestOf(op.type).write(writer, op.request);
    }
    MultiHeader.write(writer, END);
  },
};

function readOp(type: number, reader: JuteReader): MultiOp {
  return { type, request: requestOf(type).read(reader) } as MultiOp;
}

function requestOf(type: number): Field<unknown> {
  const field = multiRequests.get(type);
  if (field === undefined) throw badOp(type);
  return field;
}

const multiRequests: ReadonlyMap<number, Field<unknown>> = new Map<number, Field<unknown>>([
  [ZkOp.create, CreateRequest],
  [ZkOp.create2, CreateRequest],
  [ZkOp.createContainer, CreateRequest],
  [ZkOp.createTtl, CreateTtlRequest],
  [ZkOp.setData, SetDataRequest],
  [ZkOp.delete, PathVersionRequest],
  [ZkOp.check, PathVersionRequest],
  [ZkOp.getData, PathWatchRequest],
  [ZkOp.getChildren, PathWatchRequest],
]);

/** One result; `value` is null where an operation has no answer. Type -1 is an error. */
export interface MultiResult {
  readonly type: number;
  readonly err: number;
  readonly value: unknown;
}

const nothing: Field<null> = { read: () => null, write: () => undefined };
const multiResponses: ReadonlyMap<number, Field<unknown>> = new Map<number, Field<unknown>>([
  [ZkOp.create, PathResponse],
  [ZkOp.create2, Create2Response],
  [ZkOp.createContainer, Create2Response],
  [ZkOp.createTtl, Create2Response],
  [ZkOp.setData, StatResponse],
  [ZkOp.delete, nothing],
  [ZkOp.check, nothing],
  [ZkOp.getData, GetDataResponse],
  [ZkOp.getChildren, GetChildrenResponse],
  [ZkOp.error, ErrorResponse],
]);

/** What a client reads. The server writes its answers piece by piece. */
export const MultiResponse: Field<readonly MultiResult[]> = {
  read(reader) {
    const results: MultiResult[] = [];
    for (;;) {
      const { type, done, err } = MultiHeader.read(reader);
      if (done) return results;
      results.push({ type, err, value: resultOf(type).read(reader) });
    }
  },
  write(writer, results) {
    for (const { type, err, value } of results) {
      MultiHeader.write(writer, { type, done: false, err });
      resultOf(type).write(writer, value);
    }
    MultiHeader.write(writer, END);
  },
};

function resultOf(type: number): Field<unknown> {
  const field = multiResponses.get(type);
  if (field === undefined) throw badOp(type);
  return field;
}

function badOp(type: number): QuorateError {
  return new QuorateError("ERR_PROTOCOL_DECODE", "unreadable packet: an operation in a multi", {
    details: { type },
  });
}
