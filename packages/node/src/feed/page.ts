import type { AuthIdentity, CommittedEvent, CommittedOperation, Txnid } from "@quorate/protocol";
import {
  NO_RESTRICTIONS,
  type FollowedBatch,
  type MayHear,
  type Restrictions,
} from "./followed-batch.js";
import {
  PAGE_BYTES_SOFT_MAX,
  PAGE_CACHE_BYTES_MAX,
  PAGE_CACHE_PAGES_MAX,
  PAGE_ENTRIES_SOFT_MAX,
  PAGE_VIEWS_MAX,
} from "./limits.js";
import type { PrefixSet } from "./prefix-set.js";
import type { PageInfo } from "./subscription-machine.js";

const EVENT_OVERHEAD_BYTES = 64;

/** The events of one prefix above one txnid; shared by all who are there. */
export class Page implements PageInfo {
  readonly after: Txnid;
  readonly upTo: Txnid;
  readonly events: readonly CommittedEvent[];
  /** Of keys and data, and something for each event. */
  readonly bytes: number;
  /** Subscribers that it is on its way to. */
  holders = 0;
  readonly #restrictions: Restrictions;
  readonly #encoded = new Map<PageEncoder, Uint8Array>();
  /** Of those who may not hear of all, by what they may hear of. */
  readonly #views = new Map<string, Page>();
  #viewBytes = 0;

  constructor(
    after: Txnid,
    upTo: Txnid,
    events: readonly CommittedEvent[],
    restrictions: Restrictions = NO_RESTRICTIONS,
  ) {
    this.after = after;
    this.upTo = upTo;
    this.events = events;
    this.#restrictions = restrictions;
    this.bytes = events.reduce((sum, event) => sum + weightOf(event), 0);
  }

  get eventCount(): number {
    return this.events.length;
  }

  /** With what is kept of it for those who may not hear of all; each is encoded by itself. */
  get keptBytes(): number {
    return this.bytes + this.#viewBytes;
  }

  /**
   * What somebody may hear of: this very page, unless something is not for everybody. Whoever may
   * hear of the same shares a page; the place of what is left out is passed as that of what does
   * not match the prefix.
   */
  shownTo(identities: readonly AuthIdentity[]): Page {
    if (this.#restrictions.size === 0) return this;
    let verdicts = "";
    for (const mayHear of this.#restrictions.values()) verdicts += mayHear(identities) ? "1" : "0";
    if (!verdicts.includes("0")) return this;
    const known = this.#views.get(verdicts);
    if (known !== undefined) return known;
    const mayHear = (one: CommittedOperation): boolean =>
      this.#restrictions.get(one)?.(identities) !== false;
    const events: CommittedEvent[] = [];
    for (const { txnid, operations } of this.events) {
      const shown = operations.filter(mayHear);
      if (shown.length > 0) events.push({ txnid, operations: shown });
    }
    const view = new Page(this.after, this.upTo, events);
    if (this.#views.size < PAGE_VIEWS_MAX) {
      this.#views.set(verdicts, view);
      this.#viewBytes += view.bytes + verdicts.length;
    }
    return view;
  }

  /** Encoded once, whoever asks. */
  encodedBy(encoder: PageEncoder): Uint8Array {
    const known = this.#encoded.get(encoder);
    if (known !== undefined) return known;
    const encoded = encoder(this.events);
    // A piece of a larger memory would keep all of it, for as long as the page is kept.
    const isPiece = encoded.buffer.byteLength > 2 * encoded.length;
    const bytes = isPiece ? new Uint8Array(encoded) : encoded;
    this.#encoded.set(encoder, bytes);
    return bytes;
  }
}

/** Give the same function each time: it is the name of the encoding. */
export type PageEncoder = (events: readonly CommittedEvent[]) => Uint8Array;

/** The first page of what the batches have for a prefix above `after`. */
export function pageOf(
  batches: Iterable<FollowedBatch>,
  prefix: string,
  after: Txnid,
  prefixes: PrefixSet,
): Page {
  let events: CommittedEvent[] = [];
  const restrictions = new Map<CommittedOperation, MayHear>();
  let upTo = after;
  let bytes = 0;
  let entries = 0;
  for (const followed of batches) {
    const { batch } = followed;
    const found = followed.eventsFor(prefix, prefixes);
    // Whoever resumes in the middle of a batch has seen its beginning.
    const isWhole = batch.first > after;
    const own = isWhole ? found : found.filter(({ txnid }) => txnid > after);
    events = events.concat(own);
    restrictionsOn(own, followed.restrictions, restrictions);
    upTo = batch.last;
    bytes += batch.bytes.length;
    entries += batch.count;
    if (bytes >= PAGE_BYTES_SOFT_MAX || entries >= PAGE_ENTRIES_SOFT_MAX) break;
  }
  const page = new Page(after, upTo, events, restrictions);
  // A few events must not keep whole batches in memory for as long as the page is held.
  if (page.bytes * 2 >= bytes) return page;
  const copied = copiesOf(events, restrictions);
  return new Page(after, upTo, copied.events, copied.restrictions);
}

/** Those of the events' own operations alone: a page keeps no others. */
function restrictionsOn(
  events: readonly CommittedEvent[],
  all: Restrictions,
  into: Map<CommittedOperation, MayHear>,
): void {
  if (all.size === 0) return;
  for (const { operations } of events) {
    for (const operation of operations) {
      const mayHear = all.get(operation);
      if (mayHear !== undefined) into.set(operation, mayHear);
    }
  }
}

/** The same events, with their data in one piece of memory of their own. */
function copiesOf(
  events: readonly CommittedEvent[],
  restrictions: Restrictions,
): { readonly events: CommittedEvent[]; readonly restrictions: Restrictions } {
  const total = events.reduce((sum, { operations }) => sum + dataBytesOf(operations), 0);
  const memory = new Uint8Array(total);
  const copied = new Map<CommittedOperation, MayHear>();
  let at = 0;
  const copy = (operation: CommittedOperation): CommittedOperation => {
    if (!("data" in operation)) return operation;
    const data = memory.subarray(at, at + operation.data.length);
    data.set(operation.data);
    at += data.length;
    return { ...operation, data };
  };
  const copyOf = (operation: CommittedOperation): CommittedOperation => {
    const own = copy(operation);
    const mayHear = restrictions.get(operation);
    if (mayHear !== undefined) copied.set(own, mayHear);
    return own;
  };
  const all = events.map(({ txnid, operations }) => ({
    txnid,
    operations: operations.map(copyOf),
  }));
  return { events: all, restrictions: copied };
}

function dataBytesOf(operations: readonly CommittedOperation[]): number {
  return operations.reduce((sum, one) => sum + ("data" in one ? one.data.length : 0), 0);
}

/** Remembers pages for the next subscriber that is at the same place. */
export class PageCache {
  readonly #pages = new Map<string, { readonly page: Page; bytes: number }>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get(prefix: string, after: Txnid): Page | undefined {
    return this.#pages.get(keyOf(prefix, after))?.page;
  }

  put(prefix: string, page: Page): void {
    const key = keyOf(prefix, page.after);
    this.#drop(key);
    const bytes = page.keptBytes + EVENT_OVERHEAD_BYTES;
    this.#pages.set(key, { page, bytes });
    this.#bytes += bytes;
    this.#trim();
  }

  /** A page that may be here was shown to somebody who may not hear of all of it. */
  shown(prefix: string, page: Page): void {
    const kept = this.#pages.get(keyOf(prefix, page.after));
    if (kept?.page !== page) return;
    const grownBy = page.keptBytes + EVENT_OVERHEAD_BYTES - kept.bytes;
    if (grownBy === 0) return;
    kept.bytes += grownBy;
    this.#bytes += grownBy;
    this.#trim();
  }

  #trim(): void {
    for (const oldest of this.#pages.keys()) {
      if (this.#bytes <= PAGE_CACHE_BYTES_MAX && this.#pages.size <= PAGE_CACHE_PAGES_MAX) return;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    const kept = this.#pages.get(key);
    if (kept === undefined) return;
    this.#pages.delete(key);
    this.#bytes -= kept.bytes;
  }
}

function keyOf(prefix: string, after: Txnid): string {
  return `${after.toString(36)} ${prefix}`;
}

function weightOf({ operations }: CommittedEvent): number {
  const paths = operations.reduce((sum, { path }) => sum + path.length, 0);
  return EVENT_OVERHEAD_BYTES + paths + dataBytesOf(operations);
}
