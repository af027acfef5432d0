import {
  assertNever,
  errorCodeOf,
  formatTxnid,
  QuorateError,
  type AuthIdentity,
  type Clock,
  type Logger,
  type Meter,
  type Timer,
  type Txnid,
} from "@quorate/protocol";
import type { CommittedLog } from "@quorate/server";
import type { EntryReader } from "./followed-batch.js";
import { HistoryReader } from "./history-reader.js";
import { IN_FLIGHT_BYTES_MAX, SUBSCRIPTIONS_MAX, TICK_MS, TURN_MS } from "./limits.js";
import { pageOf, PageCache, type Page } from "./page.js";
import { checkPrefix, PrefixSet } from "./prefix-set.js";
import { RecentBatches } from "./recent-batches.js";
import {
  SubscriptionMachine,
  type EndReason,
  type SubscriptionEffect,
} from "./subscription-machine.js";

export interface FeedDeps {
  readonly log: CommittedLog;
  readonly entries: EntryReader;
  /** Whether the node is synchronised and serves. */
  isServing(): boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
}

/** Where a subscription's events go. Nothing here may throw; `end` is the last call. */
export interface SubscriptionSink {
  deliver(page: Page): void;
  bookmark(upTo: Txnid): void;
  end(error: QuorateError): void;
}

export interface SubscriptionRequest {
  readonly prefix: string;
  /** Null: from now on, which needs a node that serves. */
  readonly after: Txnid | null;
  /**
   * What the subscriber has proved so far: it hears of what those may read (ADR 0024). Without it,
   * it is the host's own program and hears of everything.
   */
  readonly identities?: () => readonly AuthIdentity[];
  /** Goes on, and may begin, at a node that serves nobody. Default false. */
  readonly staysUnserved?: boolean;
}

export interface SubscriptionHandle {
  /** The subscriber has taken everything up to here: there is room again. */
  taken(upTo: Txnid): void;
  /** Nothing more is heard, `end` included. Idempotent. */
  close(): void;
}

interface Subscription {
  readonly prefix: string;
  readonly sink: SubscriptionSink;
  readonly machine: SubscriptionMachine<Page>;
  readonly staysUnserved: boolean;
  readonly identities: (() => readonly AuthIdentity[]) | null;
}

/**
 * The subscriptions of one node. It follows what is applied; each turn it brings those who have
 * room one page further, from memory or from the store. Entries are read and matched once per
 * batch, and a page is made and encoded once for all subscribers of its prefix.
 */
export class Feed {
  readonly #deps: FeedDeps;
  readonly #subscriptions = new Set<Subscription>();
  readonly #prefixes = new PrefixSet();
  readonly #cache = new PageCache();
  readonly #recent: RecentBatches;
  readonly #history: HistoryReader;
  /** Those who begin, and those who wait for a page, in order. */
  #starting: Subscription[] = [];
  readonly #wanting = new Set<Subscription>();
  #hasNews = false;
  #turnIsDue = false;
  #ticker: Timer | null = null;
  #inFlightBytes = 0;
  #isClosed = false;

  constructor(deps: FeedDeps) {
    this.#deps = deps;
    const { log, entries } = deps;
    this.#recent = new RecentBatches(log.head, entries);
    this.#history = new HistoryReader((after, max) => log.read(after, max), entries);
    log.listen((batches) => {
      if (batches.length === 0) this.#recent.clear(log.head);
      for (const batch of batches) this.#recent.add(batch);
      if (this.#subscriptions.size === 0) return;
      this.#hasNews = true;
      this.#turnSoon();
    });
  }

  get subscriptionCount(): number {
    return this.#subscriptions.size;
  }

  /** Bytes that are on their way and not taken; what several share counts once. */
  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /**
   * @throws ERR_ARG_VALUE, ERR_ARG_TOO_LARGE for the prefix; ERR_SERVER_BUSY when there are too
   * many; ERR_SERVER_NOT_READY for "from now" at a node that does not serve; ERR_SERVER_CLOSED;
   * ERR_CLIENT_COMPACTED when what follows is not here any more. Later that ends the subscription.
   */
  subscribe(request: SubscriptionRequest, sink: SubscriptionSink): SubscriptionHandle {
    const { prefix, after, staysUnserved = false, identities = null } = request;
    const { log, clock, meter } = this.#deps;
    checkPrefix(prefix);
    if (this.#isClosed) throw closed();
    if (this.#subscriptions.size >= SUBSCRIPTIONS_MAX) {
      throw new QuorateError("ERR_SERVER_BUSY", "too many subscriptions", { retryable: true });
    }
    if (after === null && !staysUnserved && !this.#deps.isServing()) {
      throw notReady("no leader is established");
    }
    if (after !== null && after < log.oldest && this.#recent.above(after) === null) {
      throw errorOf("compacted", after, log.oldest);
    }
    const machine = new SubscriptionMachine<Page>(after ?? log.head, log.head, clock.now());
    const subscription: Subscription = { prefix, sink, machine, staysUnserved, identities };
    this.#subscriptions.add(subscription);
    this.#prefixes.add(prefix);
    this.#starting.push(subscription);
    meter.count("feed_subscriptions");
    this.#turnSoon();
    this.#tickSoon();
    return {
      taken: (upTo) => {
        this.#act(subscription, machine.step({ kind: "taken", upTo, now: clock.now() }));
      },
      close: () => {
        if (!this.#subscriptions.has(subscription)) return;
        this.#act(subscription, machine.close());
        this.#forget(subscription);
      },
    };
  }

  /** Ends every subscription. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#deps.log.listen(null);
    this.#ticker?.cancel();
    for (const subscription of [...this.#subscriptions]) {
      this.#act(subscription, subscription.machine.close());
      this.#forget(subscription);
      subscription.sink.end(closed());
    }
  }

  #turnSoon(): void {
    if (this.#turnIsDue || this.#isClosed) return;
    this.#turnIsDue = true;
    this.#deps.clock.defer(() => this.#turn());
  }

  #turn(): void {
    const { clock, log } = this.#deps;
    this.#turnIsDue = false;
    const starting = this.#starting;
    this.#starting = [];
    for (const one of starting) {
      if (!one.machine.isEnded) this.#act(one, one.machine.start());
    }
    if (this.#hasNews) {
      this.#hasNews = false;
      const { head } = log;
      for (const one of this.#subscriptions)
        this.#act(one, one.machine.step({ kind: "head", head }));
    }
    // From here on, so that each turn brings somebody further, however many begin.
    const endAt = clock.now() + TURN_MS;
    for (const one of this.#wanting) {
      if (clock.now() >= endAt) {
        this.#turnSoon();
        return;
      }
      this.#wanting.delete(one);
      this.#read(one);
    }
  }

  #read(subscription: Subscription): void {
    const { prefix, machine } = subscription;
    const after = machine.cursor;
    const cached = this.#cache.get(prefix, after);
    if (cached !== undefined) {
      this.#turnTo(subscription, cached);
      return;
    }
    const recent = this.#recent.above(after);
    if (recent !== null) {
      this.#turnTo(subscription, this.#pageOf(recent, prefix, after));
      return;
    }
    this.#history.read(after).then(
      (batches) => {
        if (machine.isEnded) return;
        const page = this.#cache.get(prefix, after) ?? this.#pageOf(batches, prefix, after);
        this.#turnTo(subscription, page);
      },
      (error: unknown) => {
        const isCompacted = errorCodeOf(error) === "ERR_STORE_COMPACTED";
        if (!isCompacted) this.#deps.logger.warn("history cannot be read", {}, error);
        const reason = isCompacted ? "compacted" : "unreadable";
        this.#act(subscription, machine.step({ kind: "unreadable", reason }));
      },
    );
  }

  #pageOf(batches: Parameters<typeof pageOf>[0], prefix: string, after: Txnid): Page {
    const page = pageOf(batches, prefix, after, this.#prefixes);
    if (page.upTo > after) this.#cache.put(prefix, page);
    return page;
  }

  #turnTo(subscription: Subscription, whole: Page): void {
    const now = this.#deps.clock.now();
    const { identities, prefix } = subscription;
    const page = identities === null ? whole : whole.shownTo(identities());
    if (page !== whole) this.#cache.shown(prefix, whole);
    this.#act(subscription, subscription.machine.step({ kind: "page", page, now }));
  }

  #act(subscription: Subscription, effects: readonly SubscriptionEffect<Page>[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case "read":
          this.#wanting.add(subscription);
          this.#turnSoon();
          break;
        case "deliver":
          this.#hold(effect.page);
          subscription.sink.deliver(effect.page);
          break;
        case "bookmark":
          subscription.sink.bookmark(effect.upTo);
          break;
        case "release":
          effect.page.holders -= 1;
          if (effect.page.holders === 0) this.#inFlightBytes -= effect.page.bytes;
          break;
        case "end":
          this.#end(subscription, effect.reason);
          break;
        default:
          assertNever(effect, "effect of a subscription");
      }
    }
  }

  #hold(page: Page): void {
    page.holders += 1;
    if (page.holders > 1) return;
    this.#inFlightBytes += page.bytes;
    if (this.#inFlightBytes > IN_FLIGHT_BYTES_MAX) {
      // Not from within a step of another.
      this.#deps.clock.defer(() => this.#cutOffSlowest());
    }
  }

  #cutOffSlowest(): void {
    while (this.#inFlightBytes > IN_FLIGHT_BYTES_MAX) {
      let slowest: Subscription | null = null;
      for (const one of this.#subscriptions) {
        if (one.machine.inFlightBytes === 0) continue;
        if (slowest !== null && one.machine.progressAt >= slowest.machine.progressAt) continue;
        slowest = one;
      }
      if (slowest === null) return;
      this.#act(slowest, slowest.machine.step({ kind: "cutOff" }));
    }
  }

  #end(subscription: Subscription, reason: EndReason): void {
    this.#forget(subscription);
    const { logger, meter, log } = this.#deps;
    const error = errorOf(reason, subscription.machine.cursor, log.oldest);
    meter.count("feed_subscriptions_ended");
    if (reason === "tooSlow") meter.count("feed_subscribers_cut_off");
    const { prefix, machine } = subscription;
    logger.info("a subscription ended", { reason, prefix, at: formatTxnid(machine.cursor) });
    subscription.sink.end(error);
  }

  #forget(subscription: Subscription): void {
    if (!this.#subscriptions.delete(subscription)) return;
    this.#wanting.delete(subscription);
    this.#prefixes.remove(subscription.prefix);
  }

  #tickSoon(): void {
    if (this.#ticker !== null || this.#isClosed) return;
    this.#ticker = this.#deps.clock.setTimer(TICK_MS, () => {
      this.#ticker = null;
      const now = this.#deps.clock.now();
      const isServing = this.#deps.isServing();
      for (const one of [...this.#subscriptions]) {
        const { staysUnserved } = one;
        this.#act(one, one.machine.step({ kind: "tick", now, isServing, staysUnserved }));
      }
      if (this.#subscriptions.size > 0) this.#tickSoon();
    });
  }
}

function errorOf(reason: EndReason, at: Txnid, oldest: Txnid): QuorateError {
  switch (reason) {
    case "compacted": {
      const [from, first] = [formatTxnid(at), formatTxnid(oldest)];
      const text = `this node no longer holds what follows ${from}; the oldest start is ${first}`;
      return new QuorateError("ERR_CLIENT_COMPACTED", text, { details: { oldest: first } });
    }
    case "tooSlow":
      return new QuorateError("ERR_CLIENT_TOO_SLOW", "the subscriber does not take its events");
    case "ahead": {
      // It serves, so it is not far behind the others: most likely there never was such a txnid.
      const text = `${formatTxnid(at)} was not committed here, however long that was waited for`;
      return new QuorateError("ERR_ARG_TXNID", text);
    }
    case "notServing":
      return notReady("this node has no leader; another may know more");
    case "unreadable":
      return notReady("this node cannot read its history now");
  }
}

function notReady(message: string): QuorateError {
  return new QuorateError("ERR_SERVER_NOT_READY", message, { retryable: true });
}

function closed(): QuorateError {
  return new QuorateError("ERR_SERVER_CLOSED", "the server is stopping", { retryable: true });
}
