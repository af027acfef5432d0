import { formatTxnid, type LogEntryMsg, type NodeChangeKind, type Txnid } from "@quorate/protocol";
import type { Violations } from "../violations.js";
import { markOf, type Acl } from "./acl-rules.js";
import { isPurgeable } from "./purge-checker.js";
import { effectsOf, type Effect, type Life } from "./transaction.js";

/** A znode as of some transaction; never changed, only replaced. */
export interface ModelNode {
  readonly czxid: bigint;
  readonly mzxid: bigint;
  readonly pzxid: bigint;
  readonly version: number;
  /** How often its ACL was set. */
  readonly aversion: number;
  /** The session that it lives with; 0 for none. */
  readonly owner: bigint;
  readonly life: Life;
  readonly acl: Acl;
  /** When its data were set last, by the clock of the leader of then. */
  readonly mtime: number;
  /** A child was made in it, which may be gone. */
  readonly hadChild: boolean;
  readonly data: string;
  /** Names, in no order. */
  readonly children: readonly string[];
}

export interface Change {
  readonly kind: NodeChangeKind;
  readonly path: string;
  readonly txnid: bigint;
  /** Of the node then; of one that went, as it was. Whoever may not read it is not told. */
  readonly acl: Acl;
}

/** What whoever follows the log is told, if it may read the node. */
export interface Told {
  readonly txnid: bigint;
  readonly kind: "create" | "set" | "delete" | "setAcl";
  readonly path: string;
  /** Empty of a delete and a setAcl. */
  readonly data: string;
  /** After it: a set's, or a setAcl's of the ACL. Null where nobody tells, or keeps, it. */
  readonly version: number | null;
  /** Of the node then, a setAcl's the new one. */
  readonly acl: Acl;
}

export interface ModelSession {
  readonly id: bigint;
  timeoutMs: number;
  /** Of all that it has had: a connection that its client has left knows of no later one. */
  timeoutMsMax: number;
  readonly openedAtMs: number;
  closedBy: Txnid | null;
  closedAtMs: number;
}

export interface ModelEvents {
  /** Once for each transaction, after all of it. */
  onApplied(txnid: Txnid, effects: readonly Effect[]): void;
  onSessionClosed(session: ModelSession, txnid: Txnid, ephemerals: number): void;
}

interface Version {
  readonly txnid: bigint;
  readonly node: ModelNode | null;
}

/** Where session clients live. Everything else is other clients', and kept by other checkers. */
export const SESSION_PREFIX = "/q";

/**
 * What the one sequence of committed transactions makes of tree and sessions: naive, whole, and
 * with its past. Holds Invariant 10, as far as it is one of the sequence itself.
 */
export class ServiceModel {
  readonly sessions = new Map<bigint, ModelSession>();
  readonly changes: Change[] = [];
  /** In the order of what was done, also by those whose nodes are not kept here. */
  readonly told: Told[] = [];
  readonly #violations: Violations;
  readonly #nowMs: () => number;
  readonly #versions = new Map<string, Version[]>();
  readonly #owned = new Map<bigint, Set<string>>();
  readonly #values = new Map<string, Txnid>();
  readonly #forbidden = new Map<string, string>();
  readonly #listeners: ModelEvents[] = [];
  #newest = 0n;

  constructor(violations: Violations, nowMs: () => number) {
    this.#violations = violations;
    this.#nowMs = nowMs;
  }

  listen(listener: ModelEvents): void {
    this.#listeners.push(listener);
  }

  /** The last transaction of the sequence so far. */
  get newest(): bigint {
    return this.#newest;
  }

  get openSessions(): readonly ModelSession[] {
    return [...this.sessions.values()].filter(({ closedBy }) => closedBy === null);
  }

  /** Ephemerals that exist now, whoever owned them. */
  get ephemeralCount(): number {
    let count = 0;
    for (const paths of this.#owned.values()) count += paths.size;
    return count;
  }

  /** Nodes that a leader whose clock shows this must remove sooner or later. */
  purgeable(wallTimeMs: number): readonly string[] {
    const due: string[] = [];
    for (const [path, versions] of this.#versions) {
      const node = versions.at(-1)?.node ?? null;
      if (node !== null && isPurgeable(node, wallTimeMs)) due.push(path);
    }
    return due;
  }

  /**
   * The states of a node from the one that this transaction left to the one that `upTo` left;
   * null where there was none.
   */
  statesOf(path: string, from: bigint, upTo: bigint): readonly (ModelNode | null)[] {
    const versions = this.#versions.get(path) ?? [];
    const later = versions.filter(({ txnid }) => txnid > from && txnid <= upTo);
    return [this.nodeAt(path, from), ...later.map(({ node }) => node)];
  }

  ephemeralsOf(session: bigint): ReadonlySet<string> {
    return this.#owned.get(session) ?? NO_PATHS;
  }

  /** The transaction that wrote this value; every value is written once. */
  writtenBy(value: string): Txnid | undefined {
    return this.#values.get(value);
  }

  /** Its writer was told that it is not done, and so it must never be. */
  forbid(value: string, writer: string): void {
    if (value === "") return;
    this.#forbidden.set(value, writer);
    const txnid = this.#values.get(value);
    if (txnid !== undefined) this.#wasRefused(value, writer, txnid);
  }

  /** The node in the state that this transaction left; null when there was none. */
  nodeAt(path: string, txnid: bigint): ModelNode | null {
    const versions = this.#versions.get(path) ?? [];
    for (let i = versions.length - 1; i >= 0; i -= 1) {
      const version = versions[i];
      if (version !== undefined && version.txnid <= txnid) return version.node;
    }
    return null;
  }

  /**
   * The transaction that brought the ACL of a node, which was made by `czxid`, to this version.
   * Undefined: there was none.
   */
  aclSetBy(path: string, czxid: bigint, aversion: number): bigint | undefined {
    const versions = this.#versions.get(path) ?? [];
    return versions.find(({ node }) => node?.czxid === czxid && node.aversion === aversion)?.txnid;
  }

  /** Index of the first change after this transaction. */
  changeAfter(txnid: bigint): number {
    return firstAfter(this.changes, txnid);
  }

  /** What those who follow the log are told of these transactions, `upTo` included. */
  toldBetween(after: bigint, upTo: bigint): readonly Told[] {
    return this.told.slice(firstAfter(this.told, after), firstAfter(this.told, upTo));
  }

  /** The next transaction of the sequence. */
  apply(entry: LogEntryMsg): void {
    const effects = effectsOf(entry);
    this.#newest = entry.txnid;
    for (const effect of effects) this.#effect(effect, entry.txnid);
    for (const { onApplied } of this.#listeners) onApplied(entry.txnid, effects);
  }

  #effect(effect: Effect, txnid: Txnid): void {
    switch (effect.kind) {
      case "openSession":
        this.sessions.set(effect.id, {
          id: effect.id,
          timeoutMs: effect.timeoutMs,
          timeoutMsMax: effect.timeoutMs,
          openedAtMs: this.#nowMs(),
          closedBy: null,
          closedAtMs: Number.POSITIVE_INFINITY,
        });
        return;
      case "moveSession":
        this.#move(effect.id, effect.timeoutMs);
        return;
      case "closeSession":
        this.#close(effect.id, txnid);
        return;
      default:
        if (effect.path.startsWith(SESSION_PREFIX)) this.#write(effect, txnid);
        else this.#log(effect, txnid, { acl: null, version: null });
    }
  }

  #write(effect: Extract<Effect, { path: string }>, txnid: Txnid): void {
    const { path } = effect;
    const before = this.nodeAt(path, txnid);
    switch (effect.kind) {
      case "create": {
        const { owner, life, acl, timeMs, data } = effect;
        this.#expect(before === null, "totalOrder", `${path} is created and exists`);
        const isOpen = owner === 0n || this.sessions.get(owner)?.closedBy === null;
        this.#expect(
          isOpen,
          "ephemeralHasSession",
          `${formatTxnid(txnid)} creates ${path} for session ${name(owner)}, which is not open`,
        );
        this.#put(path, txnid, {
          czxid: txnid,
          mzxid: txnid,
          pzxid: txnid,
          version: 0,
          aversion: 0,
          owner,
          life,
          acl,
          mtime: timeMs,
          hadChild: false,
          data,
          children: [],
        });
        if (owner !== 0n) this.#ownedBy(owner).add(path);
        this.#wrote(data, txnid);
        this.#tell({ kind: "created", path, txnid, acl });
        this.#log(effect, txnid, { acl, version: null });
        return;
      }
      case "set": {
        if (before === null) return this.#missing(path, txnid);
        const { data, timeMs } = effect;
        const { acl } = before;
        const version = before.version + 1;
        this.#put(path, txnid, { ...before, mzxid: txnid, mtime: timeMs, version, data });
        this.#wrote(data, txnid);
        this.changes.push({ kind: "dataChanged", path, txnid, acl });
        this.#log(effect, txnid, { acl, version });
        return;
      }
      case "setAcl": {
        if (before === null) return this.#missing(path, txnid);
        const { acl, aversion } = effect;
        const isNext = aversion === before.aversion + 1;
        this.#expect(isNext, "totalOrder", `${path}'s ACL goes to ${aversion}`);
        this.#put(path, txnid, { ...before, acl, aversion });
        this.#wrote(markOf(acl), txnid);
        this.#log(effect, txnid, { acl, version: aversion });
        return;
      }
      case "delete":
        if (before === null) return this.#missing(path, txnid);
        this.#put(path, txnid, null);
        if (before.owner !== 0n) this.#ownedBy(before.owner).delete(path);
        this.#tell({ kind: "deleted", path, txnid, acl: before.acl });
        this.#log(effect, txnid, { acl: before.acl, version: null });
    }
  }

  #log(
    effect: Extract<Effect, { path: string }>,
    txnid: Txnid,
    { acl, version }: Pick<Told, "acl" | "version">,
  ): void {
    const { kind, path } = effect;
    this.told.push({ txnid, kind, path, data: "data" in effect ? effect.data : "", version, acl });
  }

  /** Of a node that came or went: its parent changes with it. */
  #tell(change: Change & { readonly txnid: Txnid }): void {
    const { kind, path, txnid } = change;
    const at = path.lastIndexOf("/");
    const parentPath = path.slice(0, at);
    const childName = path.slice(at + 1);
    this.changes.push(change);
    if (parentPath === "") return;
    const parent = this.nodeAt(parentPath, txnid);
    if (parent === null) return this.#missing(parentPath, txnid);
    const hasCome = kind === "created";
    const children = hasCome
      ? [...parent.children, childName]
      : parent.children.filter((one) => one !== childName);
    const hadChild = parent.hadChild || hasCome;
    this.#put(parentPath, txnid, { ...parent, pzxid: txnid, hadChild, children });
    this.changes.push({ kind: "childrenChanged", path: parentPath, txnid, acl: parent.acl });
  }

  #move(id: bigint, timeoutMs: number): void {
    const session = this.sessions.get(id);
    if (session === undefined || timeoutMs === 0) return;
    session.timeoutMs = timeoutMs;
    session.timeoutMsMax = Math.max(session.timeoutMsMax, timeoutMs);
  }

  #close(id: bigint, txnid: Txnid): void {
    const session = this.sessions.get(id);
    if (session === undefined || session.closedBy !== null) {
      this.#violations.report("totalOrder", `${formatTxnid(txnid)} closes ${name(id)} again`);
      return;
    }
    session.closedBy = txnid;
    session.closedAtMs = this.#nowMs();
    const left = [...this.ephemeralsOf(id)];
    this.#expect(
      left.length === 0,
      "ephemeralHasSession",
      `${formatTxnid(txnid)} closes session ${name(id)} and leaves ${left.join(" ")}`,
    );
    let count = 0;
    for (let i = this.changes.length - 1; this.changes[i]?.txnid === txnid; i -= 1) {
      if (this.changes[i]?.kind === "deleted") count += 1;
    }
    for (const { onSessionClosed } of this.#listeners) onSessionClosed(session, txnid, count);
  }

  #wrote(value: string, txnid: Txnid): void {
    const before = this.#values.get(value);
    this.#expect(
      before === undefined || value === "",
      "exactlyOnce",
      `${formatTxnid(txnid)} writes ${value} again, which ${formatTxnid(before ?? txnid)} wrote`,
    );
    this.#values.set(value, txnid);
    const refusedTo = this.#forbidden.get(value);
    if (refusedTo !== undefined) this.#wasRefused(value, refusedTo, txnid);
  }

  #wasRefused(value: string, writer: string, txnid: Txnid): void {
    this.#violations.report(
      "refusedIsNotDone",
      `${formatTxnid(txnid)} writes ${value}, which was refused to ${writer}`,
    );
  }

  #put(path: string, txnid: Txnid, node: ModelNode | null): void {
    const versions = this.#versions.get(path) ?? [];
    if (versions.at(-1)?.txnid === txnid) versions.pop();
    versions.push({ txnid, node });
    this.#versions.set(path, versions);
  }

  #ownedBy(session: bigint): Set<string> {
    const paths = this.#owned.get(session) ?? new Set();
    this.#owned.set(session, paths);
    return paths;
  }

  #missing(path: string, txnid: Txnid): void {
    this.#violations.report(
      "totalOrder",
      `${formatTxnid(txnid)} needs ${path}, which is not there`,
    );
  }

  #expect(condition: boolean, checker: string, text: string): void {
    this.#violations.expect(condition, checker, () => text);
  }
}

const NO_PATHS: ReadonlySet<string> = new Set();

/** In a list in the order of transactions. */
function firstAfter(list: readonly { readonly txnid: bigint }[], txnid: bigint): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle]?.txnid ?? 0n) > txnid) high = middle;
    else low = middle + 1;
  }
  return low;
}

export function name(session: bigint): string {
  return `0x${session.toString(16)}`;
}
