import {
  assert,
  InvariantError,
  isCustomOpCode,
  type LogEntryMsg,
  type Txnid,
} from "@quorate/protocol";
import type { AnswerWriter } from "./answer-writer.js";
import type { Affected, Events } from "./events.js";
import { decodeImportTransaction } from "./import-format.js";
import { ZnodeOp } from "./op.js";
import { ROOT } from "./paths.js";
import type { Sessions } from "./sessions.js";
import { viewOf } from "./stat.js";
import {
  decodeAclTransaction,
  decodeCloseTransaction,
  decodeCreateTransaction,
  decodeDeleteTransaction,
  decodeMoveTransaction,
  decodeMultiTransaction,
  decodeSessionTransaction,
  decodeSetTransaction,
} from "./transactions.js";
import type { Tree } from "./tree.js";
import { NO_DATA } from "./node-header.js";

/** Applies transactions, and gives the answers for whoever asked for them. */
export class Applier {
  readonly #tree: Tree;
  readonly #sessions: Sessions;
  readonly #answers: AnswerWriter;
  readonly #events: Events;

  constructor(tree: Tree, sessions: Sessions, answers: AnswerWriter, events: Events) {
    this.#tree = tree;
    this.#sessions = sessions;
    this.#answers = answers;
    this.#events = events;
  }

  /** @throws InvariantError for what this state cannot have been asked to do: it has diverged. */
  apply({ op, key, content, txnid }: LogEntryMsg): Uint8Array {
    switch (op) {
      case ZnodeOp.multi:
        return this.#multi(content, txnid);
      case ZnodeOp.createSession:
        return this.#openSession(content);
      case ZnodeOp.closeSession:
        return this.#closeSession(content, txnid);
      case ZnodeOp.moveSession:
        return this.#moveSession(content);
      case ZnodeOp.importNodes:
        return this.#import(content, txnid);
      case ZnodeOp.broadcast:
        return NO_DATA;
      default:
        return this.#write(op, key, content, txnid);
    }
  }

  #write(op: number, path: string, content: Uint8Array, txnid: Txnid): Uint8Array {
    switch (op) {
      case ZnodeOp.create: {
        assertPath(path, txnid);
        const node = this.#tree.create(path, txnid, decodeCreateTransaction(content));
        this.#events.created(node, parentOf(node));
        return this.#answers.created(node);
      }
      case ZnodeOp.set: {
        const node = this.#tree.set(path, txnid, decodeSetTransaction(content));
        this.#events.dataChanged(node);
        return this.#answers.stat(node);
      }
      case ZnodeOp.setAcl:
        return this.#answers.stat(this.#tree.setAcl(path, txnid, decodeAclTransaction(content)));
      case ZnodeOp.delete:
        decodeDeleteTransaction(content);
        this.#delete(path, txnid);
        return NO_DATA;
      default:
        throw unknownOperation(op);
    }
  }

  #delete(path: string, txnid: Txnid): void {
    assertPath(path, txnid);
    const node = this.#tree.delete(path, txnid);
    this.#events.deleted(node, parentOf(node));
  }

  #multi(content: Uint8Array, txnid: Txnid): Uint8Array {
    const answers = this.#answers.startMulti();
    for (const part of decodeMultiTransaction(content)) {
      const { op, path } = part;
      const answer = op === ZnodeOp.check ? NO_DATA : this.#write(op, path, part.content, txnid);
      answers.addAnswer(op, answer);
    }
    return this.#answers.multi(answers);
  }

  /** The answer is how many there are now that were not there before. */
  #import(content: Uint8Array, txnid: Txnid): Uint8Array {
    const nodes = decodeImportTransaction(content);
    for (const { path, row } of nodes) {
      const node = this.#tree.import(path, txnid, row);
      if (path === ROOT) this.#events.dataChanged(node);
      else this.#events.created(node, parentOf(node));
    }
    const answer = new Uint8Array(4);
    viewOf(answer).setUint32(0, nodes.length);
    return answer;
  }

  #openSession(content: Uint8Array): Uint8Array {
    this.#events.sessionCreated(this.#sessions.open(decodeSessionTransaction(content)));
    return NO_DATA;
  }

  /** The answer is its timeout from now on. */
  #moveSession(content: Uint8Array): Uint8Array {
    const session = this.#sessions.move(decodeMoveTransaction(content));
    this.#events.sessionMoved(session);
    return this.#answers.number(session.timeoutMs);
  }

  #closeSession(content: Uint8Array, txnid: Txnid): Uint8Array {
    const { id, paths } = decodeCloseTransaction(content);
    this.#sessions.require(id);
    for (const path of paths) this.#delete(path, txnid);
    this.#sessions.close(id);
    this.#events.sessionClosed(id);
    return NO_DATA;
  }
}

function parentOf(node: Affected & { readonly parent: Affected | null }): Affected {
  const { parent, path } = node;
  assert(parent !== null, "what comes and goes has a parent", { path });
  return parent;
}

/** Committed entries were judged before; one with a path that no tree can hold is divergence. */
function assertPath(path: string, txnid: Txnid): void {
  assert(path.length > 1 && path.startsWith("/"), "a transaction names a path below the root", {
    txnid,
  });
}

function unknownOperation(op: number): InvariantError {
  const what = isCustomOpCode(op)
    ? `operation ${op} is of a state of the program's own, and this node was not given it ` +
      "(createCustomState); every node needs it, at every start with these data"
    : "a committed operation is known";
  return new InvariantError(what, { op });
}
