import { assert, type Txnid } from "@quorate/protocol";
import {
  AHEAD_MS_MAX,
  BOOKMARK_MS,
  STALL_MS,
  UNSERVED_MS_MAX,
  WINDOW_BYTES,
  WINDOW_EVENTS,
} from "./limits.js";

/** All that matches and lies above `after`, up to `upTo`. */
export interface PageInfo {
  readonly after: Txnid;
  readonly upTo: Txnid;
  readonly eventCount: number;
  readonly bytes: number;
}

export type EndReason = "compacted" | "tooSlow" | "ahead" | "notServing" | "unreadable";

export type SubscriptionEvent<P extends PageInfo> =
  /** Everything up to here is applied. Never goes back. */
  | { readonly kind: "head"; readonly head: Txnid }
  /** The answer to `read`. */
  | { readonly kind: "page"; readonly page: P; readonly now: number }
  | { readonly kind: "unreadable"; readonly reason: "compacted" | "unreadable" }
  /** The subscriber has taken everything up to here. */
  | { readonly kind: "taken"; readonly upTo: Txnid; readonly now: number }
  | {
      readonly kind: "tick";
      readonly now: number;
      readonly isServing: boolean;
      /** It stays with this node while nobody leads. */
      readonly staysUnserved: boolean;
    }
  /** All subscribers together hold too much, and this one is the slowest. */
  | { readonly kind: "cutOff" };

export type SubscriptionEffect<P extends PageInfo> =
  /** Answered by exactly one `page` with the same `after`, or by `unreadable`. */
  | { readonly kind: "read"; readonly after: Txnid }
  | { readonly kind: "deliver"; readonly page: P }
  /** There is nothing for the subscriber up to here that it has not been sent. */
  | { readonly kind: "bookmark"; readonly upTo: Txnid }
  /** Nobody waits for this page any more. */
  | { readonly kind: "release"; readonly page: P }
  /** The last effect. */
  | { readonly kind: "end"; readonly reason: EndReason };

/**
 * One subscription to committed entries: where it is, what is on its way, and when it ends.
 *
 * It pulls. Nothing is queued for a subscriber beyond its window: the machine asks for the page
 * behind its cursor when there is room, whether that page is in memory or on disk, so history and
 * news are one stream and joining them is no event. A page starts where the last one ended
 * (asserted), hence no hole and no repeat; and the head is what is applied, hence nothing that is
 * not committed. A slow subscriber falls back into history, and is cut off when it takes nothing.
 */
export class SubscriptionMachine<P extends PageInfo> {
  /** Everything up to it was sent or did not match. */
  #cursor: Txnid;
  #head: Txnid;
  /** The newest txnid that the subscriber has been told of. */
  #told: Txnid;
  #toldAt: number;
  #inFlight: { readonly upTo: Txnid; readonly page: P | null }[] = [];
  #bytes = 0;
  #events = 0;
  #isReading = false;
  /** The last page brought nothing although the head is above: not before something changes. */
  #isStarved = false;
  #taken: Txnid | -1n = -1n;
  #progressAt: number;
  #aheadSince: number;
  #unservedSince: number | null = null;
  #isEnded = false;

  constructor(after: Txnid, head: Txnid, now: number) {
    this.#cursor = after;
    this.#told = after;
    this.#head = head;
    this.#toldAt = now;
    this.#progressAt = now;
    this.#aheadSince = now;
  }

  get cursor(): Txnid {
    return this.#cursor;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  get inFlightBytes(): number {
    return this.#bytes;
  }

  /** When it last took something, or had nothing to take. */
  get progressAt(): number {
    return this.#progressAt;
  }

  /** The first effects: the subscriber learns where it starts. */
  start(): SubscriptionEffect<P>[] {
    this.#inFlight.push({ upTo: this.#cursor, page: null });
    return [{ kind: "bookmark", upTo: this.#cursor }, ...this.#want()];
  }

  step(event: SubscriptionEvent<P>): SubscriptionEffect<P>[] {
    if (this.#isEnded) return [];
    switch (event.kind) {
      case "head":
        assert(event.head >= this.#head, "what is applied stays applied");
        this.#head = event.head;
        this.#isStarved = false;
        return this.#want();
      case "page":
        return this.#onPage(event.page, event.now);
      case "unreadable":
        return this.#end(event.reason);
      case "taken":
        return this.#onTaken(event.upTo, event.now);
      case "tick":
        return this.#onTick(event.now, event.isServing, event.staysUnserved);
      case "cutOff":
        return this.#end("tooSlow");
    }
  }

  #onPage(page: P, now: number): SubscriptionEffect<P>[] {
    assert(this.#isReading && page.after === this.#cursor, "a page starts at the cursor");
    assert(page.upTo >= page.after, "a page does not go back");
    this.#isReading = false;
    this.#isStarved = page.upTo === page.after;
    this.#cursor = page.upTo;
    if (page.eventCount === 0) return this.#want();
    if (this.#bytes === 0) this.#progressAt = now;
    this.#inFlight.push({ upTo: page.upTo, page });
    this.#bytes += page.bytes;
    this.#events += page.eventCount;
    this.#told = page.upTo;
    this.#toldAt = now;
    return [{ kind: "deliver", page }, ...this.#want()];
  }

  #onTaken(upTo: Txnid, now: number): SubscriptionEffect<P>[] {
    if (upTo <= this.#taken) return [];
    this.#taken = upTo;
    this.#progressAt = now;
    const done = this.#inFlight.filter((one) => one.upTo <= upTo);
    this.#inFlight = this.#inFlight.slice(done.length);
    const released = this.#release(done);
    return [...released, ...this.#want()];
  }

  #onTick(now: number, isServing: boolean, staysUnserved: boolean): SubscriptionEffect<P>[] {
    this.#isStarved = false;
    // A node that does not serve may be far behind; that has a bound of its own.
    if (this.#cursor <= this.#head || !isServing) this.#aheadSince = now;
    if (now - this.#aheadSince >= AHEAD_MS_MAX) return this.#end("ahead");
    if (isServing || staysUnserved) this.#unservedSince = null;
    else this.#unservedSince ??= now;
    if (this.#unservedSince !== null && now - this.#unservedSince >= UNSERVED_MS_MAX) {
      return this.#end("notServing");
    }
    if (this.#isBlocked() && now - this.#progressAt >= STALL_MS) return this.#end("tooSlow");
    const effects = this.#want();
    // With something on its way, the mark goes along with what follows.
    if (this.#cursor > this.#told && this.#inFlight.length === 0) {
      if (now - this.#toldAt >= BOOKMARK_MS) {
        this.#told = this.#cursor;
        this.#toldAt = now;
        this.#inFlight.push({ upTo: this.#cursor, page: null });
        effects.push({ kind: "bookmark", upTo: this.#cursor });
      }
    }
    return effects;
  }

  #want(): SubscriptionEffect<P>[] {
    if (this.#isReading || this.#isStarved || this.#cursor >= this.#head) return [];
    if (!this.#hasRoom()) return [];
    this.#isReading = true;
    return [{ kind: "read", after: this.#cursor }];
  }

  #hasRoom(): boolean {
    return this.#bytes < WINDOW_BYTES && this.#events < WINDOW_EVENTS;
  }

  #isBlocked(): boolean {
    return this.#cursor < this.#head && !this.#hasRoom();
  }

  #end(reason: EndReason): SubscriptionEffect<P>[] {
    this.#isEnded = true;
    const released = this.#release(this.#inFlight);
    this.#inFlight = [];
    return [...released, { kind: "end", reason }];
  }

  /** The subscriber left: what it held is free, and it hears nothing more. */
  close(): SubscriptionEffect<P>[] {
    if (this.#isEnded) return [];
    this.#isEnded = true;
    const released = this.#release(this.#inFlight);
    this.#inFlight = [];
    return released;
  }

  #release(done: readonly { readonly page: P | null }[]): SubscriptionEffect<P>[] {
    const released: SubscriptionEffect<P>[] = [];
    for (const { page } of done) {
      if (page === null) continue;
      this.#bytes -= page.bytes;
      this.#events -= page.eventCount;
      released.push({ kind: "release", page });
    }
    return released;
  }
}
