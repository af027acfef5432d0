import type { Caller } from "@quorate/protocol";
import fc from "fast-check";
import {
  CreateMode,
  encodeCloseSession,
  encodeCreate,
  encodeCreateSession,
  encodeDelete,
  encodeDeleteExpired,
  encodeMultiParts,
  encodeSet,
  encodeSetAcl,
  ZnodeOp,
  type AclEntry,
} from "../src/index.js";

export type AskKind =
  | "create"
  | "set"
  | "delete"
  | "setAcl"
  | "check"
  | "multi"
  | "open"
  | "close"
  | "expire"
  | "broadcast";

/** One request, as a plain value. */
export interface Ask {
  readonly kind: AskKind;
  readonly path: string;
  readonly data: Uint8Array;
  readonly version: number;
  readonly mode: CreateMode;
  readonly acl: readonly AclEntry[];
  readonly caller: Caller;
  /** Whom `open` and `close` are about. */
  readonly session: bigint;
  readonly parts: readonly Ask[];
}

/** One of them with a node id that makes it negative as Java's long. */
export const SESSIONS: readonly bigint[] = [
  (1n << 56n) | 1n,
  (2n << 56n) | 77n,
  (200n << 56n) | 5n,
];
export const TTL_MS = 2;

const USER = { scheme: "digest", id: "u:hash" };
const entry = (perms: number, scheme: string, id: string): AclEntry => ({ perms, scheme, id });
const OPEN = [entry(31, "world", "anyone")];
const acls: readonly (readonly AclEntry[])[] = [
  OPEN,
  [entry(1, "world", "anyone"), entry(31, "digest", "u:hash")],
  [entry(31, "auth", "")],
  [entry(12, "ip", "10.0.0.0/8"), entry(3, "x509", "CN=c"), entry(12, "ip", "10.0.0.0/8")],
  [entry(16, "digest", "u:hash")],
  [],
  [entry(31, "nobody", "x")],
];

const ops: Readonly<Record<AskKind, number>> = {
  create: ZnodeOp.create,
  set: ZnodeOp.set,
  delete: ZnodeOp.delete,
  setAcl: ZnodeOp.setAcl,
  check: ZnodeOp.check,
  multi: ZnodeOp.multi,
  open: ZnodeOp.createSession,
  close: ZnodeOp.closeSession,
  expire: ZnodeOp.deleteExpired,
  broadcast: ZnodeOp.broadcast,
};

export interface Request {
  readonly op: number;
  readonly key: string;
  readonly content: Uint8Array;
}

export function requestOf(ask: Ask): Request {
  const isKeyless = ask.kind === "multi" || ask.kind === "open" || ask.kind === "close";
  return { op: ops[ask.kind], key: isKeyless ? "" : ask.path, content: contentOf(ask) };
}

function contentOf(ask: Ask): Uint8Array {
  switch (ask.kind) {
    case "create":
      return encodeCreate({ ...ask, ...(isTtl(ask.mode) ? { ttlMs: TTL_MS } : {}) });
    case "set":
      return encodeSet(ask);
    case "delete":
    case "check":
      return encodeDelete(ask);
    case "setAcl":
      return encodeSetAcl(ask);
    case "multi":
      return encodeMultiParts(
        ask.parts.map((part) => {
          const { op, key, content } = requestOf(part);
          return { op, path: key, content };
        }),
      );
    case "open":
      return encodeCreateSession({
        id: ask.session,
        timeoutMs: 4000,
        password: new Uint8Array(16).fill(Number(ask.session & 0xffn)),
      });
    case "close":
      return encodeCloseSession(ask.session);
    case "expire":
      return encodeDeleteExpired();
    case "broadcast":
      return ask.data;
  }
}

export function isTtl(mode: CreateMode): boolean {
  return mode === CreateMode.ttl || mode === CreateMode.ttlSequential;
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

const names = fc.constantFrom("a", "a", "a", "a", "ü", "zookeeper");
const treePath = fc.array(names, { maxLength: 2 }).map((parts) => `/${parts.join("/")}`);
const QUOTA = "/zookeeper/quota/a";
const path = fc.oneof(
  { weight: 12, arbitrary: treePath },
  { weight: 6, arbitrary: fc.constantFrom("/a", "/a", "/a/a") },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      "/zookeeper/config",
      "/zookeeper/config/x",
      QUOTA,
      `${QUOTA}/zookeeper_limits`,
      `${QUOTA}/zookeeper_stats`,
      "/a/0000000000",
      "/a/",
    ),
  },
);
const data = fc.oneof(
  { weight: 6, arbitrary: fc.uint8Array({ maxLength: 9 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      utf8("count=2,bytes=-1"),
      utf8("count=-1,bytes=3=;byteHardLimit=20;countHardLimit=3"),
    ),
  },
);
const callers: fc.Arbitrary<Caller> = fc.record({
  session: fc.constantFrom(null, null, null, ...SESSIONS.slice(0, 2)),
  identities: fc.constantFrom(
    [],
    [],
    [USER],
    [USER, { scheme: "ip", id: "10.1.2.3" }],
    [{ scheme: "x509", id: "CN=c" }],
    [{ scheme: "super", id: "" }],
  ),
});

const writes = fc.constantFrom<AskKind>(
  "create",
  "create",
  "create",
  "create",
  "set",
  "set",
  "delete",
  "delete",
  "check",
);
const others = fc.constantFrom<AskKind>(
  "setAcl",
  "open",
  "open",
  "close",
  "expire",
  "expire",
  "expire",
  "broadcast",
);

function askOf(kind: fc.Arbitrary<AskKind>): fc.Arbitrary<Ask> {
  return fc.record({
    kind,
    path,
    data,
    version: fc.constantFrom(-1, -1, -1, 0, 1, 2),
    mode: fc.constantFrom<CreateMode>(0, 0, 0, 1, 1, 2, 3, 4, 4, 5, 5, 5, 6),
    acl: fc.oneof({ weight: 5, arbitrary: fc.constant(OPEN) }, fc.constantFrom(...acls)),
    caller: callers,
    session: fc.constantFrom(...SESSIONS),
    parts: fc.constant([]),
  });
}

const multi = fc
  .tuple(askOf(fc.constant("multi")), fc.array(askOf(writes), { maxLength: 4 }))
  .map(([ask, parts]): Ask => ({ ...ask, parts }));

/** Few names, versions and sessions, so that requests meet; creates lead, so that trees grow. */
export const anyAsk: fc.Arbitrary<Ask> = fc.oneof(
  { weight: 9, arbitrary: askOf(writes.filter((kind) => kind !== "check")) },
  { weight: 4, arbitrary: multi },
  { weight: 3, arbitrary: askOf(others) },
);

const plain: Omit<Ask, "kind" | "path"> = {
  data: utf8(""),
  version: -1,
  mode: CreateMode.persistent,
  acl: OPEN,
  caller: { session: null, identities: [] },
  session: SESSIONS[0] ?? 0n,
  parts: [],
};

const openBoth: readonly Ask[] = SESSIONS.slice(0, 2).map((session) => ({
  ...plain,
  kind: "open",
  path: "",
  session,
}));

const limits = fc.constantFrom(
  "count=2,bytes=5",
  "count=-1,bytes=-1=;byteHardLimit=6;countHardLimit=4",
  "count=1,bytes=-1=;countHardLimit=3;what=5",
  "bytes=;rubbish;=3;count=x",
);

const withQuota = limits.map((text): readonly Ask[] => [
  { ...plain, kind: "create", path: QUOTA },
  { ...plain, kind: "create", path: `${QUOTA}/zookeeper_limits`, data: utf8(text) },
  { ...plain, kind: "create", path: `${QUOTA}/zookeeper_stats` },
]);

/** Two sessions are open, and at times there is a quota, before anything else happens. */
export function askLists(maxLength: number): fc.Arbitrary<readonly Ask[]> {
  return fc
    .tuple(
      fc.oneof(fc.constant<readonly Ask[]>([]), withQuota),
      fc.array(anyAsk, { maxLength, size: "max" }),
    )
    .map(([quota, asks]) => [...openBoth, ...quota, ...asks]);
}
