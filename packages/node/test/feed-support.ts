import {
  ANYONE,
  encodeCaller,
  silentLogger,
  silentMeter,
  TXNID_ZERO,
  type Clock,
  type CommittedEvent,
  type QuorateError,
  type Txnid,
} from "@quorate/protocol";
import { MemoryCommittedLog } from "@quorate/testkit";
import {
  encodeCreate,
  operationsOf,
  readersOf,
  withCaller,
  ZnodeMachine,
  ZnodeOp,
} from "@quorate/znode";
import { Feed, type SubscriptionHandle, type SubscriptionSink } from "../src/feed/feed.js";
import type { Page } from "../src/feed/page.js";

/** Time that passes when told to, and turns that are taken when told to. */
export class ManualClock implements Clock {
  #now = 0;
  #deferred: (() => void)[] = [];
  readonly #timers = new Set<{ readonly at: number; readonly run: () => void }>();

  now = (): number => this.#now;
  wallTime = (): number => this.#now;
  defer = (run: () => void): void => void this.#deferred.push(run);

  setTimer(ms: number, run: () => void): { cancel(): void } {
    const timer = { at: this.#now + ms, run };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  /** Takes turns until nothing is left to do at this time. */
  async settle(): Promise<void> {
    for (;;) {
      // A few microtasks deep, which is more than one read of a log has.
      for (let i = 0; i < 10; i += 1) await Promise.resolve();
      const due = this.#deferred.splice(0);
      if (due.length === 0) return;
      for (const run of due) run();
    }
  }

  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await this.settle();
      const due = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#now = Math.max(this.#now, due.at);
      this.#timers.delete(due);
      due.run();
    }
    this.#now = end;
    await this.settle();
  }
}

/** A subscriber that takes what it gets when told to. */
export class TestSink implements SubscriptionSink {
  readonly events: CommittedEvent[] = [];
  readonly pages: Page[] = [];
  readonly marks: Txnid[] = [];
  error: QuorateError | null = null;
  handle: SubscriptionHandle | null = null;
  takesAtOnce = true;
  #taken: Txnid = TXNID_ZERO;

  deliver(page: Page): void {
    this.pages.push(page);
    this.events.push(...page.events);
    this.#told(page.upTo);
  }

  bookmark(upTo: Txnid): void {
    this.#told(upTo);
  }

  end(error: QuorateError): void {
    if (this.error !== null) throw new Error("a subscription ends once");
    this.error = error;
  }

  take(): void {
    const last = this.marks.at(-1);
    if (last === undefined) return;
    this.#taken = last;
    this.handle?.taken(last);
  }

  /** Sent and not taken, the newest page left out: the one that filled the window. */
  get bytesBeforeLast(): number {
    const held = this.pages.filter(({ upTo }) => upTo > this.#taken).slice(0, -1);
    return held.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  paths(): string[] {
    return this.events.flatMap(({ operations }) => operations.map(({ path }) => path));
  }

  #told(upTo: Txnid): void {
    if (this.error !== null) throw new Error("nothing comes behind the end");
    this.marks.push(upTo);
    if (this.takesAtOnce) this.take();
  }
}

export class FeedSetup {
  readonly log = new MemoryCommittedLog();
  readonly clock = new ManualClock();
  isServing = true;
  readonly feed: Feed;
  readonly #tree = new ZnodeMachine();

  constructor() {
    this.feed = new Feed({
      log: this.log,
      entries: { operationsOf, readersOf },
      isServing: () => this.isServing,
      clock: this.clock,
      logger: silentLogger,
      meter: silentMeter,
    });
  }

  subscribe(prefix: string, after: Txnid | null = null, takesAtOnce = true): TestSink {
    const sink = new TestSink();
    sink.takesAtOnce = takesAtOnce;
    sink.handle = this.feed.subscribe({ prefix, after }, sink);
    return sink;
  }

  /** As {@link subscribe} of a running node does it. */
  subscribeInProcess(prefix: string, after: Txnid | null): TestSink {
    const sink = new TestSink();
    sink.handle = this.feed.subscribe({ prefix, after, staysUnserved: true }, sink);
    return sink;
  }

  /** One committed batch of creates. */
  create(...paths: readonly string[]): Txnid {
    return this.log.append(
      paths.map((path) => {
        const content = withCaller(
          encodeCaller(ANYONE),
          encodeCreate({ data: new Uint8Array(10) }),
        );
        const context = { txnid: this.log.head, wallTimeMs: 5 };
        const prepared = this.#tree.prepare(ZnodeOp.create, path, content, context);
        if (!prepared.ok) throw new Error(prepared.message);
        return prepared;
      }),
    );
  }

  /** One committed batch of broadcasts. */
  say(keys: readonly string[], bytes = 1): Txnid {
    const content = new Uint8Array(bytes);
    return this.log.append(keys.map((key) => ({ op: ZnodeOp.broadcast, key, content })));
  }
}
