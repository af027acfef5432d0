import { decodeAcl, type AclEntry } from "./acl.js";
import { ZnodeOp } from "./op.js";
import { malformed, STAT_BYTES, statAt, viewOf, type Stat } from "./stat.js";

/**
 * Contents of answers, big-endian.
 *   create          Stat | path
 *   set, setAcl, exists   Stat
 *   get             Stat | data
 *   children        Stat | u32 count | count times: u16 bytes, name; in order of UTF-16 units
 *   getAcl          Stat | entries of acl.ts, the open ACL spelt out
 *   getEphemerals   u32 count | count times: u32 bytes, path; in order of UTF-16 units
 *   countAllChildren   i32
 *   multi           u32 count | count times: u8 op | u32 bytes, that op's answer
 *   delete, check, broadcast, createSession, closeSession   nothing
 *   resumeSession   i32 timeout ms of the session
 */

export interface CreateResult {
  readonly path: string;
  readonly stat: Stat;
}

export interface GetResult {
  /** A view into the answer. */
  readonly data: Uint8Array;
  readonly stat: Stat;
}

export interface ChildrenResult {
  /** Names, not paths. */
  readonly children: readonly string[];
  readonly stat: Stat;
}

export interface AclResult {
  readonly acl: readonly AclEntry[];
  readonly stat: Stat;
}

/** What became of one operation of a multi. */
export type MultiResult =
  | ({ readonly kind: "create" } & CreateResult)
  | { readonly kind: "set"; readonly stat: Stat }
  | { readonly kind: "delete" }
  | { readonly kind: "check" };

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The answer of set, setAcl and exists. @throws ERR_PROTOCOL_DECODE. */
export function decodeStat(content: Uint8Array): Stat {
  if (content.length !== STAT_BYTES) throw malformed("Stat", content.length);
  return statAt(content);
}

/** @throws ERR_PROTOCOL_DECODE. */
export function decodeCreateResult(content: Uint8Array): CreateResult {
  return { stat: statAt(content), path: textOf(content, STAT_BYTES, content.length) };
}

/** @throws ERR_PROTOCOL_DECODE. */
export function decodeGetResult(content: Uint8Array): GetResult {
  const stat = statAt(content);
  const data = content.subarray(STAT_BYTES);
  if (data.length !== stat.dataLength) throw malformed("data", content.length);
  return { data, stat };
}

/** @throws ERR_PROTOCOL_DECODE. */
export function decodeChildren(content: Uint8Array): ChildrenResult {
  const stat = statAt(content);
  if (content.length < STAT_BYTES + 4) throw malformed("children", content.length);
  const view = viewOf(content);
  const count = view.getUint32(STAT_BYTES);
  let at = STAT_BYTES + 4;
  // A name takes three bytes at least, so a forged count cannot ask for more than was sent.
  if (count * 3 > content.length - at) throw malformed("children", content.length);
  const children: string[] = [];
  for (let i = 0; i < count; i += 1) {
    if (at + 2 > content.length) throw malformed("children", content.length);
    const nameAt = at + 2;
    at = nameAt + view.getUint16(at);
    if (at > content.length) throw malformed("children", content.length);
    children.push(textOf(content, nameAt, at));
  }
  if (at !== content.length) throw malformed("children", content.length);
  return { children, stat };
}

/** @throws ERR_PROTOCOL_DECODE. */
export function decodeAclResult(content: Uint8Array): AclResult {
  const stat = statAt(content);
  const entries = content.subarray(STAT_BYTES);
  const acl = entries.length === 0 ? null : decodeAcl(entries);
  if (acl === null) throw malformed("ACL", content.length);
  return { acl, stat };
}

/** The answer of getEphemerals. @throws ERR_PROTOCOL_DECODE. */
export function decodePaths(content: Uint8Array): readonly string[] {
  if (content.length < 4) throw malformed("paths", content.length);
  const view = viewOf(content);
  const count = view.getUint32(0);
  if (count * 4 > content.length - 4) throw malformed("paths", content.length);
  const paths: string[] = [];
  let at = 4;
  while (paths.length < count) {
    if (at + 4 > content.length) throw malformed("paths", content.length);
    const end = at + 4 + view.getUint32(at);
    if (end > content.length) throw malformed("paths", content.length);
    paths.push(textOf(content, at + 4, end));
    at = end;
  }
  if (at !== content.length) throw malformed("paths", content.length);
  return paths;
}

/** The answer of countAllChildren. @throws ERR_PROTOCOL_DECODE. */
export function decodeCount(content: Uint8Array): number {
  if (content.length !== 4) throw malformed("count", content.length);
  return viewOf(content).getInt32(0);
}

/** @throws ERR_PROTOCOL_DECODE. */
export function decodeMulti(content: Uint8Array): readonly MultiResult[] {
  if (content.length < 4) throw malformed("multi", content.length);
  const view = viewOf(content);
  const count = view.getUint32(0);
  if (count * 5 > content.length - 4) throw malformed("multi", content.length);
  const results: MultiResult[] = [];
  let at = 4;
  while (results.length < count) {
    if (at + 5 > content.length) throw malformed("multi", content.length);
    const end = at + 5 + view.getUint32(at + 1);
    if (end > content.length) throw malformed("multi", content.length);
    results.push(multiResult(view.getUint8(at), content.subarray(at + 5, end)));
    at = end;
  }
  if (at !== content.length) throw malformed("multi", content.length);
  return results;
}

function multiResult(op: number, answer: Uint8Array): MultiResult {
  if (op === ZnodeOp.create) return { kind: "create", ...decodeCreateResult(answer) };
  if (op === ZnodeOp.set) return { kind: "set", stat: decodeStat(answer) };
  if (answer.length !== 0) throw malformed("multi", answer.length);
  if (op === ZnodeOp.delete) return { kind: "delete" };
  if (op === ZnodeOp.check) return { kind: "check" };
  throw malformed("multi", answer.length);
}

function textOf(content: Uint8Array, from: number, to: number): string {
  try {
    return decoder.decode(content.subarray(from, to));
  } catch (cause) {
    throw Object.assign(malformed("text", content.length), { cause });
  }
}
