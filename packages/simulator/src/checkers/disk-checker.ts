import {
  entriesOf,
  formatTxnid,
  OpCode,
  positionOf,
  type Chain,
  type EntryBatch,
  type Epoch,
  type LogPosition,
  type NodeId,
  type Txnid,
} from "@quorate/protocol";
import type { DiskImage } from "@quorate/testkit";
import type { Violations } from "./violations.js";

type Log = DiskImage["log"];

export function endOfLog(log: Log): LogPosition {
  const last = log.to > log.from ? log.items[log.to - 1] : undefined;
  return last === undefined ? log.start : positionOf(last);
}

interface NodeDisk {
  image: DiskImage | null;
  /** Batches in the node's durable log, by last txnid. */
  readonly held: Map<Txnid, Chain>;
  isForgetful: boolean;
  /** Identities, as "id identity", that its table has replaced by newer ones. */
  readonly replaced: Set<string>;
}

/**
 * Reads every durable image of every node. Holds Invariant 1 (epochs never go back, one promise
 * per epoch), Invariant 2 (one txnid, one entry, for ever), and knows who holds what, which the
 * other checkers ask.
 */
export class DiskChecker {
  readonly #violations: Violations;
  readonly #nodes = new Map<NodeId, NodeDisk>();
  /** Every batch that any disk ever held. */
  readonly #byTxnid = new Map<Txnid, EntryBatch>();
  readonly #byChain = new Map<Chain, EntryBatch>();
  readonly #holders = new Map<Txnid, Set<NodeId>>();
  /** Ends of the histories that leaders had when they offered this epoch. */
  readonly #initialEnds = new Map<Epoch, LogPosition[]>();
  /** Voters that made this epoch their current one while they counted. */
  readonly #entered = new Map<Epoch, Set<NodeId>>();
  #isCommitted: (position: LogPosition) => boolean = () => false;

  constructor(nodes: readonly NodeId[], violations: Violations) {
    this.#violations = violations;
    for (const id of nodes) {
      this.#nodes.set(id, {
        image: null,
        held: new Map(),
        isForgetful: false,
        replaced: new Set(),
      });
    }
  }

  /** Asked before an entry leaves a log. */
  setCommitted(isCommitted: (position: LogPosition) => boolean): void {
    this.#isCommitted = isCommitted;
  }

  /** A leader offers this epoch: its log, as it is now, is the initial history. */
  offered(epoch: Epoch, node: NodeId): void {
    const end = this.end(node);
    if (end === null) return;
    const ends = this.#initialEnds.get(epoch);
    if (ends === undefined) this.#initialEnds.set(epoch, [end]);
    else if (!ends.some(({ chain }) => chain === end.chain)) ends.push(end);
  }

  /** Voters that entered the epoch, since wiped ones included. */
  votersOf(epoch: Epoch): ReadonlySet<NodeId> {
    return this.#entered.get(epoch) ?? new Set();
  }

  image(node: NodeId): DiskImage | null {
    return this.#node(node).image;
  }

  /** Wiped or damaged, and not yet re-admitted by a durable identity table. */
  isForgetful(node: NodeId): boolean {
    return this.#node(node).isForgetful;
  }

  /** Whether its own disk says that the ensemble knows it. */
  isMember(node: NodeId): boolean {
    const { image, isForgetful } = this.#node(node);
    return !isForgetful && image !== null && image.members.get(node) === image.identity;
  }

  end(node: NodeId): LogPosition | null {
    const { image } = this.#node(node);
    return image === null ? null : endOfLog(image.log);
  }

  batchOf(txnid: Txnid): EntryBatch | undefined {
    return this.#byTxnid.get(txnid);
  }

  batchEndingAt(txnid: Txnid): EntryBatch | undefined {
    const batch = this.#byTxnid.get(txnid);
    return batch?.last === txnid ? batch : undefined;
  }

  /** Where a batch ends that has this chain, if any disk ever held it below `above`. */
  positionOfChain(chain: Chain, above: Txnid): LogPosition | undefined {
    const batch = this.#byChain.get(chain);
    return batch === undefined || batch.last >= above ? undefined : positionOf(batch);
  }

  batchBefore(batch: EntryBatch): EntryBatch | undefined {
    return this.#byChain.get(batch.previousChain);
  }

  /** Whether the node's durable history contains this position. */
  holds(node: NodeId, position: LogPosition): boolean {
    const { image, held } = this.#node(node);
    if (image === null) return false;
    if (position.txnid <= image.log.start.txnid) return true;
    return held.get(position.txnid) === position.chain;
  }

  /** Voters on whose disk this entry was, as voters that count; since wiped ones included. */
  holdersOf(txnid: Txnid): ReadonlySet<NodeId> {
    return this.#holders.get(txnid) ?? new Set();
  }

  /** The nemesis takes the node's memory away. */
  forget(node: NodeId): void {
    const state = this.#node(node);
    state.isForgetful = true;
    // The old identity is still in everybody's table: only what the disk says next may match it.
    state.image = null;
    state.held.clear();
    state.replaced.clear();
  }

  committed(node: NodeId, image: DiskImage): void {
    const state = this.#node(node);
    const before = state.image;
    state.image = image;
    if (before !== null && !state.isForgetful) this.#checkEpochs(node, before, image);
    if (before !== null) this.#checkMembers(node, state, before, image);
    if (before !== null) this.#dropTruncated(node, state, before, image);
    this.#addNew(node, state, image);
    this.#enter(node, before, image);
    this.#readmit(image);
  }

  /** Invariant 5: whoever is in an epoch holds all that its leader began with. */
  #enter(node: NodeId, before: DiskImage | null, { currentEpoch }: DiskImage): void {
    // Without an image before, this one is what recovery found: nothing was entered.
    if (before === null || currentEpoch === before.currentEpoch) return;
    if (!this.#node(node).isForgetful) this.#count(currentEpoch, node);
    const ends = this.#initialEnds.get(currentEpoch) ?? [];
    this.#violations.expect(
      ends.length === 0 || ends.some((end) => this.holds(node, end)),
      "historyBeforeEpoch",
      () =>
        `n${node} enters epoch ${currentEpoch} without the history of its leader, ` +
        `which ends at ${ends.map(({ txnid }) => formatTxnid(txnid)).join(" or ")}`,
    );
  }

  #count(epoch: Epoch, node: NodeId): void {
    const voters = this.#entered.get(epoch) ?? new Set();
    this.#entered.set(epoch, voters.add(node));
  }

  /** Its word counts again: so does what it holds, and the epoch that it is in. */
  #rememberAgain(node: NodeId, state: NodeDisk): void {
    state.isForgetful = false;
    for (const txnid of state.held.keys()) this.#addHolder(txnid, node);
    if (state.image !== null && state.image.currentEpoch > 0) {
      this.#count(state.image.currentEpoch, node);
    }
  }

  #checkEpochs(node: NodeId, before: DiskImage, after: DiskImage): void {
    const { acceptedEpoch: old } = before;
    const { acceptedEpoch: now } = after;
    this.#violations.expect(
      now.epoch >= old.epoch && after.currentEpoch >= before.currentEpoch,
      "epochsNeverRegress",
      () =>
        `n${node}: accepted ${old.epoch} -> ${now.epoch}, ` +
        `current ${before.currentEpoch} -> ${after.currentEpoch}`,
    );
    this.#violations.expect(
      now.epoch !== old.epoch || now.leader === old.leader,
      "onePromisePerEpoch",
      () => `n${node} promised epoch ${now.epoch} to n${old.leader} and to n${now.leader}`,
    );
    this.#violations.expect(
      after.currentEpoch <= now.epoch,
      "currentEpochIsAccepted",
      () => `n${node}: current epoch ${after.currentEpoch} above accepted ${now.epoch}`,
    );
  }

  /** G27: who was replaced never comes back, but with a snapshot, which is older than its log. */
  #checkMembers(node: NodeId, state: NodeDisk, before: DiskImage, after: DiskImage): void {
    if (before.members === after.members) return;
    if (before.checkpoint?.generation !== after.checkpoint?.generation) {
      // A snapshot's table replaces the whole of the own, which may have been newer.
      state.replaced.clear();
      return;
    }
    for (const [id, identity] of after.members) {
      const old = before.members.get(id);
      if (old === undefined || old === identity) continue;
      state.replaced.add(`${id} ${old}`);
      this.#violations.expect(
        !state.replaced.has(`${id} ${identity}`),
        "membersNeverRegress",
        () => `the table of n${node} goes back to an older identity of n${id}`,
      );
    }
  }

  #dropTruncated(node: NodeId, state: NodeDisk, before: DiskImage, after: DiskImage): void {
    if (before.log.items === after.log.items && after.log.to >= before.log.to) return;
    const kept = new Map<Txnid, Chain>();
    for (let i = after.log.from; i < after.log.to; i += 1) {
      const batch = after.log.items[i] as EntryBatch;
      kept.set(batch.last, batch.chain);
    }
    for (const [txnid, chain] of state.held) {
      if (txnid <= after.log.start.txnid || kept.get(txnid) === chain) continue;
      this.#violations.expect(
        state.isForgetful || !this.#isCommitted({ txnid, chain }),
        "committedStaysLogged",
        () => `the committed ${formatTxnid(txnid)} leaves the log of n${node}`,
      );
      state.held.delete(txnid);
      this.#holders.get(txnid)?.delete(node);
    }
  }

  #addNew(node: NodeId, state: NodeDisk, image: DiskImage): void {
    const { log } = image;
    for (let i = log.to - 1; i >= log.from; i -= 1) {
      const batch = log.items[i] as EntryBatch;
      // The chain covers all that comes before: below an equal one everything is equal.
      if (state.held.get(batch.last) === batch.chain) break;
      state.held.set(batch.last, batch.chain);
      this.#register(node, batch);
      if (!state.isForgetful) this.#addHolder(batch.last, node);
    }
  }

  #addHolder(txnid: Txnid, node: NodeId): void {
    let holders = this.#holders.get(txnid);
    if (holders === undefined) {
      holders = new Set();
      this.#holders.set(txnid, holders);
    }
    holders.add(node);
  }

  #register(node: NodeId, batch: EntryBatch): void {
    const known = this.#byTxnid.get(batch.last) ?? this.#byTxnid.get(batch.first);
    if (known === undefined) {
      for (let txnid = batch.first; txnid <= batch.last; txnid = (txnid + 1n) as Txnid) {
        this.#byTxnid.set(txnid, batch);
      }
      this.#byChain.set(batch.chain, batch);
      return;
    }
    this.#violations.expect(
      known.chain === batch.chain && known.first === batch.first,
      "oneEntryPerTxnid",
      () =>
        `n${node} logged ${formatTxnid(batch.first)}..${formatTxnid(batch.last)} ` +
        `with another content than it has elsewhere`,
    );
  }

  /** A durable table that names a node's identity is the ensemble's word that it counts again. */
  #readmit(image: DiskImage): void {
    for (const [id, state] of this.#nodes) {
      if (!state.isForgetful || state.image === null) continue;
      if (image.members.get(id) === state.image.identity) this.#rememberAgain(id, state);
    }
  }

  /** Who is who, as records in the batch that ends here say: one line each, id and identity. */
  membersIn(txnid: Txnid): ReadonlyMap<NodeId, string> {
    const members = new Map<NodeId, string>();
    const batch = this.batchEndingAt(txnid);
    if (batch === undefined) return members;
    for (const { op, content } of entriesOf(batch)) {
      if (op !== OpCode.admitVoter && op !== OpCode.foundEnsemble) continue;
      for (const line of new TextDecoder().decode(content).trim().split("\n")) {
        const [id, identity = ""] = line.split(" ");
        members.set(Number(id) as NodeId, identity);
      }
    }
    return members;
  }

  /** A committed record makes its voter count again. */
  admitted(members: ReadonlyMap<NodeId, string>): void {
    for (const [id, identity] of members) {
      const state = this.#nodes.get(id);
      if (state?.isForgetful === true && state.image?.identity === identity) {
        this.#rememberAgain(id, state);
      }
    }
  }

  #node(id: NodeId): NodeDisk {
    const state = this.#nodes.get(id);
    if (state === undefined) throw new RangeError(`no node ${id}`);
    return state;
  }
}
