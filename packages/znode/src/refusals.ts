import type { ErrorCode } from "@quorate/protocol";
import { ZNODE_DATA_BYTES_MAX } from "./limits.js";

export interface Refusal {
  readonly ok: false;
  readonly code: ErrorCode;
  readonly message: string;
}

export function refuse(code: ErrorCode, message: string): Refusal {
  return { ok: false, code, message };
}

export function noNode(path: string): Refusal {
  return refuse("ERR_ZNODE_NO_NODE", `there is no node ${path}`);
}

export function nodeExists(path: string): Refusal {
  return refuse("ERR_ZNODE_NODE_EXISTS", `there is a node ${path}`);
}

export function badVersion(path: string, expected: number, actual: number): Refusal {
  return refuse("ERR_ZNODE_BAD_VERSION", `${path} has version ${actual}, not ${expected}`);
}

export function reserved(path: string): Refusal {
  return refuse("ERR_ZNODE_BAD_ARGUMENTS", `${path} is reserved`);
}

export function unreadable(): Refusal {
  return refuse("ERR_ZNODE_BAD_ARGUMENTS", "the request's content cannot be read");
}

export function noAuth(path: string): Refusal {
  return refuse("ERR_ZNODE_NO_AUTH", `the ACL does not grant this at ${path}`);
}

export function invalidAcl(): Refusal {
  return refuse("ERR_ZNODE_INVALID_ACL", "the ACL is not valid");
}

export function noSession(): Refusal {
  return refuse("ERR_SESSION_EXPIRED", "there is no such session");
}

export function movedSession(): Refusal {
  return refuse("ERR_SESSION_MOVED", "the session has moved to another server");
}

export function tooLarge(): Refusal {
  return refuse(
    "ERR_ARG_TOO_LARGE",
    `data, with the ACL if it has one, has at most ${ZNODE_DATA_BYTES_MAX} bytes`,
  );
}
