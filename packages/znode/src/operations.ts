import {
  assert,
  isCustomOpCode,
  isInternalOpCode,
  type CommittedOperation,
  type LogEntryMsg,
} from "@quorate/protocol";
import { readersOfBytes, type MayRead } from "./acl-table.js";
import { decodeImportTransaction, type ImportedNode } from "./import-format.js";
import { ZnodeOp } from "./op.js";
import { ROOT } from "./paths.js";
import { int32At, msAt } from "./stat.js";
import {
  decodeAclTransaction,
  decodeCloseTransaction,
  decodeCreateTransaction,
  decodeDeleteTransaction,
  decodeMultiTransaction,
  decodeSetTransaction,
} from "./transactions.js";
import { HEADER_BYTES, HEADER_MTIME, HEADER_VERSION } from "./node-header.js";

/** Undefined: everybody. */
export type Readers = MayRead | undefined;

const NO_ACL = new Uint8Array(0);

/**
 * What a committed entry did, for those who follow the log. Data are views into the entry.
 * Entries of the ensemble itself do nothing to the tree and give nothing, nor do sessions that
 * begin or move.
 * @throws InvariantError for an entry that no tree could have applied.
 */
export function operationsOf(entry: LogEntryMsg): readonly CommittedOperation[] {
  const { key, content, op } = entry;
  switch (op) {
    case ZnodeOp.multi:
      return [...decodeMultiTransaction(content)].flatMap((part) =>
        part.op === ZnodeOp.check ? [] : [operationOf(part.op, part.path, part.content)],
      );
    case ZnodeOp.createSession:
    case ZnodeOp.moveSession:
      return [];
    case ZnodeOp.closeSession:
      return decodeCloseTransaction(content).paths.map((path) => ({ kind: "delete", path }));
    case ZnodeOp.importNodes:
      return decodeImportTransaction(content).map(importOf);
    case ZnodeOp.broadcast:
      return [{ kind: "broadcast", path: key, data: content }];
    default:
      // The ensemble's own entries, and those of a state that a host keeps beside the tree.
      if (isInternalOpCode(op) || isCustomOpCode(op)) return [];
      return [operationOf(op, key, content)];
  }
}

/**
 * Who may read the node that each of an entry's operations changed, as of then, in the order of
 * {@link operationsOf}; undefined: everybody. Null when everybody may read all of them, which is
 * told without looking at more than the header of most entries.
 * @throws InvariantError for an entry that no tree could have applied.
 */
export function readersOf({ op, content }: LogEntryMsg): readonly Readers[] | null {
  const readers = allReadersOf(op, content);
  return readers.some((one) => one !== undefined) ? readers : null;
}

/** Only who may do everything. */
const superOnly: Readers = (identities) => identities.some(({ scheme }) => scheme === "super");

function allReadersOf(op: number, content: Uint8Array): readonly Readers[] {
  switch (op) {
    case ZnodeOp.multi:
      return [...decodeMultiTransaction(content)].flatMap((part) =>
        part.op === ZnodeOp.check ? [] : [readersOfBytes(aclIn(part.op, part.content))],
      );
    case ZnodeOp.closeSession: {
      const { paths, acls } = decodeCloseTransaction(content);
      return paths.map((_, index) => {
        return acls === null ? superOnly : readersOfBytes(acls[index] ?? NO_ACL);
      });
    }
    case ZnodeOp.importNodes:
      return decodeImportTransaction(content).map(({ row }) =>
        readersOfBytes(row.subarray(HEADER_BYTES, HEADER_BYTES + aclBytesOf(row))),
      );
    case ZnodeOp.create:
    case ZnodeOp.set:
    case ZnodeOp.setAcl:
    case ZnodeOp.delete:
      return aclBytesOf(content) === 0 ? [] : [readersOfBytes(aclIn(op, content))];
    default:
      // A broadcast is of no node: whoever follows the log hears it.
      return [];
  }
}

function aclBytesOf(content: Uint8Array): number {
  return int32At(content, 0) & 0xffff;
}

function aclIn(op: number, content: Uint8Array): Uint8Array {
  switch (op) {
    case ZnodeOp.create:
      return decodeCreateTransaction(content).acl;
    case ZnodeOp.set:
      return decodeSetTransaction(content).acl;
    case ZnodeOp.setAcl:
      return decodeAclTransaction(content).acl;
    default:
      return decodeDeleteTransaction(content);
  }
}

/** The root is there before; all other nodes of an import are new. */
function importOf({ path, row }: ImportedNode): CommittedOperation {
  const timeMs = msAt(row, HEADER_MTIME);
  const data = row.subarray(HEADER_BYTES + aclBytesOf(row));
  if (path !== ROOT) return { kind: "create", path, data, timeMs };
  return { kind: "set", path, data, version: int32At(row, HEADER_VERSION), timeMs };
}

function operationOf(op: number, path: string, content: Uint8Array): CommittedOperation {
  switch (op) {
    case ZnodeOp.create: {
      const { data, timeMs } = decodeCreateTransaction(content);
      return { kind: "create", path, data, timeMs };
    }
    case ZnodeOp.set: {
      const { data, timeMs, counter } = decodeSetTransaction(content);
      return { kind: "set", path, data, version: counter, timeMs };
    }
    case ZnodeOp.setAcl:
      return { kind: "setAcl", path, version: decodeAclTransaction(content).aversion };
    default:
      // The tree refuses to apply what it does not know, so nothing else can have got here.
      assert(op === ZnodeOp.delete, "a committed operation is known", { op });
      return { kind: "delete", path };
  }
}
