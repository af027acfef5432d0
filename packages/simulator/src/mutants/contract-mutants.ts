import type { Mutant } from "./mutant.js";

const PREPARE = "packages/znode/src/prepare-node.ts";
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
