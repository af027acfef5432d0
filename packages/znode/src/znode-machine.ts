import {
  CONTENT_BYTES_MAX,
  isKeyTooLong,
  NO_VALUE,
  PackedRows,
  ROW_HEADER_BYTES,
  type LogEntryMsg,
  type PrepareContext,
  type Prepared,
  type ReadResult,
  type SessionTable,
  type StateChanges,
  type StateListener,
  type StateMachine,
  type StateRows,
  type Txnid,
} from "@quorate/protocol";
import { AnswerWriter } from "./answer-writer.js";
import { Applier } from "./applier.js";
import { Asker } from "./asker.js";
import { TreeDigest } from "./digest.js";
import { Events } from "./events.js";
import { Judge, type Preparation } from "./judge.js";
import { NodeTable } from "./node-table.js";
import { ZnodeOp } from "./op.js";
import { prepareImport } from "./prepare-import.js";
import { prepareMulti } from "./prepare-multi.js";
import {
  isExpired,
  prepareCreate,
  prepareDelete,
  prepareDeleteExpired,
  prepareSet,
  prepareSetAcl,
} from "./prepare-node.js";
import {
  prepareCloseSession,
  prepareCreateSession,
  prepareResumeSession,
} from "./prepare-session.js";
import type { QuotaExcess } from "./quota.js";
import { Reader } from "./reads.js";
import { PLAIN_PATH_KEY, type PathKey } from "./path-hash.js";
import { movedSession, refuse, tooLarge, unreadable } from "./refusals.js";
import { damaged } from "./row.js";
import { isSessionRow, Sessions } from "./sessions.js";
import { Tree } from "./tree.js";

export interface ZnodeMachineOptions {
  /** How long a container is kept that never had a child. Default 0: for ever. Leaders use it. */
  readonly unusedContainerMs?: number;
  /** On the leader, for each request that goes or would go beyond a quota. */
  readonly onQuotaExceeded?: (excess: QuotaExcess) => void;
  /** Random words, drawn for this machine. Default: none, for machines without clients. */
  readonly pathKey?: PathKey;
}

const LONE_SURROGATE = /\p{Surrogate}/u;

/** What starts with who asks. */
const preparations: ReadonlyMap<number, Preparation> = new Map<number, Preparation>([
  [ZnodeOp.create, prepareCreate],
  [ZnodeOp.set, prepareSet],
  [ZnodeOp.delete, prepareDelete],
  [ZnodeOp.setAcl, prepareSetAcl],
  [ZnodeOp.multi, prepareMulti],
  [ZnodeOp.importNodes, prepareImport],
]);

/** ZooKeeper's state, whole, as a replicated state machine. Deterministic; no ambient input. */
export class ZnodeMachine implements StateMachine {
  readonly sessions: SessionTable;
  readonly #digest: TreeDigest;
  readonly #sessions: Sessions;
  readonly #tree: Tree;
  readonly #events = new Events();
  readonly #judge: Judge;
  readonly #applier: Applier;
  readonly #reader: Reader;
  /** The transaction applied last, and its answer: applied once more, it changes nothing. */
  #last: { readonly txnid: Txnid; readonly answer: Uint8Array } | null = null;

  constructor(options: ZnodeMachineOptions = {}) {
    const { unusedContainerMs = 0, onQuotaExceeded, pathKey = PLAIN_PATH_KEY } = options;
    const table = new NodeTable(pathKey);
    this.#digest = new TreeDigest(table);
    this.#sessions = new Sessions(this.#digest);
    this.#tree = new Tree(table, this.#digest, this.#sessions);
    const answers = new AnswerWriter();
    const ignore = (): void => undefined;
    this.#judge = new Judge(this.#tree, this.#sessions, {
      unusedContainerMs,
      onQuotaExceeded: onQuotaExceeded ?? ignore,
    });
    this.#applier = new Applier(this.#tree, this.#sessions, answers, this.#events);
    this.#reader = new Reader(this.#tree, this.#sessions, answers);
    this.sessions = sessionTable(this.#sessions, this.#judge);
  }

  /** Nodes in the applied tree, the four that every tree has included. */
  get nodeCount(): number {
    return this.#tree.size;
  }

  /** Ephemeral nodes in the applied tree. */
  get ephemeralCount(): number {
    return this.#sessions.ephemeralCount;
  }

  /** Characters of all paths and bytes of all data: ZooKeeper's approximate data size. */
  get approximateBytes(): number {
    return this.#tree.approximateBytes;
  }

  /** Paths and sessions with changes that are prepared and not applied. */
  get preparedCount(): number {
    return this.#judge.overlay.size;
  }

  /** Paths of a session's ephemerals in the applied state, sorted. */
  ephemeralsOf(session: bigint): readonly string[] {
    const owned = this.#sessions.get(session)?.ephemerals ?? [];
    return [...owned].sort();
  }

  prepare(op: number, key: string, content: Uint8Array, context: PrepareContext): Prepared {
    if (op === ZnodeOp.broadcast) return prepareBroadcast(key, content);
    if (op === ZnodeOp.createSession) return prepareCreateSession(this.#judge, content, context);
    if (op === ZnodeOp.closeSession) return prepareCloseSession(this.#judge, content, context);
    if (op === ZnodeOp.resumeSession) return prepareResumeSession(this.#judge, content, context);
    if (isKeyTooLong(key)) return refuse("ERR_ARG_TOO_LARGE", "the path is too long");
    if (op === ZnodeOp.deleteExpired) return this.#prepareExpired(key, content, context);
    const prepare = preparations.get(op);
    if (prepare === undefined) {
      return refuse("ERR_ZNODE_UNIMPLEMENTED", `operation ${op} is not a write`);
    }
    const asker = new Asker(content);
    if (asker.bodyAt === -1) return unreadable();
    const { session } = asker;
    if (session !== null && this.#judge.isElsewhere(session, context)) return movedSession();
    return prepare(this.#judge, { path: key, content, at: asker.bodyAt, asker, context });
  }

  discardPrepared(): void {
    this.#judge.overlay.clear();
  }

  apply(entry: LogEntryMsg): Uint8Array {
    const { txnid } = entry;
    if (this.#last?.txnid === txnid) return this.#last.answer;
    const answer = this.#applier.apply(entry);
    this.#last = { txnid, answer };
    this.#judge.overlay.release(txnid);
    this.#events.fire(txnid);
    return answer;
  }

  read(op: number, key: string, content: Uint8Array): ReadResult {
    return this.#reader.read(op, key, content);
  }

  digest(): bigint {
    this.#assertWhole();
    return this.#digest.value();
  }

  beginChanges({ full }: { readonly full: boolean }): StateChanges {
    this.#assertWhole();
    const sessions = this.#sessions.beginChanges(full);
    const nodes = this.#tree.beginChanges(full);
    return {
      next: (bytesMax) => {
        const rows = sessions.next(bytesMax);
        return rows.length > 0 ? rows : nodes.next(bytesMax);
      },
      abandon: () => {
        sessions.abandon();
        nodes.abandon();
      },
    };
  }

  reset(): void {
    this.#judge.overlay.clear();
    this.#sessions.reset();
    this.#tree.reset();
    this.#last = null;
  }

  restore(rows: StateRows): void {
    const packed = PackedRows.of(rows);
    const { bytes, view } = packed;
    for (let at = 0; at < bytes.length;) {
      const keyBytes = view.getUint32(at);
      const valueBytes = view.getUint32(at + 4);
      if (valueBytes === NO_VALUE) throw damaged("it has no value");
      const keyAt = at + ROW_HEADER_BYTES;
      const valueAt = keyAt + keyBytes;
      const end = valueAt + valueBytes;
      if (isSessionRow(bytes[keyAt])) {
        this.#sessions.restore(bytes.subarray(keyAt, valueAt), bytes.subarray(valueAt, end));
      } else this.#tree.restore(bytes, at, keyBytes, valueBytes);
      at = end;
    }
  }

  expiredNodes(wallTimeMs: number, max: number): readonly string[] {
    const { unusedContainerMs } = this.#judge.options;
    const paths: string[] = [];
    for (const node of this.#tree.expirable()) {
      if (paths.length >= max) break;
      if (node.childCount > 0 || !isExpired(node, wallTimeMs, unusedContainerMs)) continue;
      paths.push(node.path);
    }
    return paths;
  }

  attach(listener: StateListener | null): void {
    this.#events.attach(listener);
  }

  #prepareExpired(path: string, content: Uint8Array, context: PrepareContext): Prepared {
    return prepareDeleteExpired(this.#judge, {
      path,
      content,
      at: 0,
      asker: new Asker(content),
      context,
    });
  }

  #assertWhole(): void {
    this.#tree.assertWhole();
    this.#sessions.assertWhole();
  }
}

function sessionTable(sessions: Sessions, judge: Judge): SessionTable {
  return {
    get count() {
      return sessions.count;
    },
    get: (id) => sessions.get(id),
    values: () => sessions.values(),
    isSettledAt: (id, node, timeoutMs) => {
      const session = sessions.get(id);
      if (session?.owner !== node || judge.overlay.session(id) !== undefined) return false;
      return timeoutMs === 0 || timeoutMs === session.timeoutMs;
    },
  };
}

function prepareBroadcast(key: string, content: Uint8Array): Prepared {
  // The key names a topic of the host's choosing, hence no path; but it must survive UTF-8.
  if (isKeyTooLong(key)) return refuse("ERR_ARG_TOO_LARGE", "the key is too long");
  if (LONE_SURROGATE.test(key))
    return refuse("ERR_ARG_VALUE", "the key is not well-formed Unicode");
  if (content.length > CONTENT_BYTES_MAX) return tooLarge();
  return { ok: true, op: ZnodeOp.broadcast, key, content };
}
