import { assert, type AuthIdentity } from "@quorate/protocol";
import { decodeAcl, grants, OPEN_ACL, Perms, READ_ACL, type AclEntry } from "./acl.js";

/** Whether somebody who has proved these may read. */
export type MayRead = (identities: readonly AuthIdentity[]) => boolean;

/** An ACL as nodes hold it: many share one. */
export interface StoredAcl {
  readonly entries: readonly AclEntry[];
  /** As in transactions and rows; none for the open one. */
  readonly bytes: Uint8Array;
}

/** That of an applied node, with who may hear of its changes. */
export interface AppliedAcl extends StoredAcl {
  /** Undefined when everybody may. The same for all nodes with this ACL; good for ever. */
  readonly mayRead: MayRead | undefined;
}

export const STORED_OPEN_ACL: AppliedAcl = {
  entries: OPEN_ACL,
  bytes: new Uint8Array(0),
  mayRead: undefined,
};

/**
 * `/zookeeper/config` until somebody sets another: ZooKeeper's READ_ACL_UNSAFE. It is written as no
 * bytes, so that checkpoints of a time before ACLs protect the node, too.
 */
export const STORED_CONFIG_ACL: AppliedAcl = {
  entries: READ_ACL,
  bytes: STORED_OPEN_ACL.bytes,
  mayRead: undefined,
};

/**
 * What a transaction tells those who follow the log of who may read the node that it changes: its
 * ACL, or nothing when everybody may. In most trees everybody may, and then this costs nothing.
 */
export function readersIn({ entries, bytes }: StoredAcl): Uint8Array {
  if (bytes.length === 0 || grants(entries, Perms.read, [])) return STORED_OPEN_ACL.bytes;
  return bytes;
}

/**
 * Who may read by an ACL as in transactions: undefined when everybody may.
 * @throws InvariantError when it cannot be read: what was committed was judged before.
 */
export function readersOfBytes(bytes: Uint8Array): MayRead | undefined {
  if (bytes.length === 0) return undefined;
  const entries = decodeAcl(bytes);
  assert(entries !== null, "a committed ACL can be read");
  return readersOf(entries);
}

interface Counted extends AppliedAcl {
  uses: number;
}

/** The ACLs of the applied nodes, each once. */
export class AclTable {
  readonly #byText = new Map<string, Counted>();

  get size(): number {
    return this.#byText.size;
  }

  /** One use of the ACL with these bytes, which are copied. Null when they are none. */
  use(bytes: Uint8Array): AppliedAcl | null {
    if (bytes.length === 0) return STORED_OPEN_ACL;
    const text = textOf(bytes);
    const known = this.#byText.get(text);
    if (known !== undefined) {
      known.uses += 1;
      return known;
    }
    const entries = decodeAcl(bytes);
    if (entries === null) return null;
    const stored: Counted = {
      entries,
      bytes: new Uint8Array(bytes),
      mayRead: readersOf(entries),
      uses: 1,
    };
    this.#byText.set(text, stored);
    return stored;
  }

  /** One use less. */
  release(acl: StoredAcl): void {
    if (acl.bytes.length === 0) return;
    const text = textOf(acl.bytes);
    const known = this.#byText.get(text);
    if (known === undefined) return;
    known.uses -= 1;
    if (known.uses === 0) this.#byText.delete(text);
  }

  clear(): void {
    this.#byText.clear();
  }
}

/** Most ACLs let everybody read: then nobody is asked who they are. */
function readersOf(entries: readonly AclEntry[]): MayRead | undefined {
  if (grants(entries, Perms.read, [])) return undefined;
  return (identities) => grants(entries, Perms.read, identities);
}

const latin1 = new TextDecoder("latin1");

/** One character per byte, hence another text for other bytes. */
function textOf(bytes: Uint8Array): string {
  return latin1.decode(bytes);
}
