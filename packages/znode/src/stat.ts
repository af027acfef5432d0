import { QuorateError, type Txnid } from "@quorate/protocol";

/** What ZooKeeper tells about a znode, under its names. */
export interface Stat {
  /** The txnid that created the node. */
  readonly czxid: Txnid;
  /** The txnid that last set its data. */
  readonly mzxid: Txnid;
  /** The leader's time at creation and at the last set, ms since 1970. */
  readonly ctime: number;
  readonly mtime: number;
  /** Sets of the data, int32, wraps. */
  readonly version: number;
  /** Creates and deletes of children, int32, wraps. */
  readonly cversion: number;
  readonly aversion: number;
  /** A session, the sign of a container or of a time to live (see ownerKind), or 0; u64. */
  readonly ephemeralOwner: bigint;
  readonly dataLength: number;
  readonly numChildren: number;
  /** The txnid that last created or deleted a child. */
  readonly pzxid: Txnid;
}

/** A Stat's bytes: ZooKeeper's own layout, big-endian, in the order of jute's record. */
export const STAT_BYTES = 68;

const TWO_32 = 2 ** 32;

/** Writes ms since 1970 as a u64. Cheaper than a BigInt on a path that every write takes. */
export function setMs(view: DataView, at: number, ms: number): void {
  view.setUint32(at, Math.floor(ms / TWO_32));
  view.setUint32(at + 4, ms % TWO_32);
}

export function getMs(view: DataView, at: number): number {
  return view.getUint32(at) * TWO_32 + view.getUint32(at + 4);
}

/** As DataView.getInt32, without a view: hot paths read a field or two of a content. */
export function int32At(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] ?? 0) << 24) |
    ((bytes[at + 1] ?? 0) << 16) |
    ((bytes[at + 2] ?? 0) << 8) |
    (bytes[at + 3] ?? 0)
  );
}

export function msAt(bytes: Uint8Array, at: number): number {
  return (int32At(bytes, at) >>> 0) * TWO_32 + (int32At(bytes, at + 4) >>> 0);
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** @throws ERR_PROTOCOL_DECODE unless the content starts with a Stat. */
export function statAt(content: Uint8Array): Stat {
  if (content.length < STAT_BYTES) throw malformed("Stat", content.length);
  const view = viewOf(content);
  return {
    czxid: view.getBigUint64(0) as Txnid,
    mzxid: view.getBigUint64(8) as Txnid,
    ctime: getMs(view, 16),
    mtime: getMs(view, 24),
    version: view.getInt32(32),
    cversion: view.getInt32(36),
    aversion: view.getInt32(40),
    ephemeralOwner: view.getBigUint64(44),
    dataLength: view.getInt32(52),
    numChildren: view.getInt32(56),
    pzxid: view.getBigUint64(60) as Txnid,
  };
}

export function malformed(what: string, bytes: number): QuorateError {
  return new QuorateError("ERR_PROTOCOL_DECODE", `malformed content: ${what}`, {
    details: { bytes },
  });
}
