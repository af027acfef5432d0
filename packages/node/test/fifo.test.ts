import { describe, expect, it } from "vitest";
import { Fifo } from "../src/native/fifo.js";
import { RequestOrder } from "../src/native/request-order.js";

const MOVING = ["shift", "unshift", "splice", "slice", "concat", "copyWithin"] as const;

/** Items that arrays moved or copied while `run` ran, by whatever takes something out of them. */
function movedBy(run: () => void): number {
  let moved = 0;
  const originals = MOVING.map((name) => ({
    name,
    value: Array.prototype[name] as (...args: unknown[]) => unknown,
  }));
  const put = (name: string, value: (...args: unknown[]) => unknown): void => {
    const settings = { value, configurable: true, writable: true, enumerable: false };
    Object.defineProperty(Array.prototype, name, settings);
  };
  for (const { name, value } of originals) {
    put(name, function (this: unknown[], ...args: unknown[]) {
      moved += this.length;
      return Reflect.apply(value, this, args);
    });
  }
  try {
    run();
  } finally {
    for (const { name, value } of originals) put(name, value);
  }
  return moved;
}

describe("first in, first out", () => {
  it("gives out in order, whatever comes meanwhile", () => {
    const fifo = new Fifo<number>();
    const taken: (number | undefined)[] = [];
    let next = 0;
    for (let round = 0; round < 500; round += 1) {
      for (let i = 0; i < 3; i += 1) fifo.push(next++);
      for (let i = 0; i < 2; i += 1) {
        taken.push(fifo.first);
        fifo.removeFirst();
      }
    }
    for (; !fifo.isEmpty; fifo.removeFirst()) taken.push(fifo.first);
    expect(taken).toEqual(Array.from({ length: 1500 }, (_, i) => i));
    fifo.removeFirst();
    expect(fifo.first).toBeUndefined();
    fifo.push(7);
    expect(fifo.first).toBe(7);
  });

  it("moves each that waits twice at most, however many wait", () => {
    const fifo = new Fifo<number>();
    const count = 20_000;
    const moved = movedBy(() => {
      for (let i = 0; i < count; i += 1) fifo.push(i);
      while (!fifo.isEmpty) fifo.removeFirst();
    });
    expect(moved).toBeLessThanOrEqual(2 * count);
  });

  it("so works off what waits behind a slow read, and reads behind a write", () => {
    const count = 20_000;
    const order = new RequestOrder();
    let begun = 0;
    let endRead: () => void = () => undefined;
    order.passRead((ended) => (endRead = ended), true);
    const moved = movedBy(() => {
      for (let i = 0; i < count; i += 1) {
        order.passWrite((write) => {
          begun += 1;
          order.endWrite(write);
        });
      }
      endRead();
    });
    expect(begun).toBe(count);
    let first = 0;
    order.passWrite((write) => (first = write));
    const movedReads = movedBy(() => {
      for (let i = 0; i < count; i += 1) {
        order.passRead((ended) => {
          begun += 1;
          ended();
        });
      }
      order.endWrite(first);
    });
    expect(begun).toBe(2 * count);
    // A list that is emptied by `shift` takes count * count / 2.
    expect(moved + movedReads).toBeLessThanOrEqual(4 * count);
  });
});
