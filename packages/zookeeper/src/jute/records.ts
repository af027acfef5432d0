import type { Stat } from "@quorate/znode";
import {
  boolean,
  buffer,
  int,
  long,
  longNumber,
  record,
  text,
  vector,
  type Field,
  type ValueOf,
} from "./field.js";

/**
 * ZooKeeper's records under its own names (zookeeper.jute of 3.9). Texts, buffers and vectors may
 * be null on the wire; what a server makes of that differs by record.
 */

export const ConnectRequest = record({
  protocolVersion: int,
  lastZxidSeen: long,
  timeOut: int,
  sessionId: long,
  passwd: buffer,
});
export const ConnectResponse = record({
  protocolVersion: int,
  timeOut: int,
  sessionId: long,
  passwd: buffer,
});
export const RequestHeader = record({ xid: int, type: int });
export const ReplyHeader = record({ xid: int, zxid: long, err: int });
export const MultiHeader = record({ type: int, done: boolean, err: int });

export const Id = record({ scheme: text, id: text });
export const Acl = record({ perms: int, id: Id });
export type AclEntry = ValueOf<typeof Acl>;
const aclVector = vector(Acl);
const texts = vector(text);

/** Its bytes are those of the state machine's own answers. */
export const StatRecord: Field<Stat> = record({
  czxid: long,
  mzxid: long,
  ctime: longNumber,
  mtime: longNumber,
  version: int,
  cversion: int,
  aversion: int,
  ephemeralOwner: long,
  dataLength: int,
  numChildren: int,
  pzxid: long,
}) as unknown as Field<Stat>;

/** Requests with a path alone, and one field more. */
export const PathRequest = record({ path: text });
export const PathWatchRequest = record({ path: text, watch: boolean });
export const PathVersionRequest = record({ path: text, version: int });
export const PathTypeRequest = record({ path: text, type: int });
export const AddWatchRequest = record({ path: text, mode: int });

export const CreateRequest = record({ path: text, data: buffer, acl: aclVector, flags: int });
export const CreateTtlRequest = record({
  path: text,
  data: buffer,
  acl: aclVector,
  flags: int,
  ttl: long,
});
export const SetDataRequest = record({ path: text, data: buffer, version: int });
export const SetAclRequest = record({ path: text, acl: aclVector, version: int });
export const ReconfigRequest = record({
  joiningServers: text,
  leavingServers: text,
  newMembers: text,
  curConfigId: long,
});
export const AuthPacket = record({ type: int, scheme: text, auth: buffer });
export const SaslToken = record({ token: buffer });
export const SetWatches = record({
  relativeZxid: long,
  dataWatches: texts,
  existWatches: texts,
  childWatches: texts,
});
export const SetWatches2 = record({
  relativeZxid: long,
  dataWatches: texts,
  existWatches: texts,
  childWatches: texts,
  persistentWatches: texts,
  persistentRecursiveWatches: texts,
});

export const PathResponse = record({ path: text });
export const Create2Response = record({ path: text, stat: StatRecord });
export const StatResponse = record({ stat: StatRecord });
export const GetDataResponse = record({ data: buffer, stat: StatRecord });
export const GetAclResponse = record({ acl: aclVector, stat: StatRecord });
export const GetChildrenResponse = record({ children: texts });
export const GetChildren2Response = record({ children: texts, stat: StatRecord });
export const GetEphemeralsResponse = record({ ephemerals: texts });
export const GetAllChildrenNumberResponse = record({ totalNumber: int });
export const ErrorResponse = record({ err: int });
export const ClientInfo = record({ authScheme: text, user: text });
export const WhoAmIResponse = record({ clientInfo: vector(ClientInfo) });
export const WatcherEvent = record({ type: int, state: int, path: text });
