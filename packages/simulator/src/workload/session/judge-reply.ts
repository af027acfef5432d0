import { isEphemeral, isSequential } from "@quorate/znode";
import { ZkError, ZkOp, type MultiResult } from "@quorate/zookeeper";
import type { Deed, Seen, SessionWitness } from "../../checkers/service/session-witness.js";
import type { Watch } from "../../checkers/service/watch-oracle.js";
import type { Coverage } from "../../coverage.js";
import type { Outstanding, Reply } from "./session-connection.js";
import type { Part, SessionRequest } from "./request.js";
import { decodeAnswer, type AnswerBody } from "./zk-wire.js";

/** Answers that say: nothing was done, and never will be. */
const REFUSALS: ReadonlySet<number> = new Set<number>([
  ZkError.noNode,
  ZkError.badVersion,
  ZkError.nodeExists,
  ZkError.notEmpty,
  ZkError.noChildrenForEphemerals,
  ZkError.sessionExpired,
  ZkError.badArguments,
  ZkError.throttled,
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
  const body = err === ZkError.ok ? decodeAnswer(asked, reply.reader) : null;
  witness.answered(txnid);
  const isRead = "watch" in asked;
  const otherwise = isRead ? "read" : REFUSALS.has(err) ? "refused" : "other";
  if (deps.betweenWrites.next(isDone(asked, body) ? "done" : otherwise)) {
    coverage.event("read between a refused write and the next");
  }
  switch (asked.kind) {
    case "get":
    case "exists":
    case "children":
      judgeRead(witness, asked, reply, body);
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
      judgeMulti(deps, asked.parts, reply, body?.results ?? null);
      return;
    default:
      judgeWrite(deps, asked, reply, body);
  }
}

/** All of it, at the transaction that its answer names. */
function isDone({ kind }: SessionRequest, body: AnswerBody | null): boolean {
  if (body === null) return false;
  if (kind === "multi") {
    return body.results?.every(({ type, err }) => type !== ZkOp.error || err === 0) ?? false;
  }
  return kind === "create" || kind === "set" || kind === "delete";
}

function judgeRead(
  witness: SessionWitness,
  asked: Extract<SessionRequest, { watch: boolean }>,
  { txnid, err }: Reply,
  body: AnswerBody | null,
): void {
  if (body === null && err !== ZkError.noNode) return;
  witness.read(asked.path, txnid, seenOf(body), watchOf(asked, body !== null));
}

function seenOf(body: AnswerBody | null): Seen {
  if (body?.stat === undefined) return null;
  const { stat, data, children } = body;
  return {
    czxid: stat.czxid,
    mzxid: stat.mzxid,
    pzxid: stat.pzxid,
    version: stat.version,
    owner: BigInt.asUintN(64, stat.ephemeralOwner),
    ...(data === undefined ? {} : { data }),
    ...(children === undefined ? {} : { children }),
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

function judgeWrite(
  deps: JudgeDeps,
  asked: Extract<SessionRequest, { kind: "create" | "set" | "delete" }>,
  { txnid, err }: Reply,
  body: AnswerBody | null,
): void {
  const { witness, session } = deps;
  if (body === null) {
    if (REFUSALS.has(err)) witness.refused(deedsOf([asked], session));
    return;
  }
  const path = body.path ?? asked.path;
  witness.wrote(deedsOf([{ ...asked, path }], session), txnid);
  if (asked.kind === "create") created(deps, asked, path);
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
  parts: readonly Part[],
  { txnid, err }: Reply,
  results: readonly MultiResult[] | null,
): void {
  const { witness, coverage, session } = deps;
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
  witness.refused(deedsOf(parts, session));
}
