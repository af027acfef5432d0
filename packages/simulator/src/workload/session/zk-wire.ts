import { assertNever, type NodeChangeKind } from "@quorate/protocol";
import { CreateMode, isTtl, type Stat } from "@quorate/znode";
import {
  ConnectRequest,
  ConnectResponse,
  JuteReader,
  JuteWriter,
  ReplyHeader,
  RequestHeader,
  requestRecords,
  responseRecords,
  WatcherEvent,
  ZkAddWatchMode,
  ZkEventType,
  ZkOp,
  ZkXid,
  type MultiOp,
  type MultiResult,
} from "@quorate/zookeeper";
import type { Watch, WatchList } from "../../checkers/service/watch-oracle.js";
import type { AclItem } from "../../checkers/service/acl-rules.js";
import { ACLS, markedAcl, PASSWORD } from "./identities.js";
import type { Part, ReadPart, SessionRequest } from "./request.js";

/** ZooKeeper's packets as a client writes and reads them, with the shipped codec. */

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function packet(write: (writer: JuteWriter) => void): Uint8Array {
  const writer = new JuteWriter();
  const frame = writer.beginFrame();
  write(writer);
  writer.endFrame(frame);
  return writer.bytes().slice();
}

export interface Credentials {
  readonly session: bigint;
  readonly password: Uint8Array;
  readonly timeoutMs: number;
}

export function encodeConnect(
  asked: Credentials,
  lastZxidSeen: bigint,
  asksReadOnly: boolean,
): Uint8Array {
  return packet((writer) => {
    ConnectRequest.write(writer, {
      protocolVersion: 0,
      lastZxidSeen,
      timeOut: asked.timeoutMs,
      sessionId: asked.session,
      passwd: asked.password,
    });
    writer.boolean(asksReadOnly);
  });
}

export interface Granted extends Credentials {
  /** By a server without a quorum, which reads and no more. */
  readonly isReadOnly: boolean;
}

/** Null: the session is gone. */
export function decodeConnect(bytes: Uint8Array): Granted | null {
  const reader = new JuteReader(bytes);
  const { timeOut, sessionId, passwd } = ConnectResponse.read(reader);
  if (timeOut <= 0) return null;
  const session = BigInt.asUintN(64, sessionId);
  const password = passwd?.slice() ?? new Uint8Array(0);
  return { session, timeoutMs: timeOut, password, isReadOnly: reader.boolean() };
}

function request(xid: number, op: number, body: unknown): Uint8Array {
  return packet((writer) => {
    RequestHeader.write(writer, { xid, type: op });
    requestRecords.get(op)?.write(writer, body);
  });
}

export const PING = request(ZkXid.ping, ZkOp.ping, null);

/** ZooKeeper's addauth. */
export const LOGIN = request(ZkXid.auth, ZkOp.auth, {
  type: 0,
  scheme: "digest",
  auth: encoder.encode(PASSWORD),
});

export function encodeRequest(xid: number, asked: SessionRequest): Uint8Array {
  switch (asked.kind) {
    case "multi":
      return request(xid, ZkOp.multi, asked.parts.map(partOf));
    case "multiRead":
      return request(xid, ZkOp.multiRead, asked.parts.map(readPartOf));
    case "addWatch": {
      const { persistent, persistentRecursive } = ZkAddWatchMode;
      const mode = asked.isRecursive ? persistentRecursive : persistent;
      return request(xid, ZkOp.addWatch, { path: asked.path, mode });
    }
    case "setAcl": {
      const { path, acl, value, version } = asked;
      return request(xid, ZkOp.setAcl, { path, acl: markedAcl(acl, value), version });
    }
    case "getAcl":
      return request(xid, ZkOp.getAcl, { path: asked.path });
    case "sync":
      return request(xid, ZkOp.sync, { path: "/" });
    case "closeSession":
      return request(xid, ZkOp.closeSession, null);
    case "get":
    case "exists":
    case "children":
      return request(xid, opOf(asked), { path: asked.path, watch: asked.watch });
    default: {
      const { type, request: body } = partOf(asked);
      return request(xid, type, body);
    }
  }
}

export function encodeSetWatches(relativeZxid: bigint, watches: readonly Watch[]): Uint8Array {
  const of = (list: WatchList): string[] =>
    watches.filter((watch) => watch.list === list).map(({ path }) => path);
  return request(ZkXid.setWatches, ZkOp.setWatches2, {
    relativeZxid,
    dataWatches: of("data"),
    existWatches: of("exist"),
    childWatches: of("child"),
    persistentWatches: of("persistent"),
    persistentRecursiveWatches: of("persistentRecursive"),
  });
}

/** The order in which a server goes through them. */
export const WATCH_LISTS: readonly WatchList[] = [
  "data",
  "exist",
  "child",
  "persistent",
  "persistentRecursive",
];

function opOf(asked: SessionRequest): number {
  switch (asked.kind) {
    case "get":
      return ZkOp.getData;
    case "exists":
      return ZkOp.exists;
    case "children":
      return ZkOp.getChildren2;
    case "create":
      return ZkOp.create2;
    case "set":
      return ZkOp.setData;
    case "delete":
      return ZkOp.delete;
    case "multi":
      return ZkOp.multi;
    case "multiRead":
      return ZkOp.multiRead;
    case "setAcl":
      return ZkOp.setAcl;
    case "getAcl":
      return ZkOp.getAcl;
    case "addWatch":
      return ZkOp.addWatch;
    case "sync":
      return ZkOp.sync;
    case "closeSession":
      return ZkOp.closeSession;
    default:
      return assertNever(asked, "request");
  }
}

function partOf(part: Part): MultiOp {
  const { path } = part;
  switch (part.kind) {
    case "create": {
      const { mode: flags, value, ttlMs = 0 } = part;
      const request = { path, data: encoder.encode(value), acl: ACLS[part.acl ?? "open"], flags };
      if (isTtl(flags)) {
        return { type: ZkOp.createTtl, request: { ...request, ttl: BigInt(ttlMs) } };
      }
      const type = flags === CreateMode.container ? ZkOp.createContainer : ZkOp.create2;
      return { type, request };
    }
    case "set": {
      const { version, value } = part;
      return { type: ZkOp.setData, request: { path, data: encoder.encode(value), version } };
    }
    case "delete":
      return { type: ZkOp.delete, request: { path, version: part.version } };
    case "check":
      return { type: ZkOp.check, request: { path, version: part.version } };
    default:
      return assertNever(part, "part");
  }
}

function readPartOf({ kind, path }: ReadPart): MultiOp {
  const type = kind === "get" ? ZkOp.getData : ZkOp.getChildren;
  return { type, request: { path, watch: false } };
}

export type Packet =
  | {
      readonly kind: "event";
      readonly txnid: bigint | null;
      readonly change: NodeChangeKind;
      readonly path: string;
    }
  | {
      readonly kind: "reply";
      readonly xid: number;
      readonly txnid: bigint;
      readonly err: number;
      readonly reader: JuteReader;
    };

const changes: ReadonlyMap<number, NodeChangeKind> = new Map<number, NodeChangeKind>([
  [ZkEventType.created, "created"],
  [ZkEventType.deleted, "deleted"],
  [ZkEventType.dataChanged, "dataChanged"],
  [ZkEventType.childrenChanged, "childrenChanged"],
]);

export function decodePacket(bytes: Uint8Array): Packet {
  const reader = new JuteReader(bytes);
  const { xid, zxid, err } = ReplyHeader.read(reader);
  if (xid !== ZkXid.notification) return { kind: "reply", xid, txnid: zxid, err, reader };
  const { type, path } = WatcherEvent.read(reader);
  const change = changes.get(type);
  if (change === undefined || path === null) throw new Error(`no such event: ${type}`);
  return { kind: "event", txnid: zxid > 0n ? zxid : null, change, path };
}

/** The fields of an answer, by what was asked. */
export interface AnswerBody {
  readonly stat?: Stat;
  readonly data?: string;
  readonly children?: readonly string[];
  readonly path?: string;
  readonly acl?: readonly AclItem[];
  readonly results?: readonly MultiResult[];
}

/** As the records name them; nothing is there that the operation does not answer. */
export interface Fields {
  readonly stat?: Stat;
  readonly data?: Uint8Array | null;
  readonly children?: readonly (string | null)[] | null;
  readonly path?: string | null;
  readonly acl?: readonly WireAclItem[] | null;
}

interface WireAclItem {
  readonly perms: number;
  readonly id: { readonly scheme: string | null; readonly id: string | null };
}

export function decodeAnswer(asked: SessionRequest, reader: JuteReader): AnswerBody {
  const body: unknown = responseRecords.get(opOf(asked))?.read(reader) ?? {};
  if (asked.kind === "multi" || asked.kind === "multiRead") {
    return { results: body as readonly MultiResult[] };
  }
  return bodyOf(body as Fields);
}

function itemOf({ perms, id }: WireAclItem): AclItem {
  return { perms, scheme: id.scheme ?? "", id: id.id ?? "" };
}

/** Of one operation alone, or of one in a multiRead. */
export function bodyOf({ stat, data, children, path, acl }: Fields): AnswerBody {
  return {
    ...(stat === undefined ? {} : { stat }),
    ...(data === undefined ? {} : { data: decoder.decode(data ?? undefined) }),
    ...(children === undefined ? {} : { children: (children ?? []).map((one) => one ?? "") }),
    ...(typeof path === "string" ? { path } : {}),
    ...(acl === undefined ? {} : { acl: (acl ?? []).map(itemOf) }),
  };
}
