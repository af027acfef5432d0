import { toNodeId, type AuthIdentity } from "@quorate/protocol";
import {
  decodeCreateResult,
  decodeStat,
  encodeCloseSession,
  encodeCreate,
  encodeCreateSession,
  encodeDelete,
  encodeMulti,
  encodeSet,
  encodeSetAcl,
  ZnodeOp,
  type AclEntry,
  type CreateRequest,
  type MultiOperation,
  type Stat,
} from "../src/index.js";
import { bytes, Driver, readBy } from "./harness.js";

export const ONE = (1n << 56n) | 1n;
export const TWO = (254n << 56n) | 2n;
export const SUPER: AuthIdentity = { scheme: "super", id: "" };

type Answer = Uint8Array | string;

/** A driver with a verb for each request. Each gives the answer, or the code of the refusal. */
export class Asking extends Driver {
  /** From now on. */
  as(session: bigint | null, ...identities: AuthIdentity[]): this {
    this.caller = { session, identities };
    return this;
  }

  /** The node that asks from now on; null: the leader itself. */
  from(node: number | null): this {
    this.origin = node === null ? null : toNodeId(node);
    return this;
  }

  create(path: string, request: Partial<CreateRequest> = {}): Answer {
    return this.run(ZnodeOp.create, path, encodeCreate({ data: bytes(""), ...request }));
  }

  /** The path that was made. */
  made(path: string, request: Partial<CreateRequest> = {}): string {
    const answer = this.create(path, request);
    return typeof answer === "string" ? answer : decodeCreateResult(answer).path;
  }

  set(path: string, text = "", version = -1): Answer {
    return this.run(ZnodeOp.set, path, encodeSet({ data: bytes(text), version }));
  }

  remove(path: string, version = -1): Answer {
    return this.run(ZnodeOp.delete, path, encodeDelete({ version }));
  }

  setAcl(path: string, acl: readonly AclEntry[], version = -1): Answer {
    return this.run(ZnodeOp.setAcl, path, encodeSetAcl({ acl, version }));
  }

  multi(...operations: MultiOperation[]): Answer {
    return this.run(ZnodeOp.multi, "", encodeMulti(operations));
  }

  open(id: bigint, timeoutMs = 4000): Answer {
    const password = new Uint8Array(16).fill(7);
    return this.run(ZnodeOp.createSession, "", encodeCreateSession({ id, timeoutMs, password }));
  }

  close(id: bigint): Answer {
    return this.run(ZnodeOp.closeSession, "", encodeCloseSession(id));
  }

  read(op: number, path: string): Answer {
    const { session, identities } = this.caller;
    const result = this.machine.read(op, path, readBy(session, ...identities));
    return result.ok ? result.content : result.code;
  }

  stat(path: string): Stat {
    const result = this.machine.read(ZnodeOp.exists, path, readBy(null, SUPER));
    if (!result.ok) throw new Error(`${path}: ${result.code}`);
    return decodeStat(result.content);
  }
}
