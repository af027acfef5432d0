import {
  assert,
  isCustomOpCode,
  isInternalOpCode,
  type CommittedOperation,
  type LogEntryMsg,
} from "@quorate/protocol";
import { ZnodeOp } from "./op.js";
import { decodeWrite } from "./transactions.js";

/**
 * What a committed entry did, for those who follow the log. Data are views into the entry.
 * Entries of the ensemble itself do nothing to the tree and give nothing.
 * @throws InvariantError for an entry that no tree could have applied.
 */
export function operationsOf(entry: LogEntryMsg): readonly CommittedOperation[] {
  const { key: path, content } = entry;
  switch (entry.op) {
    case ZnodeOp.create: {
      const { data, timeMs } = decodeWrite(content);
      return [{ kind: "create", path, data, timeMs }];
    }
    case ZnodeOp.set: {
      const { data, timeMs, counter } = decodeWrite(content);
      return [{ kind: "set", path, data, version: counter, timeMs }];
    }
    case ZnodeOp.delete:
      return [{ kind: "delete", path }];
    case ZnodeOp.broadcast:
      return [{ kind: "broadcast", path, data: content }];
    default:
      // The tree refuses to apply what it does not know, so nothing else can have got here: the
      // ensemble's own entries, and those of a state that a host keeps beside the tree.
      assert(
        isInternalOpCode(entry.op) || isCustomOpCode(entry.op),
        "a committed operation is known",
        { op: entry.op },
      );
      return [];
  }
}
