import { entriesOf, OpCode } from "@quorate/protocol";
import type { EntryBatch, Identity, IdentityTable, NodeId } from "@quorate/protocol";
import { decodeIdentities, isSameTable } from "./identity-record.js";

/**
 * Who is who, twice: as the disk has it, or will in the order of writes, which is what counts; and
 * as of the applied state, which is what a checkpoint of that state says (seed 1).
 *
 * The first is persisted at once and before any commit mark that covers its records, the mark
 * lazily. So after a restart, and after damage that left the table and took much of the log, it is
 * ahead of what is applied: records on the way to it are no news, however they are gone through.
 */
export class MemberTables {
  readonly #persist: (table: IdentityTable) => void;
  #current: IdentityTable;
  #applied: IdentityTable = new Map();
  /** The current one, until a record has made the applied one equal. */
  #ahead: IdentityTable | null = null;
  /** A record was applied that is not settled. */
  #hasNews = false;

  constructor(recovered: IdentityTable, persist: (table: IdentityTable) => void) {
    this.#current = recovered;
    this.#persist = persist;
  }

  get current(): IdentityTable {
    return this.#current;
  }

  get applied(): IdentityTable {
    return this.#applied;
  }

  /**
   * The node starts: this is its checkpoint's table, and `replay` applies the log above it up to
   * the mark. What the disk has is the newest, and those records are older; unless it is still the
   * checkpoint's: a snapshot is installed with its table below a mark that was known before.
   */
  async restore(
    checkpoint: Iterable<readonly [NodeId, Identity]>,
    replay: () => Promise<void>,
  ): Promise<void> {
    this.#applied = new Map(checkpoint);
    const isCheckpoints = isSameTable(this.#current, this.#applied);
    await replay();
    if (isCheckpoints) this.settle();
    this.#hasNews = false;
  }

  /** After the start: whatever is not applied yet has been seen. */
  opened(): void {
    this.#ahead = isSameTable(this.#current, this.#applied) ? null : this.#current;
  }

  /** A snapshot takes the place of everything. */
  replaced(members: Iterable<readonly [NodeId, Identity]>): void {
    this.#current = new Map(members);
    this.#applied = this.#current;
    this.#ahead = null;
    this.#hasNews = false;
  }

  /** The founding entry is the first of all: without any entry there was no founding. */
  clear(): void {
    this.#ahead = null;
    this.#set(new Map());
  }

  /**
   * A founding table counts as soon as it is logged: whoever holds it was empty before and has
   * promised nothing that it could have forgotten. Later admissions count once committed.
   */
  logged(batch: EntryBatch): void {
    if (this.#current.size > 0) return;
    const entry = entriesOf(batch)[0];
    if (entry?.op === OpCode.foundEnsemble) this.#set(decodeIdentities(entry.content));
  }

  founded(members: IdentityTable): void {
    this.#apply(members);
  }

  admitted(voter: NodeId, identity: Identity): void {
    this.#apply(new Map([...this.#applied, [voter, identity]]));
  }

  /** What was applied is news if the applied table has come to the one that the disk has. */
  settleNews(): void {
    if (!this.#hasNews) return;
    if (this.#ahead === null) this.settle();
    this.#hasNews = false;
  }

  settle(): void {
    this.#hasNews = false;
    if (!isSameTable(this.#current, this.#applied)) this.#set(this.#applied);
  }

  #apply(members: IdentityTable): void {
    this.#applied = members;
    this.#hasNews = true;
    if (this.#ahead !== null && isSameTable(this.#ahead, members)) this.#ahead = null;
  }

  #set(members: IdentityTable): void {
    this.#current = members;
    this.#persist(members);
  }
}
