import { ZkOp, type AclEntry, type MultiOp } from "@quorate/zookeeper";
import type { Access } from "./access.js";
import type { Difference } from "./compare.js";
import type { NormalItem } from "./normalise.js";
import { requestIn, type Step } from "./steps.js";

/** A difference that has a reason; `explains` must fit it and nothing else. */
export interface KnownDifference {
  readonly name: string;
  /** What ZooKeeper 3.8 does, on the left, and what the right side does in its place. */
  readonly what: string;
  readonly reason: string;
  explains(difference: Difference, access: Access): boolean;
}

const NO_AUTH = -102;
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
      const { path } = step.value as { readonly path: string };
      if (!access.isUnreadable(connection, path)) return false;
      access.watches.noteRefused(connection, path);
      return true;
    },
  },
  {
    name: "watch without permission",
    what: "the watch that `exists` left there is found, removed, and fires; here it is not there",
    reason: "since ZooKeeper 3.9.2 `exists` sets no watch on a node that its caller may not read",
    explains: (difference, access) => access.watches.causeOf(difference) === "permission",
  },
  {
    name: "two watch modes on one path",
    what: "of a connection's watches on a path, the last mode holds for all; here each its own",
    reason: "since ZooKeeper 3.9.0 (ZOOKEEPER-4466) watches of different modes stand side by side",
    explains: (difference, access) => access.watches.causeOf(difference) === "modes",
  },
  {
    name: "type of a persistent watch",
    what: "`checkWatches` and `removeWatches` of type 1 or 2 find a persistent watch; here -121",
    reason: "since ZooKeeper 3.9.0 (ZOOKEEPER-4471) these types stand for watches that fire once",
    explains: (difference, access) => access.watches.causeOf(difference) === "persistent type",
  },
  {
    name: "watch of another connection",
    what: "`checkWatches` finds the watch of any connection of that server; here its own alone",
    reason: "since ZooKeeper 3.9.0 (ZOOKEEPER-4466) the caller's own watch counts",
    explains: (difference, access) => access.watches.causeOf(difference) === "another's",
  },
  {
    name: "watch of what is no path",
    what: "`checkWatches` of a path without a slash: -5; here -121",
    reason:
      "ZooKeeper 3.8 falls over it; since 3.9.0 (ZOOKEEPER-4466) it is looked up like any other",
    explains: (difference, access) => access.watches.causeOf(difference) === "no path",
  },
  {
    name: "create2 within a multi",
    what: "as `create`, with its path alone; here as `create2`, with its Stat",
    reason: "since ZooKeeper 3.9.0 (ZOOKEEPER-4026) a multi tells `create2` from `create`",
    explains({ step, left, right }) {
      if (step.do !== "request" || step.type !== ZkOp.multi) return false;
      if (left?.kind !== "reply" || right?.kind !== "reply") return false;
      const body = withoutStats(right.fields.body, step.value as readonly MultiOp[]);
      return body !== null && isEqualBut(left.fields, { ...right.fields, body }, []);
    },
  },
  {
    name: "flags of a create within a multi",
    what: "those that it cannot have are refused when their turn comes; here the whole is: -5",
    reason: "since ZooKeeper 3.9.0 (ZOOKEEPER-4026) flags are looked at while a multi is read",
    explains({ step, left, right }) {
      const request = requestIn(step);
      if (request?.type !== ZkOp.multi) return false;
      const hasFlags = (request.value as readonly MultiOp[]).some(hasImpossibleFlags);
      return hasFlags && isRefusedAtAPlace(left) && right?.fields.err === MARSHALLING;
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
    name: "order of what `auth` stands for",
    what: "an ACL of `auth` has the caller's identities in hash order; here as they were proved",
    reason: "whom an ACL lets in does not depend on it",
    explains({ left, right }) {
      if (left?.kind !== "reply" || right?.kind !== "reply") return false;
      const [there, here] = [sortedAcl(left.fields.body), sortedAcl(right.fields.body)];
      if (there === null || here === null) return false;
      return isEqualBut({ ...left.fields, body: there }, { ...right.fields, body: here }, []);
    },
  },
  {
    name: "watcher types 4 and 5",
    what: "-5 for `checkWatches` and `removeWatches` of a persistent watch; here 0 or -121",
    reason: "these types are there since ZooKeeper 3.9.0 (ZOOKEEPER-4472)",
    explains: (difference, access) => access.watches.causeOf(difference) === "new type",
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
    what: "a `reconfig` that cannot be read",
    reason: "it ends the leader of a ZooKeeper 3.8 ensemble",
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
    what:
      "reads, and creates with flags that no node has, on a connection whose session has " +
      "moved to another server",
    reason:
      "ZooKeeper's leader ends such a connection at once, its followers at the next write whose " +
      "flags are right",
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

/** An ACL, also of an operation of a multi, whose id is null where its scheme is not. */
function stepHasNullId(value: unknown): boolean {
  if (Array.isArray(value)) {
    return value.some((op: { readonly request?: unknown }) => stepHasNullId(op.request));
  }
  const { acl } = (value ?? {}) as { readonly acl?: readonly AclEntry[] | null };
  return acl?.some(({ id }) => id.scheme !== null && id.id === null) === true;
}

/** A reply's body, with digests of its ACL sorted that stand together with equal permissions. */
function sortedAcl(body: unknown): unknown {
  const { acl, ...rest } = (body ?? {}) as { readonly acl?: readonly AclEntry[] };
  if (acl?.some(({ id }) => id.scheme === "digest") !== true) return null;
  // What one entry of `auth` was replaced by has its permissions, and nothing in between.
  const runs: { readonly kind: string; readonly entries: string[] }[] = [];
  for (const { perms, id } of acl) {
    const kind = `${perms} ${id.scheme}`;
    const last = runs.at(-1);
    if (last?.kind === kind && id.scheme === "digest") last.entries.push(String(id.id));
    else runs.push({ kind, entries: [String(id.id)] });
  }
  return { ...rest, acl: runs.map(({ kind, entries }) => [kind, ...entries.sort()]) };
}

/** The body of a multi as 3.8 would give it, which has no Stats; null where nothing changes. */
function withoutStats(body: unknown, ops: readonly MultiOp[]): unknown {
  if (!Array.isArray(body)) return null;
  const results = body as readonly { readonly type: number; readonly value: unknown }[];
  const isNewer = (i: number): boolean => {
    const op = ops[i];
    // What makes a container or a node with a time to live has a Stat there, too.
    if (op?.type !== ZkOp.create2 && op?.type !== ZkOp.createContainer) return false;
    return op.request.flags < FLAGS_WITH_STAT_MIN;
  };
  if (!results.some(({ type }, i) => type === ZkOp.create2 && isNewer(i))) return null;
  return results.map((result, i) => {
    if (result.type !== ZkOp.create2 || !isNewer(i)) return result;
    const { path } = result.value as { readonly path: string };
    return { ...result, type: ZkOp.create, value: { path } };
  });
}

const FLAGS_WITH_STAT_MIN = 4;
const FLAGS_WITHOUT_TTL_MAX = 4;

/** Refused for its flags alone, whatever else is wrong with it. */
export function isCreateOfNoMode(step: Step): boolean {
  if (step.do !== "request" || !createTypes.has(step.type)) return false;
  return hasImpossibleFlags({ type: step.type, request: step.value } as MultiOp);
}

const createTypes = new Set<number>([ZkOp.create, ZkOp.create2, ZkOp.createContainer]);

/** No node has them, or only one with a time to live, which only its own operation tells. */
function hasImpossibleFlags({ type, request }: MultiOp): boolean {
  if (type === ZkOp.createTtl || !("flags" in request)) return false;
  return request.flags < 0 || request.flags > FLAGS_WITHOUT_TTL_MAX;
}

/** True of a multi's reply that says at which operation it failed. */
function isRefusedAtAPlace(item: NormalItem | null): boolean {
  const { err, body } = item?.fields ?? {};
  if (err !== 0 || !Array.isArray(body)) return false;
  return (body as readonly { readonly type: number }[]).every(({ type }) => type === ZkOp.error);
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
