import {
  assert,
  entriesOf,
  type AuthIdentity,
  type CommittedEvent,
  type CommittedOperation,
  type EntryBatch,
  type LogEntryMsg,
} from "@quorate/protocol";
import type { PrefixSet } from "./prefix-set.js";

/** How entries are read: the tree's `operationsOf` and `readersOf`. */
export interface EntryReader {
  operationsOf(entry: LogEntryMsg): readonly CommittedOperation[];
  /** Who may hear of each operation; undefined, or null for all of them: everybody. */
  readersOf(entry: LogEntryMsg): readonly (MayHear | undefined)[] | null;
}

/** Whether somebody who has proved these may hear of an operation. */
export type MayHear = (identities: readonly AuthIdentity[]) => boolean;

/** Operations that are not for everybody; most batches have none. */
export type Restrictions = ReadonlyMap<CommittedOperation, MayHear>;

export const NO_RESTRICTIONS: Restrictions = new Map();

const NONE: readonly CommittedEvent[] = [];

/** A batch as subscribers see it: read once and matched once, however many they are. */
export class FollowedBatch {
  readonly batch: EntryBatch;
  readonly #reader: EntryReader;
  #restrictions = NO_RESTRICTIONS;
  /** Events by prefix, for the distinct prefixes of one version of the set. */
  #byPrefix = new Map<string, CommittedEvent[]>();
  #version = -1;
  #events: readonly CommittedEvent[] | null = null;

  constructor(batch: EntryBatch, reader: EntryReader) {
    this.batch = batch;
    this.#reader = reader;
  }

  /** Of the events that were given out. */
  get restrictions(): Restrictions {
    return this.#restrictions;
  }

  /** In order, each with its matching operations alone. The prefix is in the set. */
  eventsFor(prefix: string, prefixes: PrefixSet): readonly CommittedEvent[] {
    if (this.#version !== prefixes.version) this.#match(prefixes);
    return this.#byPrefix.get(prefix) ?? NONE;
  }

  #match(prefixes: PrefixSet): void {
    this.#version = prefixes.version;
    this.#byPrefix = new Map();
    this.#events ??= this.#read();
    for (const event of this.#events) {
      const [first, ...others] = event.operations;
      if (first === undefined) continue;
      if (others.length === 0) {
        for (const prefix of prefixes.covering(first.path)) this.#add(prefix, event);
        continue;
      }
      const matching = new Map<string, CommittedOperation[]>();
      for (const operation of event.operations) {
        for (const prefix of prefixes.covering(operation.path)) {
          const operations = matching.get(prefix);
          if (operations === undefined) matching.set(prefix, [operation]);
          else operations.push(operation);
        }
      }
      for (const [prefix, operations] of matching) {
        this.#add(prefix, { txnid: event.txnid, operations });
      }
    }
  }

  #read(): readonly CommittedEvent[] {
    const restrictions = new Map<CommittedOperation, MayHear>();
    const events = entriesOf(this.batch).map((entry) => {
      const operations = this.#reader.operationsOf(entry);
      const readers = this.#reader.readersOf(entry);
      for (const [index, mayHear] of readers?.entries() ?? []) {
        const operation = operations[index];
        assert(operation !== undefined, "each operation has its readers");
        if (mayHear !== undefined) restrictions.set(operation, mayHear);
      }
      return { txnid: entry.txnid, operations };
    });
    if (restrictions.size > 0) this.#restrictions = restrictions;
    return events;
  }

  #add(prefix: string, event: CommittedEvent): void {
    const events = this.#byPrefix.get(prefix);
    if (events === undefined) this.#byPrefix.set(prefix, [event]);
    else events.push(event);
  }
}
