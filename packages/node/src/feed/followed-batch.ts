import {
  entriesOf,
  type CommittedEvent,
  type CommittedOperation,
  type EntryBatch,
  type LogEntryMsg,
} from "@quorate/protocol";
import type { PrefixSet } from "./prefix-set.js";

/** What a committed entry did; the tree's `operationsOf`. */
export type OperationsOf = (entry: LogEntryMsg) => readonly CommittedOperation[];

const NONE: readonly CommittedEvent[] = [];

/** A batch as subscribers see it: read once and matched once, however many they are. */
export class FollowedBatch {
  readonly batch: EntryBatch;
  readonly #operationsOf: OperationsOf;
  /** Events by prefix, for the distinct prefixes of one version of the set. */
  #byPrefix = new Map<string, CommittedEvent[]>();
  #version = -1;
  #events: readonly CommittedEvent[] | null = null;

  constructor(batch: EntryBatch, operationsOf: OperationsOf) {
    this.batch = batch;
    this.#operationsOf = operationsOf;
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
          matching.set(prefix, [...(matching.get(prefix) ?? []), operation]);
        }
      }
      for (const [prefix, operations] of matching) {
        this.#add(prefix, { txnid: event.txnid, operations });
      }
    }
  }

  #read(): readonly CommittedEvent[] {
    return entriesOf(this.batch).map((entry) => ({
      txnid: entry.txnid,
      operations: this.#operationsOf(entry),
    }));
  }

  #add(prefix: string, event: CommittedEvent): void {
    const events = this.#byPrefix.get(prefix);
    if (events === undefined) this.#byPrefix.set(prefix, [event]);
    else events.push(event);
  }
}
