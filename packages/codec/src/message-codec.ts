import {
  assertNever,
  FRAME_BYTES_MAX,
  MULTI_OPERATIONS_MAX,
  PackedRows,
  type ChainHash,
  type NodeId,
  type Identity,
  type PeerMsg,
  type PeerMsgKind,
} from "@quorate/protocol";
import {
  malformed,
  readBatch,
  readBoolean,
  readBytes,
  readContent,
  readEpoch,
  readErrorCode,
  readErrorText,
  readIdentity,
  readKey,
  readNodeFid,
  readNodeId,
  readOp,
  readOriginFid,
  readPosition,
  readStanding,
  readTouches,
  readTxnid,
  readUint,
  readUint64,
  writeErrorText,
  writeFid,
  writeStanding,
  writeTouches,
} from "./fields.js";
import { MEMBERS_MAX, SNAPSHOT_CHUNK_ROWS_MAX } from "./wire-limits.js";

/** The numbers on the wire. They are for ever: new kinds take new numbers. */
export const KIND_NUMBERS = {
  followerInfo: 1,
  leaderInfo: 2,
  epochAck: 3,
  truncate: 4,
  streamBegin: 5,
  history: 6,
  snapshotBegin: 7,
  snapshotChunk: 8,
  snapshotEnd: 9,
  syncProgress: 10,
  snapshotRequest: 11,
  newLeader: 12,
  newLeaderAck: 13,
  proposal: 14,
  accept: 15,
  commit: 16,
  inform: 17,
  abort: 18,
  request: 19,
  response: 20,
  heartbeat: 21,
  readIndexRequest: 22,
  readIndexReply: 23,
  handover: 24,
  relayedRequest: 25,
  refusalsProven: 26,
} as const satisfies Record<PeerMsgKind, number>;

const K = KIND_NUMBERS;
const COUNT_MAX = Number.MAX_SAFE_INTEGER;

/** A message as it stands in a frame: its number, then its fields in order. */
export function toFields(m: PeerMsg): readonly unknown[] {
  switch (m.kind) {
    case "proposal":
      return [K.proposal, m.batch.bytes];
    case "accept":
      return [K.accept, m.txnid, writeFid(m.fid)];
    case "commit":
      return [K.commit, m.txnid];
    case "request":
      return [K.request, m.reqId, m.op, m.key, m.content];
    case "relayedRequest":
      return [K.relayedRequest, writeFid(m.fid), m.reqId, m.op, m.key, m.content];
    case "heartbeat":
      return [K.heartbeat, m.round, m.answer, writeTouches(m.touches)];
    case "history":
      return [K.history, m.committed, m.batch.bytes];
    case "inform":
      return [K.inform, m.batch.bytes];
    case "abort":
      return [
        K.abort,
        writeFid(m.fid),
        m.reqId,
        m.code,
        writeErrorText(m.error),
        m.at + 1,
        m.after,
      ];
    case "refusalsProven":
      return [K.refusalsProven, writeFid(m.fid), m.reqId];
    case "response":
      return [K.response, writeFid(m.fid), m.reqId, writeErrorText(m.error), m.content];
    case "readIndexRequest":
      return [K.readIndexRequest, m.readId];
    case "readIndexReply":
      return [K.readIndexReply, m.readId, m.txnid];
    case "syncProgress":
      return [K.syncProgress, m.received];
    case "snapshotChunk":
      return [K.snapshotChunk, m.index, PackedRows.of(m.rows).bytes];
    case "epochAck":
    case "followerInfo":
    case "handover":
    case "leaderInfo":
    case "newLeader":
    case "newLeaderAck":
    case "snapshotBegin":
    case "snapshotEnd":
    case "snapshotRequest":
    case "streamBegin":
    case "truncate":
      return toRareFields(m);
    default:
      return assertNever(m, "message kind");
  }
}

type RareMsg = Extract<
  PeerMsg,
  {
    kind:
      | "followerInfo"
      | "leaderInfo"
      | "epochAck"
      | "truncate"
      | "streamBegin"
      | "snapshotBegin"
      | "snapshotEnd"
      | "snapshotRequest"
      | "newLeader"
      | "newLeaderAck"
      | "handover";
  }
>;

/** Discovery, sync and handover: a few of these per role. */
function toRareFields(m: RareMsg): readonly unknown[] {
  switch (m.kind) {
    case "followerInfo": {
      const standing = writeStanding(m.standing);
      return [K.followerInfo, m.acceptedEpoch, writeFid(m.fid), m.voting, standing, m.identity];
    }
    case "leaderInfo":
      return [K.leaderInfo, m.epoch];
    case "epochAck":
      return [K.epochAck, m.lastLogged.txnid, m.lastLogged.chain, m.currentEpoch, m.uncounted];
    case "truncate":
      return [K.truncate, m.after.txnid, m.after.chain];
    case "streamBegin":
      return [K.streamBegin, m.after.txnid, m.after.chain];
    case "snapshotBegin": {
      const { position, digest, members } = m.snapshot;
      return [K.snapshotBegin, position.txnid, position.chain, digest, members.flat()];
    }
    case "snapshotEnd":
      return [K.snapshotEnd, m.rowCount];
    case "snapshotRequest":
      return [K.snapshotRequest];
    case "newLeader":
      return [K.newLeader, m.epoch, m.last.txnid, m.last.chain];
    case "newLeaderAck":
      return [K.newLeaderAck, m.epoch];
    case "handover":
      return [K.handover];
    default:
      return assertNever(m, "message kind");
  }
}

interface Reader {
  /** Fields behind the kind. */
  readonly arity: number;
  /** `f[0]` is the kind. */
  readonly read: (f: readonly unknown[], hash: ChainHash) => PeerMsg;
}

const readersByKind: Readonly<Record<PeerMsgKind, Reader>> = {
  followerInfo: {
    arity: 5,
    read: (f) => ({
      kind: "followerInfo",
      acceptedEpoch: readEpoch(f[1]),
      fid: readNodeFid(f[2]),
      voting: readBoolean(f[3], "voting"),
      standing: readStanding(f[4]),
      identity: readIdentity(f[5]),
    }),
  },
  leaderInfo: { arity: 1, read: (f) => ({ kind: "leaderInfo", epoch: readEpoch(f[1]) }) },
  epochAck: {
    arity: 4,
    read: (f) => ({
      kind: "epochAck",
      lastLogged: readPosition(f[1], f[2]),
      currentEpoch: readEpoch(f[3]),
      uncounted: readBoolean(f[4], "uncounted"),
    }),
  },
  truncate: { arity: 2, read: (f) => ({ kind: "truncate", after: readPosition(f[1], f[2]) }) },
  streamBegin: {
    arity: 2,
    read: (f) => ({ kind: "streamBegin", after: readPosition(f[1], f[2]) }),
  },
  history: {
    arity: 2,
    read: (f, hash) => ({
      kind: "history",
      committed: readTxnid(f[1]),
      batch: readBatch(f[2], hash),
    }),
  },
  snapshotBegin: {
    arity: 4,
    read: (f) => ({
      kind: "snapshotBegin",
      snapshot: {
        position: readPosition(f[1], f[2]),
        digest: readUint64(f[3], "digest"),
        members: readMembers(f[4]),
      },
    }),
  },
  snapshotChunk: {
    arity: 2,
    read: (f) => ({
      kind: "snapshotChunk",
      index: readUint(f[1], COUNT_MAX, "index"),
      rows: readRows(f[2]),
    }),
  },
  snapshotEnd: {
    arity: 1,
    read: (f) => ({ kind: "snapshotEnd", rowCount: readUint(f[1], COUNT_MAX, "row count") }),
  },
  syncProgress: {
    arity: 1,
    read: (f) => ({ kind: "syncProgress", received: readUint(f[1], COUNT_MAX, "received") }),
  },
  snapshotRequest: { arity: 0, read: () => ({ kind: "snapshotRequest" }) },
  newLeader: {
    arity: 3,
    read: (f) => ({ kind: "newLeader", epoch: readEpoch(f[1]), last: readPosition(f[2], f[3]) }),
  },
  newLeaderAck: { arity: 1, read: (f) => ({ kind: "newLeaderAck", epoch: readEpoch(f[1]) }) },
  proposal: { arity: 1, read: (f, hash) => ({ kind: "proposal", batch: readBatch(f[1], hash) }) },
  accept: {
    arity: 2,
    read: (f) => ({ kind: "accept", txnid: readTxnid(f[1]), fid: readNodeFid(f[2]) }),
  },
  commit: { arity: 1, read: (f) => ({ kind: "commit", txnid: readTxnid(f[1]) }) },
  inform: { arity: 1, read: (f, hash) => ({ kind: "inform", batch: readBatch(f[1], hash) }) },
  abort: {
    arity: 6,
    read: (f) => ({
      kind: "abort",
      fid: readOriginFid(f[1]),
      reqId: readUint64(f[2], "request id"),
      code: readErrorCode(f[3]),
      error: readErrorText(f[4]),
      at: readUint(f[5], MULTI_OPERATIONS_MAX, "operation of a multi") - 1,
      after: f[6] === null ? null : readTxnid(f[6]),
    }),
  },
  refusalsProven: {
    arity: 2,
    read: (f) => ({
      kind: "refusalsProven",
      fid: readOriginFid(f[1]),
      reqId: readUint64(f[2], "request id"),
    }),
  },
  request: {
    arity: 4,
    read: (f) => ({
      kind: "request",
      reqId: readUint64(f[1], "request id"),
      op: readOp(f[2]),
      key: readKey(f[3]),
      content: readContent(f[4]),
    }),
  },
  relayedRequest: {
    arity: 5,
    read: (f) => ({
      kind: "relayedRequest",
      fid: readNodeFid(f[1]),
      reqId: readUint64(f[2], "request id"),
      op: readOp(f[3]),
      key: readKey(f[4]),
      content: readContent(f[5]),
    }),
  },
  response: {
    arity: 4,
    read: (f) => ({
      kind: "response",
      fid: readOriginFid(f[1]),
      reqId: readUint64(f[2], "request id"),
      error: readErrorText(f[3]),
      content: readContent(f[4]),
    }),
  },
  heartbeat: {
    arity: 3,
    read: (f) => ({
      kind: "heartbeat",
      round: readUint(f[1], COUNT_MAX, "round"),
      answer: readBoolean(f[2], "answer"),
      touches: readTouches(f[3]),
    }),
  },
  readIndexRequest: {
    arity: 1,
    read: (f) => ({ kind: "readIndexRequest", readId: readUint(f[1], COUNT_MAX, "read id") }),
  },
  readIndexReply: {
    arity: 2,
    read: (f) => ({
      kind: "readIndexReply",
      readId: readUint(f[1], COUNT_MAX, "read id"),
      txnid: readTxnid(f[2]),
    }),
  },
  handover: { arity: 0, read: () => ({ kind: "handover" }) },
};

const readersByNumber: readonly (Reader | undefined)[] = (() => {
  const table: (Reader | undefined)[] = [];
  for (const kind of Object.keys(KIND_NUMBERS) as PeerMsgKind[]) {
    table[KIND_NUMBERS[kind]] = readersByKind[kind];
  }
  return table;
})();

/** @throws ERR_PROTOCOL_DECODE on an unknown kind, a wrong arity or any field out of range. */
export function fromFields(fields: unknown, hash: ChainHash): PeerMsg {
  if (!Array.isArray(fields)) throw malformed("message");
  const number: unknown = fields[0];
  const reader = typeof number === "number" ? readersByNumber[number] : undefined;
  if (reader === undefined) throw malformed("message kind");
  if (fields.length !== reader.arity + 1) {
    throw malformed("arity", { kind: number, fields: fields.length });
  }
  return reader.read(fields, hash);
}

/** The rows are views, as the bytes are. @throws ERR_PROTOCOL_DECODE. */
function readRows(value: unknown): PackedRows {
  const rows = new PackedRows(readBytes(value, FRAME_BYTES_MAX, "rows"));
  if (rows.length > SNAPSHOT_CHUNK_ROWS_MAX) throw malformed("rows");
  return rows;
}

function readMembers(value: unknown): (readonly [NodeId, Identity])[] {
  if (!Array.isArray(value) || value.length % 2 !== 0 || value.length > MEMBERS_MAX * 2) {
    throw malformed("members");
  }
  const members: (readonly [NodeId, Identity])[] = [];
  for (let i = 0; i < value.length; i += 2) {
    members.push([readNodeId(value[i]), readIdentity(value[i + 1])]);
  }
  return members;
}
