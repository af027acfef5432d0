import { ZkOp, type AclEntry } from "@quorate/zookeeper";
import type { Access } from "./access.js";
import type { Difference } from "./compare.js";
import { pathsOf } from "./describe.js";
import type { RequestStep, Step } from "./steps.js";

/** A difference that has a reason; `explains` must fit it and nothing else. */
export interface KnownDifference {
  readonly name: string;
  /** What ZooKeeper 3.8 does, on the left, and what the right side does in its place. */
  readonly what: string;
  readonly reason: string;
  explains(difference: Difference, access: Access): boolean;
}

const NO_AUTH = -102;
const NO_WATCHER = -121;
const MARSHALLING = -5;
const INVALID_ACL = -114;

/**
 * Where ZooKeeper 3.8 and Quorate, which follows 3.9.5, do not answer alike. The document on
 * compatibility shows this table.
 */
export const knownDifferences: readonly KnownDifference[] = [
  {
    name: "event zxid",
    what: "-1 in the header of an event; here the zxid of the change",
    reason: "since ZooKeeper 3.9 events carry their zxid",
    explains({ left, right }) {
      if (left?.kind !== "event" || right?.kind !== "event") return false;
      return left.fields.zxid === "-1" && isEqualBut(left.fields, right.fields, ["zxid"]);
    },
  },
  {
    name: "exists without permission",
    what: "`exists` answers for a node that its caller may not read; here -102",
    reason: "since ZooKeeper 3.9.2 `exists` asks for READ, as `getData` does",
    explains(difference, access) {
      const { step, left, right, connection } = difference;
      if (step.do !== "request" || step.type !== ZkOp.exists) return false;
      if (left?.fields.err !== 0 || right?.fields.err !== NO_AUTH) return false;
      const [path = ""] = pathsOf(step);
      if (!access.isUnreadable(connection, path)) return false;
      access.noteRefusedWatch(difference, path);
      return true;
    },
  },
  {
    name: "watch without permission",
    what: "`checkWatches` and `removeWatches` find what `exists` left; here -121",
    reason: "since ZooKeeper 3.9.2 `exists` sets no watch on a node that its caller may not read",
    explains({ step, left, right, connection }, access) {
      if (left?.fields.err !== 0 || !asksForWatch(step)) return false;
      const [path = ""] = pathsOf(step);
      return right?.fields.err === NO_WATCHER && access.isWatchRefused(connection, path);
    },
  },
  {
    name: "two watch modes on one path",
    what: "the later watch of a connection on a path changes the mode of the earlier one; here not",
    reason: "since ZooKeeper 3.9.0 (ZOOKEEPER-4466) watches of different modes stand side by side",
    explains({ step, left, right, connection }, access) {
      const event = left ?? right;
      if (event?.kind === "event" && (left === null || right === null)) {
        return access.watchModes.isMixed(connection, String(event.fields.path));
      }
      if (!asksForWatch(step) || left?.kind !== "reply" || right?.kind !== "reply") return false;
      const isOther = [left, right].some(({ fields }) => fields.err === NO_WATCHER);
      const [path = ""] = pathsOf(step);
      return isOther && access.watchModes.isMixed(connection, path);
    },
  },
  {
    name: "type of a persistent watch",
    what: "`checkWatches` and `removeWatches` of type 1 or 2 find a persistent watch; here -121",
    reason: "since ZooKeeper 3.9.0 (ZOOKEEPER-4466) a watch has one type",
    explains({ step, left, right, connection }, access) {
      if (!asksForWatch(step) || left?.fields.err !== 0) return false;
      const { type } = (step as RequestStep).value as { readonly type: number };
      const [path = ""] = pathsOf(step);
      if (type > 2 || right?.fields.err !== NO_WATCHER) return false;
      if (!access.watchModes.isPersistent(connection, path)) return false;
      if ((step as RequestStep).type === ZkOp.removeWatches) {
        access.watchModes.disturb(connection, path);
      }
      return true;
    },
  },
  {
    name: "watch of another connection",
    what:
      "`checkWatches` finds whatever watch is on the path, or a recursive one above; " +
      "here its own",
    reason:
      "since ZooKeeper 3.9.0 (ZOOKEEPER-4466) only the caller's own watch on that path counts",
    explains({ step, left, right }, access) {
      if (step.do === "raw" && step.type === ZkOp.checkWatches) {
        return left?.fields.err === 0 && right?.fields.err === NO_WATCHER;
      }
      if (step.do !== "request" || step.type !== ZkOp.checkWatches) return false;
      if (left?.fields.err !== 0 || right?.fields.err !== NO_WATCHER) return false;
      const [path = "/"] = pathsOf(step);
      return access.watchModes.isWatchedByAny(path);
    },
  },
  {
    name: "session asked for without its password",
    what: "its connection at the same server is ended; here it stays",
    reason: "ZooKeeper ends it before it looks at the password: anybody could",
    explains({ step, left, right, connection }, access) {
      if (left === null && right !== null && access.isEndedLeft(connection)) return true;
      if (step.do !== "open" || step.session.kind !== "resume") return false;
      if (step.session.password === "right" || step.session.of !== connection) return false;
      if (left?.kind !== "closed" || right !== null) return false;
      access.noteEndedLeft(connection);
      return true;
    },
  },
  {
    name: "ACL without an id",
    what: "-5, for a whole multi, too; here -114 at its place",
    reason: "ZooKeeper falls over the null; an ACL that is not valid has a code of its own",
    explains({ step, left, right }) {
      if (step.do !== "request" || !stepHasNullId(step.value)) return false;
      if (left?.fields.err !== MARSHALLING || right?.kind !== "reply") return false;
      return right.fields.err === INVALID_ACL || right.text.includes(`"err":${INVALID_ACL}`);
    },
  },
  {
    name: "watcher types 4 and 5",
    what: "-5 for `checkWatches` and `removeWatches` of a persistent watch; here 0 or -121",
    reason: "ZooKeeper 3.8 does not know these types, 3.9 does",
    explains({ step, left, right }) {
      if (left?.fields.err !== MARSHALLING || !asksForWatch(step)) return false;
      const { type } = (step as RequestStep).value as { readonly type: number };
      return (type === 4 || type === 5) && [0, NO_WATCHER].includes(Number(right?.fields.err));
    },
  },
  {
    name: "null data",
    what: "a node that was created with null data has null data; here empty data",
    reason: "the two are told apart nowhere else: the length in Stat is 0 for both",
    explains({ left, right }) {
      if (left?.kind !== "reply" || right?.kind !== "reply") return false;
      return left.text.replaceAll('"data":null', '"data":"\\"\\""') === right.text;
    },
  },
];

/** What is not asked for at all, and why. */
export const notCompared: readonly { readonly what: string; readonly reason: string }[] = [
  {
    what: "`check` sent by itself, not within a multi",
    reason: "it ends the servers of a ZooKeeper 3.8 ensemble",
  },
  {
    what: "a text that cannot be read in a node that limits or counts a quota",
    reason: "it ends the servers of a ZooKeeper 3.8 ensemble at the next write below",
  },
  {
    what: "when containers and TTL nodes go",
    reason: "it is up to a clock; both sides are told to look once an hour",
  },
  {
    what: "reads on a connection whose session has moved to another server",
    reason: "ZooKeeper's leader ends such a connection at once, its followers at the next write",
  },
  {
    what: "the order of children, of a session's ephemeral nodes, and of the events of its end",
    reason: "ZooKeeper keeps them in hash sets; both sides are sorted",
  },
  {
    what: "which zxids lie between those of changes",
    reason:
      "a refused write takes a zxid there and none here; zxids are compared by rank of change",
  },
];

function asksForWatch(step: Step): boolean {
  if (step.do !== "request") return false;
  return step.type === ZkOp.checkWatches || step.type === ZkOp.removeWatches;
}

/** An ACL, also of an operation of a multi, whose id is null where its scheme is not. */
function stepHasNullId(value: unknown): boolean {
  if (Array.isArray(value)) {
    return value.some((op: { readonly request?: unknown }) => stepHasNullId(op.request));
  }
  const { acl } = (value ?? {}) as { readonly acl?: readonly AclEntry[] | null };
  return acl?.some(({ id }) => id.scheme !== null && id.id === null) === true;
}

function isEqualBut(
  left: Readonly<Record<string, unknown>>,
  right: Readonly<Record<string, unknown>>,
  names: readonly string[],
): boolean {
  const text = (fields: Readonly<Record<string, unknown>>): string =>
    JSON.stringify(Object.entries(fields).filter(([name]) => !names.includes(name)));
  return text(left) === text(right);
}
