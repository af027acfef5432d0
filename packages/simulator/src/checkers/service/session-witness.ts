import { formatTxnid, type NodeChangeKind, type Txnid } from "@quorate/protocol";
import type { Violations } from "../violations.js";
import { may, Perm, shownAcl, type Acl, type Identities } from "./acl-rules.js";
import type { ModelNode, ServiceModel } from "./service-model.js";
import { WatchOracle, type Watch } from "./watch-oracle.js";

/** What a read showed; null for no such node. */
export type Seen = Partial<ModelNode> | null | "refused by its ACL";

export interface ToldEvent {
  /** Null when it tells of what was missed, and of no transaction. */
  readonly txnid: bigint | null;
  readonly kind: NodeChangeKind;
  readonly path: string;
}

/** What one write of a client, or one part of its multi, must have done. */
export interface Deed {
  readonly kind: "create" | "set" | "delete" | "setAcl";
  readonly path: string;
  /** Empty for a delete, and for a setAcl that leaves no mark. */
  readonly value: string;
  /** Of a create: the session that the node lives with, or 0. */
  readonly owner: bigint;
}

/** What a client is told of its setAcl, and what it had asked for. */
export interface AclDeed {
  readonly path: string;
  readonly acl: Acl;
  /** The version that the ACL must have had; -1: any. */
  readonly condition: number;
  readonly stat: Partial<ModelNode>;
}

const ANY_VERSION = -1;

/** What clients know of one another, from outside. */
export interface Acknowledged {
  /** The newest transaction of a write that was answered to anybody. */
  newest: bigint;
  /** Which ACLs somebody was told that it had set: node and version. */
  readonly acls: Set<string>;
}

/**
 * Judges what one client sees through its session, answer by answer. Holds Invariant 8 (every read
 * is the state of exactly the transaction that its answer names, and those never go back, also
 * after a move) and Invariant 9 (every watch event is due, and comes before any answer that is as
 * new as it).
 */
export class SessionWitness {
  readonly oracle: WatchOracle;
  readonly #who: string;
  readonly #model: ServiceModel;
  readonly #violations: Violations;
  readonly #acknowledged: Acknowledged;
  readonly #identities: Identities;
  #newest = 0n;
  /** Of the newest state that a read showed. */
  #newestRead = 0n;
  /** Between connecting anew and the answer to setWatches: what it was told. */
  #replayed: ToldEvent[] | null = null;

  constructor(
    who: string,
    deps: {
      readonly model: ServiceModel;
      readonly violations: Violations;
      readonly acknowledged: Acknowledged;
      /** What it proves on each of its connections. */
      readonly identities: Identities;
      /** An event was not told, for an ACL's sake. */
      readonly onWithheld?: () => void;
    },
  ) {
    this.#who = who;
    this.#model = deps.model;
    this.#violations = deps.violations;
    this.#acknowledged = deps.acknowledged;
    this.#identities = deps.identities;
    this.oracle = new WatchOracle(
      deps.model,
      deps.identities,
      deps.onWithheld ?? (() => undefined),
    );
  }

  /** The answer to setWatches is awaited. */
  get isSettingWatches(): boolean {
    return this.#replayed !== null;
  }

  /** A connection is lost, or replaced: nothing more comes of it. */
  disconnected(): void {
    this.oracle.forget();
    this.#replayed = null;
  }

  /** Another session begins; it has seen nothing. */
  renewed(): void {
    this.disconnected();
    this.#newest = 0n;
    this.#newestRead = 0n;
  }

  /**
   * It reads at a server without a quorum, which promises no more than not to be behind what the
   * client says that it has seen: and that is the newest answer, not the newest event or ping.
   */
  readsOnly(seen: bigint): void {
    this.#newest = seen;
    this.oracle.rewind(seen);
  }

  setsWatches(): void {
    this.#replayed = [];
  }

  /** Any answer: what precedes it in the order of transactions must have been told. */
  answered(txnid: bigint): void {
    this.#expect(txnid >= this.#newest, "sessionGoesForward", () => {
      return `is answered as of ${text(txnid)} after ${text(this.#newest)}`;
    });
    if (txnid > this.#newest) this.#newest = txnid;
    if (this.#replayed !== null) return;
    const [due] = this.oracle.dueBy(txnid);
    this.#expect(due === undefined, "eventBeforeAnswer", () => {
      return (
        `is answered as of ${text(txnid)} and was not told: ${due?.kind ?? ""} ` +
        `${due?.path ?? ""} at ${text(due?.txnid ?? 0n)}`
      );
    });
  }

  /** A read, and the watch that it set. Of one of these permissions it must have had one. */
  read(
    path: string,
    txnid: bigint,
    seen: Seen,
    watch: Watch | null,
    perms: number = Perm.read,
  ): void {
    const node = this.#model.nodeAt(path, txnid);
    const mayRead = node === null || may(node.acl, perms, this.#identities);
    this.#expect(mayRead === (seen !== REFUSED), "aclIsObeyed", () => {
      const allowed = mayRead ? "may" : "may not";
      return `reads ${path} as of ${text(txnid)} as ${describe(seen)}, and ${allowed} read it`;
    });
    const isState = seen === REFUSED || isSame(seen, node, this.#identities);
    this.#expect(isState, "readIsTheState", () => {
      return `reads ${path} as of ${text(txnid)} as ${describe(seen)}, which was ` + describe(node);
    });
    if (watch !== null) this.oracle.add(watch, txnid);
    this.#newestRead = txnid;
  }

  told(event: ToldEvent): void {
    if (this.#replayed !== null) {
      this.#replayed.push(event);
      return;
    }
    const { txnid, kind, path } = event;
    const due = txnid === null ? undefined : this.oracle.take(txnid);
    const isDue = due?.txnid === txnid && due.kind === kind && due.path === path;
    this.#expect(isDue, "eventIsDue", () => {
      const instead =
        due === undefined ? "nothing" : `${due.kind} ${due.path} at ${text(due.txnid)}`;
      return `is told of ${kind} ${path} at ${text(txnid ?? 0n)} where ${instead} is due`;
    });
  }

  /** The answer to setWatches. Returns what was missed and told. */
  watchesSet(sent: readonly Watch[], relative: bigint, txnid: bigint): readonly ToldEvent[] {
    const told = this.#replayed ?? [];
    this.#replayed = null;
    const missed = this.oracle.renew(sent, relative, txnid);
    const isSameAs = (one: ToldEvent, index: number): boolean => {
      const due = missed[index];
      return one.txnid === null && due?.kind === one.kind && due.path === one.path;
    };
    this.#expect(told.length === missed.length && told.every(isSameAs), "missedIsTold", () => {
      const list = (events: readonly { kind: string; path: string }[]): string =>
        events.map(({ kind, path }) => `${kind} ${path}`).join(", ");
      return (
        `sets its watches again as of ${text(relative)} at ${text(txnid)} and is told ` +
        `[${list(told)}], which should be [${list(missed)}]`
      );
    });
    return told;
  }

  /** A write was done: all of it, at one transaction no newer than its answer. */
  wrote(deeds: readonly Deed[], txnid: bigint): void {
    if (deeds.length > 0 && txnid > this.#acknowledged.newest) this.#acknowledged.newest = txnid;
    const at = new Set<bigint | undefined>();
    for (const deed of deeds) {
      if (deed.kind !== "delete") at.add(this.#model.writtenBy(deed.value));
    }
    const [writtenAt] = at;
    const isOne = at.size === 0 || (at.size === 1 && writtenAt !== undefined);
    this.#expect(isOne && (writtenAt ?? 0n) <= txnid, "writeIsWhole", () => {
      const all = deeds.map(({ value }) => `${value}: ${text(this.#model.writtenBy(value) ?? 0n)}`);
      return `is told at ${text(txnid)} that it wrote ${all.join(", ")}`;
    });
    // Reads that were answered before it were asked for before it: none can have seen it, nor
    // anything newer. (Other answers name what was newest when they left.)
    this.#expect((writtenAt ?? txnid) > this.#newestRead, "readInPlace", () => {
      const at = text(writtenAt ?? txnid);
      return `read as of ${text(this.#newestRead)} in front of its write at ${at}`;
    });
    // A delete alone writes no value; most are answered as of their own transaction.
    const [first] = deeds;
    const isKnown = first !== undefined && this.#wasDone(first, writtenAt ?? txnid);
    if (isKnown) this.#mayHave(deeds, writtenAt ?? txnid);
    if (writtenAt === undefined) return;
    for (const deed of deeds) {
      this.#expect(this.#wasDone(deed, writtenAt), "writeIsWhole", () => {
        return `is told of a ${deed.kind} of ${deed.path} that was not done at ${text(writtenAt)}`;
      });
    }
  }

  /**
   * The ACL let it do all that was done: of the nodes as they were before, but for those that an
   * earlier part of the same multi had changed.
   */
  #mayHave(deeds: readonly Deed[], txnid: bigint): void {
    const touched = new Set<string>();
    for (const deed of deeds) {
      const { path, perm } = judgedBy(deed);
      const node = touched.has(path) ? null : this.#model.nodeAt(path, txnid - 1n);
      this.#expect(node === null || may(node.acl, perm, this.#identities), "aclIsObeyed", () => {
        return `did a ${deed.kind} of ${deed.path} at ${text(txnid)}, which it may not`;
      });
      touched.add(deed.path);
    }
  }

  /**
   * The first deed that was not done was refused for an ACL's sake: in some state between what
   * everybody knew when it was asked for and the answer, there was one that forbids it.
   */
  refusedByAcl(deed: Deed, from: bigint, upTo: bigint): void {
    const { path, perm } = judgedBy(deed);
    const states = this.#model.statesOf(path, from, upTo);
    const isForbidden = states.some(
      (node) => node !== null && !may(node.acl, perm, this.#identities),
    );
    this.#expect(isForbidden, "aclIsObeyed", () => {
      return (
        `may not do a ${deed.kind} of ${deed.path}, asked for at ${text(from)} and answered at ` +
        `${text(upTo)}, where no ACL forbids it`
      );
    });
  }

  /**
   * A setAcl was done: the answer shows the node as the one transaction left it that brought the
   * ACL from the version that was asked for to the next, and that was nobody else's.
   */
  aclSet({ path, acl, condition, stat }: AclDeed, txnid: bigint): void {
    const { czxid = 0n, aversion = 0 } = stat;
    const at = this.#model.aclSetBy(path, czxid, aversion) ?? txnid + 1n;
    const node = this.#model.nodeAt(path, at);
    const isTheirs = at <= txnid && aversion > 0 && isSame({ ...stat }, node, this.#identities);
    const isWhole = isTheirs && JSON.stringify(node?.acl) === JSON.stringify(acl);
    this.#expect(isWhole, "writeIsWhole", () => {
      return `is told at ${text(txnid)} that it set the ACL of ${path} to version ${aversion}`;
    });
    const isMet = condition === ANY_VERSION || aversion === condition + 1;
    this.#expect(isMet, "conditionIsMet", () => {
      return `set the ACL of ${path}, which had to be of version ${condition}, to ${aversion}`;
    });
    const name = `${path} ${text(czxid)} ${aversion}`;
    this.#expect(!this.#acknowledged.acls.has(name), "exactlyOnce", () => {
      return `is told that it set the ACL of ${name}, which another was told`;
    });
    this.#acknowledged.acls.add(name);
    if (at > this.#acknowledged.newest) this.#acknowledged.newest = at;
    this.#expect(at > this.#newestRead, "readInPlace", () => {
      return `read as of ${text(this.#newestRead)} in front of its setAcl at ${text(at)}`;
    });
    this.#mayHave([{ kind: "setAcl", path, value: "", owner: 0n }], at);
  }

  /** It was another in some state between what everybody knew when it was asked, and the answer. */
  refusedByAclVersion(path: string, condition: number, from: bigint, upTo: bigint): void {
    const states = this.#model.statesOf(path, from, upTo);
    const isOther = states.some((node) => node !== null && node.aversion !== condition);
    this.#expect(isOther, "conditionIsMet", () => {
      return `may not set the ACL of ${path}, which is of version ${condition} as it had to be`;
    });
  }

  /** A write was refused: none of it is ever done. */
  refused(deeds: readonly Deed[]): void {
    for (const { value } of deeds) this.#model.forbid(value, this.#who);
  }

  /** What everybody was answered when a sync was asked for. */
  get acknowledgedNow(): bigint {
    return this.#acknowledged.newest;
  }

  synced(txnid: bigint, acknowledgedThen: bigint): void {
    this.#expect(txnid >= acknowledgedThen, "syncIsCurrent", () => {
      return `is synchronised as of ${text(txnid)}, behind ${text(acknowledgedThen)}`;
    });
  }

  misbehaved(checker: string, what: string): void {
    this.#expect(false, checker, () => what);
  }

  #wasDone({ kind, path, owner }: Deed, txnid: bigint): boolean {
    const { changes } = this.#model;
    if (kind === "setAcl") return false;
    const wanted = DONE[kind];
    for (let i = this.#model.changeAfter(txnid - 1n); i < changes.length; i += 1) {
      const change = changes[i];
      if (change?.txnid !== txnid) return false;
      if (change.kind !== wanted || change.path !== path) continue;
      // A later part of the same multi may have deleted it.
      const node = kind === "create" ? this.#model.nodeAt(path, txnid) : null;
      return node === null || node.owner === owner;
    }
    return false;
  }

  #expect(condition: boolean, checker: string, what: () => string): void {
    this.#violations.expect(condition, checker, () => `${this.#who} ${what()}`);
  }
}

const REFUSED = "refused by its ACL";

/** Whose ACL decides, and by what. */
function judgedBy({ kind, path }: Deed): { readonly path: string; readonly perm: number } {
  if (kind === "set") return { path, perm: Perm.write };
  if (kind === "setAcl") return { path, perm: Perm.admin };
  const parent = path.slice(0, path.lastIndexOf("/"));
  return { path: parent, perm: kind === "create" ? Perm.create : Perm.delete };
}

const DONE = { create: "created", set: "dataChanged", delete: "deleted" } as const;

function isSame(seen: Seen, node: ModelNode | null, who: Identities): boolean {
  if (seen === REFUSED) return false;
  if (seen === null || node === null) return seen === null && node === null;
  const { children, acl, ...rest } = seen;
  const isEqual =
    Object.entries(rest).every(([field, value]) => node[field as keyof typeof rest] === value) &&
    (acl === undefined || JSON.stringify(acl) === JSON.stringify(shownAcl(node.acl, who)));
  if (children === undefined) return isEqual;
  return isEqual && [...children].sort().join() === [...node.children].sort().join();
}

function describe(node: Seen): string {
  if (node === null) return "nothing";
  if (node === REFUSED) return node;
  return Object.entries(node)
    .map(([field, value]) => `${field}=${fieldText(value)}`)
    .join(" ");
}

function fieldText(value: unknown): string {
  return typeof value === "bigint" ? text(value) : JSON.stringify(value);
}

function text(txnid: bigint): string {
  return formatTxnid(txnid as Txnid);
}
