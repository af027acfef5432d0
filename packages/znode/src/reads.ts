import type { ReadResult } from "@quorate/protocol";
import { maskAcl, Perms } from "./acl.js";
import type { AnswerWriter } from "./answer-writer.js";
import { Asker } from "./asker.js";
import { isZnodeRead, ZnodeOp } from "./op.js";
import { noAuth, noNode, refuse, unreadable } from "./refusals.js";
import type { Sessions } from "./sessions.js";
import type { Tree } from "./tree.js";
import type { Znode } from "./znode.js";

/** Answers from the applied state. */
export class Reader {
  readonly #tree: Tree;
  readonly #sessions: Sessions;
  readonly #answers: AnswerWriter;

  constructor(tree: Tree, sessions: Sessions, answers: AnswerWriter) {
    this.#tree = tree;
    this.#sessions = sessions;
    this.#answers = answers;
  }

  /** A path that cannot be is one where no node is, as in ZooKeeper. */
  read(op: number, key: string, content: Uint8Array): ReadResult {
    if (!isZnodeRead(op)) {
      return refuse("ERR_ZNODE_UNIMPLEMENTED", `operation ${op} is not a read`);
    }
    const asker = new Asker(content);
    if (asker.bodyAt !== content.length) return unreadable();
    if (op === ZnodeOp.getEphemerals) return this.#ephemerals(key, asker.session);
    const node = this.#tree.get(key);
    if (node === undefined) return noNode(key);
    if (op === ZnodeOp.getAcl) return this.#acl(node, asker);
    if (!asker.may(Perms.read, node.acl)) return noAuth(key);
    if (op === ZnodeOp.exists) return { ok: true, content: this.#answers.stat(node) };
    if (op === ZnodeOp.get) return { ok: true, content: this.#answers.data(node) };
    if (op === ZnodeOp.children) return this.#children(node);
    return { ok: true, content: this.#answers.number(this.#countBelow(node)) };
  }

  #children(node: Znode): ReadResult {
    const list = this.#answers.children(node);
    if (list === null) return refuse("ERR_ARG_TOO_LARGE", "the list of children is too long");
    return { ok: true, content: list };
  }

  /** To be read by who may read or administer; whole by who may administer. */
  #acl(node: Znode, asker: Asker): ReadResult {
    if (!asker.may(Perms.read | Perms.admin, node.acl)) return noAuth(node.path);
    const { entries } = node.acl;
    const shown = asker.may(Perms.admin, node.acl) ? entries : maskAcl(entries);
    return { ok: true, content: this.#answers.acl(node, shown) };
  }

  /** Of the caller's session; no ACL hides from it what it has made. */
  #ephemerals(prefix: string, session: bigint | null): ReadResult {
    const owned = session === null ? undefined : this.#sessions.get(session);
    const isAll = prefix.trim() === "" || prefix.trim() === "/";
    const paths: string[] = [];
    for (const path of owned?.ephemerals ?? []) {
      if (isAll || path.startsWith(prefix)) paths.push(path);
    }
    return { ok: true, content: this.#answers.paths(paths.sort()) };
  }

  #countBelow(node: Znode): number {
    if (node.parent === null) return this.#tree.size - 1;
    return this.#tree.sizeBelow(node.path).count - 1;
  }
}
