import { isEphemeral, isSequential, type Stat } from "@quorate/znode";
import { ZkError, ZkOp, type MultiResult } from "@quorate/zookeeper";
import type { Deed, Seen, SessionWitness } from "../../checkers/service/session-witness.js";
import type { ModelNode } from "../../checkers/service/service-model.js";
import type { Watch } from "../../checkers/service/watch-oracle.js";
import type { Coverage } from "../../coverage.js";
import type { Outstanding, Reply } from "./session-connection.js";
import type { Part, ReadPart, SessionRequest, SetAclRequest } from "./request.js";
import { Perm } from "../../checkers/service/acl-rules.js";
import { markedAclItems } from "./identities.js";
import { bodyOf, decodeAnswer, type AnswerBody, type Fields } from "./zk-wire.js";

/** Answers that say: nothing was done, and never will be. */
const REFUSALS: ReadonlySet<number> = new Set<number>([
  ZkError.noNode,
  ZkError.noAuth,
  ZkError.notReadOnly,
  ZkError.badVersion,
  ZkError.nodeExists,
  ZkError.notEmpty,
  ZkError.noChildrenForEphemerals,
  ZkError.sessionExpired,
  ZkError.badArguments,
  ZkError.throttled,
]);

const WRITES: ReadonlySet<SessionRequest["kind"]> = new Set<SessionRequest["kind"]>([
  "create",
  "set",
  "delete",
  "setAcl",
]);

/** Looks for a refused write, reads, and a write that is done, answered in this order. */
export class BetweenWrites {
  #seen: "nothing" | "refused" | "read" = "nothing";

  next(answer: "refused" | "read" | "done" | "other"): boolean {
    const isFound = answer === "done" && this.#seen === "read";
    if (answer === "refused") this.#seen = "refused";
    else if (answer === "done") this.#seen = "nothing";
    else if (answer === "read" && this.#seen === "refused") this.#seen = "read";
    return isFound;
  }
}

export interface JudgeDeps {
  readonly betweenWrites: BetweenWrites;
  readonly witness: SessionWitness;
  readonly coverage: Coverage;
  readonly session: bigint;
  /** The server has no quorum, and has said so. */
  readonly isReadOnly: boolean;
  /** A node was made under this path. */
  onCreated(path: string, isNumbered: boolean, isEphemeral: boolean): void;
}

/** Hands what one answer says to the witness of its client. */
export function judgeReply(
  deps: JudgeDeps,
  { asked, acknowledged }: Outstanding,
  reply: Reply,
): void {
  const { witness, coverage } = deps;
  const { txnid, err } = reply;
  witness.answered(txnid);
  if (deps.isReadOnly && isRefusedReadOnly(asked)) {
    coverage.event("write refused without a quorum");
    const isRefused = err === ZkError.notReadOnly;
    if (!isRefused) witness.misbehaved("readOnlyIsObeyed", `is answered a ${asked.kind}: ${err}`);
  }
  const body = err === ZkError.ok ? decodeAnswer(asked, reply.reader) : null;
  const isRead = "watch" in asked || asked.kind === "multiRead" || asked.kind === "getAcl";
  if (deps.isReadOnly && isRead) coverage.event("read without a quorum");
  const otherwise = isRead ? "read" : REFUSALS.has(err) ? "refused" : "other";
  if (deps.betweenWrites.next(isDone(asked, body) ? "done" : otherwise)) {
    coverage.event("read between a refused write and the next");
  }
  switch (asked.kind) {
    case "get":
    case "exists":
    case "children":
      judgeRead(deps, asked, reply, body);
      return;
    case "getAcl":
      judgeGetAcl(deps, asked.path, reply, body);
      return;
    case "setAcl":
      judgeSetAcl(deps, { asked, acknowledged }, reply, body);
      return;
    case "addWatch":
      if (body === null) return;
      coverage.event("persistent watch");
      witness.oracle.add(
        { list: asked.isRecursive ? "persistentRecursive" : "persistent", path: asked.path },
        txnid,
      );
      return;
    case "sync":
      if (body === null) return;
      coverage.event("sync");
      witness.synced(txnid, acknowledged);
      return;
    case "closeSession":
      return;
    case "multi":
      judgeMulti(deps, { asked, acknowledged }, reply, body?.results ?? null);
      return;
    case "multiRead":
      if (body !== null) judgeMultiRead(deps, asked.parts, reply, body.results ?? []);
      return;
    default:
      judgeWrite(deps, { asked, acknowledged }, reply, body);
  }
}

function isRefusedReadOnly({ kind }: SessionRequest): boolean {
  return WRITES.has(kind) || kind === "multi" || kind === "sync";
}

/** All of it, at the transaction that its answer names. */
function isDone({ kind }: SessionRequest, body: AnswerBody | null): boolean {
  if (body === null) return false;
  if (kind === "multi") {
    return body.results?.every(({ type, err }) => type !== ZkOp.error || err === 0) ?? false;
  }
  return WRITES.has(kind);
}

function judgeRead(
  { witness, coverage }: JudgeDeps,
  asked: Extract<SessionRequest, { watch: boolean }>,
  { txnid, err }: Reply,
  body: AnswerBody | null,
): void {
  const seen = seenOf(err, body);
  if (seen === undefined) return;
  if (err === ZkError.noAuth) coverage.event("read refused by an ACL");
  const watch = err === ZkError.noAuth ? null : watchOf(asked, body !== null);
  witness.read(asked.path, txnid, seen, watch);
}

/** For who may read or administer the node. */
function judgeGetAcl(
  { witness, coverage }: JudgeDeps,
  path: string,
  { txnid, err }: Reply,
  body: AnswerBody | null,
): void {
  const seen = seenOf(err, body);
  if (seen === undefined) return;
  coverage.event(err === ZkError.noAuth ? "getAcl refused by an ACL" : "getAcl");
  witness.read(path, txnid, seen, null, Perm.read | Perm.admin);
}

/** All of it as of one transaction. */
function judgeMultiRead(
  { witness, coverage }: JudgeDeps,
  parts: readonly ReadPart[],
  { txnid }: Reply,
  results: readonly MultiResult[],
): void {
  coverage.event("multiRead");
  const isWhole = results.length === parts.length;
  if (!isWhole) witness.misbehaved("readIsTheState", `reads ${results.length} of ${parts.length}`);
  for (const [index, { type, err, value }] of results.entries()) {
    const isError = type === ZkOp.error;
    const seen = seenOf(err, isError ? null : bodyOf(value as Fields));
    const path = parts[index]?.path;
    if (path !== undefined && seen !== undefined) witness.read(path, txnid, seen, null);
  }
}

/** Undefined: the answer says nothing of the node. */
function seenOf(err: number, body: AnswerBody | null): Seen | undefined {
  if (err === ZkError.noAuth) return "refused by its ACL";
  if (body === null) return err === ZkError.noNode ? null : undefined;
  const { stat, data, children, acl } = body;
  return {
    ...(stat === undefined ? {} : statSeen(stat)),
    ...(data === undefined ? {} : { data }),
    ...(children === undefined ? {} : { children }),
    ...(acl === undefined ? {} : { acl }),
  };
}

function statSeen(stat: Stat): Partial<ModelNode> {
  return {
    czxid: stat.czxid,
    mzxid: stat.mzxid,
    pzxid: stat.pzxid,
    mtime: stat.mtime,
    version: stat.version,
    aversion: stat.aversion,
    owner: BigInt.asUintN(64, stat.ephemeralOwner),
  };
}

/** As Java's client registers it. */
function watchOf(
  asked: Extract<SessionRequest, { watch: boolean }>,
  exists: boolean,
): Watch | null {
  const { kind, path, watch } = asked;
  if (!watch) return null;
  if (kind === "exists") return { list: exists ? "data" : "exist", path };
  if (!exists) return null;
  return { list: kind === "children" ? "child" : "data", path };
}

function deedsOf(parts: readonly Part[], session: bigint): readonly Deed[] {
  return parts.flatMap((part): readonly Deed[] => {
    if (part.kind === "check") return [];
    const { kind, path } = part;
    const value = part.kind === "delete" ? "" : part.value;
    const owner = part.kind === "create" && isEphemeral(part.mode) ? session : 0n;
    return [{ kind, path, value, owner }];
  });
}

/** The last of these parts was refused for an ACL's sake, and those before it were not. */
function refusedByAcl(
  { witness, coverage, session }: JudgeDeps,
  parts: readonly Part[],
  acknowledged: bigint,
  txnid: bigint,
): void {
  coverage.event("write refused by an ACL");
  const deeds = deedsOf(parts.slice(-1), session);
  const touched = new Set(parts.slice(0, -1).map(({ path }) => path));
  for (const deed of deeds) {
    // What an earlier part of the same multi made or changed is in no state.
    const parent = deed.path.slice(0, deed.path.lastIndexOf("/"));
    if (touched.has(deed.path) || touched.has(parent)) continue;
    witness.refusedByAcl(deed, acknowledged, txnid);
  }
}

type Asked<T> = { readonly asked: Extract<SessionRequest, T> } & Pick<Outstanding, "acknowledged">;

function judgeWrite(
  deps: JudgeDeps,
  { asked, acknowledged }: Asked<{ kind: "create" | "set" | "delete" }>,
  { txnid, err }: Reply,
  body: AnswerBody | null,
): void {
  const { witness, session } = deps;
  if (body === null) {
    if (REFUSALS.has(err)) witness.refused(deedsOf([asked], session));
    if (err === ZkError.noAuth) refusedByAcl(deps, [asked], acknowledged, txnid);
    return;
  }
  const path = body.path ?? asked.path;
  witness.wrote(deedsOf([{ ...asked, path }], session), txnid);
  if (asked.kind === "create") created(deps, asked, path);
}

function judgeSetAcl(
  deps: JudgeDeps,
  { asked, acknowledged }: { readonly asked: SetAclRequest } & Pick<Outstanding, "acknowledged">,
  { txnid, err }: Reply,
  body: AnswerBody | null,
): void {
  const { witness, coverage } = deps;
  const { path, acl, value, version } = asked;
  const deed = { kind: "setAcl", path, value: acl === "open" ? "" : value, owner: 0n } as const;
  if (body === null) {
    if (REFUSALS.has(err)) witness.refused([deed]);
    if (err === ZkError.noAuth) {
      coverage.event("setAcl refused by an ACL");
      witness.refusedByAcl(deed, acknowledged, txnid);
    } else if (err === ZkError.badVersion) {
      coverage.event("setAcl refused by its condition");
      witness.refusedByAclVersion(path, version, acknowledged, txnid);
    }
    return;
  }
  coverage.event(version === -1 ? "setAcl" : "setAcl with a condition");
  const stat = body.stat === undefined ? {} : statSeen(body.stat);
  witness.aclSet({ path, acl: markedAclItems(acl, value), condition: version, stat }, txnid);
}

function created(deps: JudgeDeps, asked: Extract<Part, { kind: "create" }>, path: string): void {
  const isNumbered = isSequential(asked.mode);
  const isRight = isNumbered
    ? path.startsWith(asked.path) && /^\d{10}$/.test(path.slice(asked.path.length))
    : path === asked.path;
  if (!isRight) deps.witness.misbehaved("writeIsWhole", `created ${asked.path} as ${path}`);
  if (isNumbered) deps.coverage.event("numbered create");
  deps.onCreated(path, isNumbered, isEphemeral(asked.mode));
}

function judgeMulti(
  deps: JudgeDeps,
  { asked, acknowledged }: Asked<{ kind: "multi" }>,
  { txnid, err }: Reply,
  results: readonly MultiResult[] | null,
): void {
  const { witness, coverage, session } = deps;
  const { parts } = asked;
  if (results === null) {
    if (REFUSALS.has(err)) witness.refused(deedsOf(parts, session));
    return;
  }
  const isWhole = results.length === parts.length;
  if (!isWhole) witness.misbehaved("multiIsWhole", `has ${results.length} of ${parts.length}`);
  const failedAt = results.findIndex(({ type, err: one }) => type === ZkOp.error && one !== 0);
  if (failedAt === -1) {
    coverage.event("multi");
    const paths = results.map(({ value }) => (value as { path?: string } | null)?.path);
    const done = parts.map((part, index) => ({ ...part, path: paths[index] ?? part.path }));
    witness.wrote(deedsOf(done, session), txnid);
    for (const [index, part] of parts.entries()) {
      if (part.kind === "create") created(deps, part, done[index]?.path ?? part.path);
    }
    return;
  }
  const expected = (index: number, one: number): boolean => {
    if (index === failedAt) return REFUSALS.has(one);
    return one === (index < failedAt ? ZkError.ok : ZkError.runtimeInconsistency);
  };
  const isTold = results.every(({ type, err: one }, i) => type === ZkOp.error && expected(i, one));
  if (!isTold) {
    const told = results.map(({ type, err: one }) => `${type}:${one}`).join(" ");
    witness.misbehaved("multiIsWhole", `is told of its parts ${told}`);
  }
  coverage.multiRefusedAt(failedAt);
  if (results[failedAt]?.err === ZkError.noAuth) {
    refusedByAcl(deps, parts.slice(0, failedAt + 1), acknowledged, txnid);
  }
  witness.refused(deedsOf(parts, session));
}
