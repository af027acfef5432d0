import type { Mutant } from "./mutant.js";

const PREPARE = "packages/znode/src/prepare-node.ts";
const ACL_CONDITION =
  "if (!isVersion(node.aversion, expected)) return badVersion(path, expected, node.aversion);";
const READS = "packages/zookeeper/src/requests/read-request.ts";

/** What a server may get wrong of containers, times to live, ACLs, multiRead and read-only mode. */
export const contractMutants: readonly Mutant[] = [
  {
    name: "node removed before its time",
    edits: [
      {
        file: PREPARE,
        find: "return wallTimeMs - mtime > ttlOfOwner(owner);",
        replace: "return wallTimeMs - mtime > ttlOfOwner(owner) / 2;",
      },
    ],
  },
  {
    name: "container removed with a child",
    edits: [
      {
        file: "packages/znode/src/znode-machine.ts",
        find: "if (node.childCount > 0 || !isExpired(",
        replace: "if (!isExpired(",
      },
      {
        file: PREPARE,
        find: `if (node.childCount > 0) return notEmpty(path);
  if (!isExpired(`,
        replace: "if (!isExpired(",
      },
    ],
  },
  {
    name: "node removed though it was set since",
    edits: [
      {
        file: PREPARE,
        find: "if (!isExpired(node, context.wallTimeMs, judge.options.unusedContainerMs)) {",
        replace: "if (node.owner === 0n) {",
      },
    ],
  },
  {
    name: "container removed though a child came since",
    edits: [
      {
        file: PREPARE,
        find: `if (node.childCount > 0) return notEmpty(path);
  if (!isExpired(`,
        replace: "if (!isExpired(",
      },
    ],
  },
  {
    name: "condition of a setAcl not looked at",
    edits: [
      {
        file: PREPARE,
        find: ACL_CONDITION,
        replace: "",
      },
    ],
  },
  {
    name: "condition of a setAcl held against the data's version",
    edits: [
      {
        file: PREPARE,
        find: ACL_CONDITION,
        replace: ACL_CONDITION.replaceAll("aversion", "version"),
      },
    ],
  },
  {
    name: "ACL not looked at by a setAcl",
    edits: [
      {
        file: PREPARE,
        find: "if (!asker.may(Perms.admin, node.acl)) return noAuth(path);",
        replace: "",
      },
    ],
  },
  {
    name: "ACL not looked at by a getAcl",
    edits: [
      {
        file: "packages/znode/src/reads.ts",
        find: "if (!asker.may(Perms.read | Perms.admin, node.acl)) return noAuth(node.path);",
        replace: "",
      },
    ],
  },
  {
    name: "getAcl shows secrets",
    edits: [
      {
        file: "packages/znode/src/reads.ts",
        find: "asker.may(Perms.admin, node.acl) ? entries : maskAcl(entries)",
        replace: "asker.may(Perms.all, node.acl) ? entries : maskAcl(entries)",
      },
    ],
  },
  {
    // What is hashed later is right by chance; what is loaded anew always is.
    name: "setAcl not counted in the digest",
    edits: [
      {
        file: "packages/znode/src/tree.ts",
        find: `this.#touch(node);
    this.#acls.release(node.acl);`,
        replace: `this.#changes.beforeChange(node);
    this.#acls.release(node.acl);`,
      },
    ],
  },
  {
    name: "setAcl not in checkpoints",
    edits: [
      {
        file: "packages/znode/src/tree.ts",
        find: `this.#touch(node);
    this.#acls.release(node.acl);`,
        replace: `this.#digest.touch(node, node.dataLength);
    this.#acls.release(node.acl);`,
      },
    ],
  },
  {
    // ADR 0024
    name: "session's end does not say who might read its nodes",
    edits: [
      {
        file: "packages/znode/src/prepare-session.ts",
        find: "acls.push(readersIn(node.acl));",
        replace: "acls.push(new Uint8Array(0));",
      },
    ],
  },
  {
    name: "feed shows all that its page holds",
    edits: [
      {
        file: "packages/node/src/feed/page.ts",
        find: "if (this.#restrictions.size === 0) return this;",
        replace: "if (this.#restrictions.size >= 0) return this;",
      },
    ],
  },
  {
    // ADR 0024
    name: "set does not say who may read its node",
    edits: [
      {
        file: PREPARE,
        find: "encodeSetTransaction(judge.slab, decided, readersIn(node.acl))",
        replace: "encodeSetTransaction(judge.slab, decided, STORED_OPEN_ACL.bytes)",
      },
    ],
  },
  {
    // ADR 0024
    name: "delete does not say who might read its node",
    edits: [
      {
        file: PREPARE,
        find: "encodeDeleteTransaction(judge.slab, readersIn(node.acl))",
        replace: "encodeDeleteTransaction(judge.slab, STORED_OPEN_ACL.bytes)",
      },
    ],
  },
  {
    name: "multiRead of two states",
    edits: [
      {
        file: READS,
        find: `  if (result.ok) {
    const isConfig`,
        replace: `  // Only a multiRead asks for children without a Stat.
  const seen = ((context.service as { seen?: Map<string, Uint8Array> }).seen ??= new Map());
  if (op === ZkOp.getChildren && result.ok) {
    const older = seen.get(path);
    seen.set(path, result.content.slice());
    if (older !== undefined) Object.assign(result, { content: older });
  }
  if (result.ok) {
    const isConfig`,
      },
    ],
  },
  {
    name: "ACL not looked at by a delete",
    edits: [
      {
        file: PREPARE,
        find: "if (!asker.may(Perms.delete, parent.acl)) return noAuth(parentPath);",
        replace: "",
      },
    ],
  },
  {
    name: "ACL not looked at by reads",
    edits: [
      {
        file: "packages/znode/src/reads.ts",
        find: "if (!asker.may(Perms.read, node.acl)) return noAuth(key);",
        replace: "",
      },
    ],
  },
  {
    name: "event told to who may not read",
    edits: [
      {
        file: "packages/zookeeper/src/front-end.ts",
        find: "if (mayRead !== undefined && !mayRead(connection.identities)) return;",
        replace: "",
      },
    ],
  },
  {
    name: "login of no effect",
    edits: [
      {
        file: "packages/zookeeper/src/connection/identities.ts",
        find: "this.#list = [...this.#list, { scheme, id }];",
        replace: "",
      },
    ],
  },
  {
    name: "write answered without a quorum",
    edits: [
      {
        file: "packages/zookeeper/src/connection/pipeline.ts",
        find: "pending.reply = () => ZkError.notReadOnly;",
        replace: "pending.reply = () => ZkError.ok;",
      },
    ],
  },
  {
    name: "session unknown without a quorum called gone",
    edits: [
      {
        file: "packages/zookeeper/src/connection/handshake.ts",
        find: `if (known === undefined) return "unknown";`,
        replace: "if (known === undefined) return null;",
      },
    ],
  },
  {
    name: "watches set while the state is loaded",
    edits: [
      {
        file: "packages/zookeeper/src/requests/set-watches.ts",
        find: `result.code === "ERR_SERVER_NOT_READY"`,
        replace: `result.code === "ERR_ARG_VALUE"`,
      },
      {
        // Nobody comes to set any who has no session there.
        file: "packages/server/src/service/node-service.ts",
        find: "return this.#isWhole() ? this.#machine?.sessions?.get(id) : undefined;",
        replace: "return this.#machine?.sessions?.get(id);",
      },
    ],
  },
  {
    name: "signs of life at a watcher not told",
    edits: [
      {
        file: "packages/server/src/watcher-node.ts",
        find: "touches: core.inner.touches,",
        replace: "",
      },
    ],
  },
];
