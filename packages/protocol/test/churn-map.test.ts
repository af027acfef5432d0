import fc from "fast-check";
import { expect, test } from "vitest";
import { ChurnMap } from "../src/index.js";

const steps = fc.array(
  fc.oneof(
    {
      weight: 40,
      arbitrary: fc.record({ kind: fc.constant("burst" as const), count: fc.nat(90) }),
    },
    {
      weight: 20,
      arbitrary: fc.record({ kind: fc.constant("drain" as const), count: fc.nat(99) }),
    },
    { weight: 10, arbitrary: fc.record({ kind: fc.constant("again" as const), at: fc.nat(400) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("clear" as const) }) },
  ),
  { maxLength: 80 },
);

test("is a map, whatever comes and goes", () => {
  fc.assert(
    fc.property(steps, (run) => {
      const churn = new ChurnMap<number, number>();
      const model = new Map<number, number>();
      let next = 0;
      for (const step of run) {
        if (step.kind === "burst") {
          for (let i = 0; i < step.count; i += 1, next += 1) {
            churn.set(next, -next);
            model.set(next, -next);
          }
        } else if (step.kind === "drain") {
          for (const key of [...model.keys()].slice(0, step.count)) {
            expect(churn.delete(key)).toBe(model.delete(key));
          }
        } else if (step.kind === "again") {
          churn.set(step.at, step.at);
          model.set(step.at, step.at);
        } else {
          churn.clear();
          model.clear();
        }
        expect(churn.size).toBe(model.size);
      }
      expect([...churn]).toEqual([...model]);
      expect([...churn.keys()]).toEqual([...model.keys()]);
      expect([...churn.values()]).toEqual([...model.values()]);
      expect(churn.delete(-1)).toBe(false);
      expect([churn.has(-1), churn.get(-1)]).toEqual([false, undefined]);
      for (const [key, value] of model) expect(churn.get(key)).toBe(value);
    }),
  );
});

test("entries may be deleted while they are gone through", () => {
  const churn = new ChurnMap<number, number>();
  for (let i = 0; i < 1000; i += 1) churn.set(i, i);
  let seen = 0;
  for (const value of churn.values()) {
    churn.delete(value);
    churn.delete(value + 1);
    seen += 1;
  }
  expect([seen, churn.size]).toEqual([500, 0]);
});

test("gives out what a map does, whatever is deleted on the way", () => {
  const deletions = fc.array(fc.array(fc.nat(999), { maxLength: 8 }), { maxLength: 1000 });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1000 }), deletions, (size, run) => {
      const churn = new ChurnMap<number, number>();
      const model = new Map<number, number>();
      for (const map of [churn, model]) for (let i = 0; i < size; i += 1) map.set(i, i);
      const walk = (map: ChurnMap<number, number> | Map<number, number>): number[] => {
        const seen: number[] = [];
        for (const key of map.keys()) {
          for (const gone of run[seen.length] ?? []) map.delete(gone);
          seen.push(key);
        }
        return seen;
      };
      expect(walk(churn)).toEqual(walk(model));
      expect([...churn]).toEqual([...model]);
    }),
  );
});
