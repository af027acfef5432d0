import { describe, expect, test } from "vitest";
import { ObserverQueue } from "../src/index.js";
import { first, txnid } from "./support.js";

describe("the live queue of a synchronising peer", () => {
  test("keeps the order, and is empty after", () => {
    const queue = new ObserverQueue();
    queue.push({ kind: "proposal", batch: first }, 10);
    queue.push({ kind: "commit", txnid: txnid(1) }, 0);
    expect(queue.drain().map(({ kind }) => kind)).toEqual(["proposal", "commit"]);
    expect(queue.drain()).toEqual([]);
    expect(queue.byteLength).toBe(0);
  });

  test("G7: gives the peer up at its bound instead of blocking", () => {
    const queue = new ObserverQueue(1000);
    expect(queue.push({ kind: "proposal", batch: first }, 900)).toBe(true);
    expect(queue.push({ kind: "proposal", batch: first }, 900)).toBe(false);
    expect(queue.isOverflown).toBe(true);
    expect(queue.byteLength).toBe(0);
    expect(queue.push({ kind: "proposal", batch: first }, 1)).toBe(false);
    expect(queue.drain()).toEqual([]);
  });

  test("messages without a body are bounded, too", () => {
    const queue = new ObserverQueue(1000);
    let taken = 0;
    while (queue.push({ kind: "commit", txnid: txnid(1) }, 0) && taken < 1000) taken += 1;
    expect(taken).toBeLessThan(1000);
  });
});
