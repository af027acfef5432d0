import fc from "fast-check";
import { expect, test } from "vitest";
import { SessionTracker, type SessionEffect } from "../src/sessions/session-tracker.js";

const TICK_MS = 100;
const DELAY_MS = 300;
const STEP_MS_MAX = 500;

type Command =
  | { readonly kind: "create"; readonly id: number; readonly timeoutMs: number }
  | { readonly kind: "close"; readonly id: number }
  | { readonly kind: "move"; readonly id: number; readonly timeoutMs: number }
  | { readonly kind: "touch"; readonly ids: readonly number[] }
  | { readonly kind: "tick"; readonly ms: number }
  | { readonly kind: "round" }
  | { readonly kind: "apply" }
  | { readonly kind: "refuse" };

const id = fc.integer({ min: 1, max: 6 });
const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({
    kind: fc.constant("create" as const),
    id,
    timeoutMs: fc.integer({ min: 1, max: 900 }),
  }),
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("close" as const), id }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("move" as const),
      id,
      timeoutMs: fc.integer({ min: 1, max: 900 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("touch" as const),
      ids: fc.array(id, { maxLength: 6 }),
    }),
  },
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("tick" as const),
      ms: fc.integer({ min: 0, max: 900 }),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: "round" as const }) },
  { weight: 3, arbitrary: fc.constant({ kind: "apply" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "refuse" as const }) },
);

/**
 * What a session is owed, told without buckets and lists: when its client was last heard of, in the
 * time in which the leader did not stand still, and when the last round that is over began.
 */
class Model {
  now = 0;
  readonly deadlines = new Map<bigint, number>();
  readonly timeouts = new Map<bigint, number>();
  readonly closing = new Set<bigint>();
  roundBeganAt: number | null = null;
  /** Over, and since when. */
  provenFrom = -1;

  heard(session: bigint): void {
    const timeoutMs = this.timeouts.get(session);
    if (timeoutMs !== undefined) this.deadlines.set(session, this.now + timeoutMs + DELAY_MS);
  }

  forget(session: bigint): void {
    this.deadlines.delete(session);
    this.timeouts.delete(session);
    this.closing.delete(session);
  }
}

class Run {
  readonly model = new Model();
  readonly tracker = new SessionTracker({
    tickMs: TICK_MS,
    delayMs: DELAY_MS,
    stepMsMax: STEP_MS_MAX,
    inFlightMax: 2,
  });
  #clock = 0;

  constructor() {
    this.take(this.tracker.step({ kind: "ticked", now: 0 }));
  }

  take(effects: readonly SessionEffect[]): void {
    const { model } = this;
    for (const effect of effects) {
      if (effect.kind === "beginRound") {
        expect(model.roundBeganAt).toBeNull();
        model.roundBeganAt = model.now;
        continue;
      }
      const { id: session } = effect;
      const deadline = model.deadlines.get(session);
      if (deadline === undefined) throw new Error("a session that is not there");
      // Silent for all of its timeout, as a round knows that began when it was over.
      expect(deadline).toBeLessThanOrEqual(model.now);
      expect(model.provenFrom).toBeGreaterThanOrEqual(deadline);
      expect(model.closing.has(session)).toBe(false);
      model.closing.add(session);
      expect(model.closing.size).toBeLessThanOrEqual(2);
    }
  }

  do(one: Command): void {
    const { model, tracker } = this;
    const sessionOf = (n: number): bigint => BigInt(n);
    switch (one.kind) {
      case "create": {
        const session = sessionOf(one.id);
        if (model.timeouts.has(session)) return;
        model.timeouts.set(session, one.timeoutMs);
        model.heard(session);
        this.take(tracker.step({ kind: "created", id: session, timeoutMs: one.timeoutMs }));
        return;
      }
      case "close":
        this.close(sessionOf(one.id));
        return;
      case "move": {
        const session = sessionOf(one.id);
        if (model.timeouts.has(session)) model.timeouts.set(session, one.timeoutMs);
        model.heard(session);
        this.take(tracker.step({ kind: "moved", id: session, timeoutMs: one.timeoutMs }));
        return;
      }
      case "touch":
        for (const n of one.ids) model.heard(sessionOf(n));
        this.take(tracker.step({ kind: "touched", ids: one.ids.map(sessionOf) }));
        return;
      case "tick":
        this.tick(one.ms);
        return;
      case "round":
        this.round();
        return;
      case "apply":
      case "refuse": {
        const [session] = model.closing;
        if (session === undefined) return;
        if (one.kind === "apply") {
          this.close(session);
        } else {
          model.closing.delete(session);
          tracker.closeRefused(session);
        }
      }
    }
  }

  close(session: bigint): void {
    this.model.forget(session);
    this.take(this.tracker.step({ kind: "closed", id: session }));
  }

  tick(ms: number): void {
    this.#clock += ms;
    this.model.now += Math.min(ms, STEP_MS_MAX);
    // One that is not closed in time may be proposed again: the model lets that stand.
    for (const session of [...this.model.closing]) {
      if (!this.tracker.isClosing(session)) this.model.closing.delete(session);
    }
    const effects = this.tracker.step({ kind: "ticked", now: this.#clock });
    for (const session of [...this.model.closing]) {
      if (!this.tracker.isClosing(session)) this.model.closing.delete(session);
    }
    this.take(effects);
  }

  round(): void {
    const { model } = this;
    if (model.roundBeganAt === null) return;
    model.provenFrom = model.roundBeganAt;
    model.roundBeganAt = null;
    this.take(this.tracker.step({ kind: "roundCompleted" }));
  }
}

test("Invariant 10: whatever happens, a session expires only when it was silent, and then it does", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 150 }), (commands) => {
      const run = new Run();
      for (const one of commands) run.do(one);
      const { model, tracker } = run;
      expect(tracker.size).toBe(model.timeouts.size);
      // Nobody is heard of any more: all of them go, within their timeouts and a few ticks.
      for (let i = 0; i < 200; i += 1) {
        run.tick(TICK_MS);
        run.round();
        run.do({ kind: "apply" });
      }
      expect([model.timeouts.size, tracker.size]).toEqual([0, 0]);
    }),
    { numRuns: 2000 },
  );
});
