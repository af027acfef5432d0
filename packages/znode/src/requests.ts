import { QuorateError } from "@quorate/protocol";
import { viewOf } from "./stat.js";

/**
 * Contents of requests, big-endian. The path travels as the request's key.
 *   create  u8 mode (0 persistent; ZooKeeper's other create modes later) | data
 *   set     i32 expected version | data
 *   delete  i32 expected version
 *   get, exists, children   nothing
 *   broadcast   the content itself
 * Expected version -1 means any.
 */

export const ANY_VERSION = -1;

export const CREATE_HEADER_BYTES = 1;
export const SET_HEADER_BYTES = 4;
export const DELETE_BYTES = 4;

const NO_CONTENT = new Uint8Array(0);

export function encodeCreate(request: { readonly data: Uint8Array }): Uint8Array {
  const content = new Uint8Array(CREATE_HEADER_BYTES + request.data.length);
  content.set(request.data, CREATE_HEADER_BYTES);
  return content;
}

/** What is no int32 would become one, and guard another version than the one that was meant. */
function versionOf({ version = ANY_VERSION }: { readonly version?: number }): number {
  if (Number.isInteger(version) && version === (version | 0)) return version;
  throw new QuorateError("ERR_ARG_VALUE", `version: ${version} is not a 32-bit integer`);
}

/**
 * `version` is the one the node must have, int32; any when absent.
 * @throws ERR_ARG_VALUE.
 */
export function encodeSet(request: {
  readonly data: Uint8Array;
  readonly version?: number;
}): Uint8Array {
  const content = new Uint8Array(SET_HEADER_BYTES + request.data.length);
  viewOf(content).setInt32(0, versionOf(request));
  content.set(request.data, SET_HEADER_BYTES);
  return content;
}

/** `version` as in {@link encodeSet}. */
export function encodeDelete(request: { readonly version?: number } = {}): Uint8Array {
  const content = new Uint8Array(DELETE_BYTES);
  viewOf(content).setInt32(0, versionOf(request));
  return content;
}

/** The content of get, exists and children. */
export function encodeRead(): Uint8Array {
  return NO_CONTENT;
}
