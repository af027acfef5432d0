import {
  entriesOf,
  formatTxnid,
  isInternalOpCode,
  TXNID_ZERO,
  type LogEntryMsg,
  type NodeId,
  type Txnid,
} from "@quorate/protocol";
import { hashBytes } from "./hash-bytes.js";
import type { CommitChecker } from "./commit-checker.js";
import type { DiskChecker } from "./disk-checker.js";
import type { Violations } from "./violations.js";

interface Applied {
  readonly txnid: Txnid;
  readonly hash: number;
  readonly digest: bigint;
}

interface NodeState {
  /** Index of the last applied entry; -1 when empty, null when restored from a checkpoint. */
  at: number | null;
  digest: bigint;
}

/**
 * Compares what every state machine applies with the one sequence that all must apply. Holds
 * Invariant 7 (order, no hole, equal digests), Invariant 5 (exactly once) and, with the commit
 * checker, that nothing is applied before it is committed.
 */
export class ApplyChecker {
  readonly #disks: DiskChecker;
  readonly #commits: CommitChecker;
  readonly #violations: Violations;
  readonly #sequence: Applied[] = [];
  readonly #indexes = new Map<Txnid, number>();
  readonly #nodes = new Map<NodeId, NodeState>();
  /** Hears of each entry of the sequence once, in order. */
  onNext: (entry: LogEntryMsg) => void = () => undefined;

  constructor(disks: DiskChecker, commits: CommitChecker, violations: Violations) {
    this.#disks = disks;
    this.#commits = commits;
    this.#violations = violations;
  }

  get count(): number {
    return this.#sequence.length;
  }

  /** The node's machine is empty. */
  reset(node: NodeId): void {
    this.#nodes.set(node, { at: -1, digest: 0n });
  }

  /** Rows were loaded; what they amount to shows with the next entry. */
  restored(node: NodeId, digest: bigint): void {
    this.#nodes.set(node, { at: null, digest });
  }

  applied(node: NodeId, entry: LogEntryMsg, digest: bigint): void {
    this.#checkCommitted(node, entry.txnid);
    const state = this.#nodes.get(node) ?? { at: -1, digest: 0n };
    const index = this.#expectedIndex(node, state, entry);
    const known = this.#sequence[index];
    const hash = hashBytes(entry.content, entry.op * 31 + entry.key.length);
    if (known === undefined) {
      this.#checkNext(node, entry.txnid);
      this.#sequence.push({ txnid: entry.txnid, hash, digest });
      this.#indexes.set(entry.txnid, index);
      this.onNext(entry);
    } else {
      this.#violations.expect(
        known.txnid === entry.txnid && known.hash === hash,
        "oneSequence",
        () =>
          `n${node} applies ${formatTxnid(entry.txnid)} where others applied ` +
          formatTxnid(known.txnid),
      );
      this.#violations.expect(
        known.digest === digest,
        "digestsAgree",
        () => `n${node} has another digest than others at ${formatTxnid(entry.txnid)}`,
      );
    }
    this.#nodes.set(node, { at: index, digest });
  }

  /** Nothing but entries that no machine sees lies between two applied ones. */
  #checkNext(node: NodeId, txnid: Txnid): void {
    const last = this.#sequence.at(-1)?.txnid ?? TXNID_ZERO;
    this.#violations.expect(
      txnid > last,
      "totalOrder",
      () => `n${node} applies ${formatTxnid(txnid)} after ${formatTxnid(last)}`,
    );
    let batch = this.#disks.batchOf(txnid);
    while (batch !== undefined && batch.last > last) {
      for (const { txnid: skipped, op } of entriesOf(batch)) {
        if (skipped <= last || skipped >= txnid || isInternalOpCode(op)) continue;
        this.#violations.report(
          "noHole",
          `n${node} applies ${formatTxnid(txnid)} and skips ${formatTxnid(skipped)}`,
        );
      }
      batch = this.#disks.batchBefore(batch);
    }
  }

  /** A leader applies before it tells anybody: to apply is to say that it is committed. */
  #checkCommitted(node: NodeId, txnid: Txnid): void {
    if (this.#commits.isCommitted(txnid)) return;
    const batch = this.#disks.batchOf(txnid);
    const epoch = this.#disks.image(node)?.currentEpoch;
    if (batch === undefined || epoch === undefined) {
      this.#violations.report(
        "appliedIsDurable",
        `n${node} applied ${formatTxnid(txnid)}, which no disk holds`,
      );
      return;
    }
    this.#commits.commit(node, epoch, batch.last);
  }

  #expectedIndex(node: NodeId, state: NodeState, entry: LogEntryMsg): number {
    if (state.at !== null) return state.at + 1;
    const index = this.#indexes.get(entry.txnid) ?? this.#sequence.length;
    const before = this.#sequence[index - 1];
    this.#violations.expect(
      before === undefined || before.digest === state.digest,
      "digestsAgree",
      () => `n${node} restored a state that is not the one below ${formatTxnid(entry.txnid)}`,
    );
    return index;
  }
}
