import { describe, expect, it } from "vitest";
import type { WebSocket } from "ws";
import { silentMeter, toTxnid } from "@quorate/protocol";
import type { NativeChange } from "@quorate/codec";
import { CHANGE_BYTES_FAIR, CHANGE_BYTES_MAX, PORT_BYTES_MAX } from "../src/native/limits.js";
import { MESSAGE_OVERHEAD_BYTES, Outbox, type PortBudget } from "../src/native/outbox.js";
import { realClock } from "./support.js";

const change: NativeChange = { id: 0, change: "dataChanged", path: "/a", txnid: toTxnid(1n) };
const CHANGE_BYTES = MESSAGE_OVERHEAD_BYTES + change.path.length;

/** Of a client that takes what it is sent when it is told to. */
class FakeSocket {
  readonly bufferedAmount = 0;
  readonly #callbacks: (() => void)[] = [];

  send(_frame: Uint8Array, _options: object, callback: () => void): void {
    this.#callbacks.push(callback);
  }

  take(): void {
    for (const callback of this.#callbacks.splice(0)) callback();
  }
}

function open(budget: PortBudget) {
  const socket = new FakeSocket();
  let overflows = 0;
  const outbox = new Outbox(socket as unknown as WebSocket, {
    clock: realClock,
    meter: silentMeter,
    budget,
    onRoom: () => undefined,
    onOverflow: () => {
      overflows += 1;
      outbox.close();
    },
  });
  /** How many changes it may be told before its connection closes. */
  const room = (max: number): number => {
    let count = 0;
    while (overflows === 0 && count < max) {
      outbox.tell(change);
      if (count % 1000 === 999) outbox.flush();
      count += 1;
    }
    return count;
  };
  return { socket, outbox, room };
}

describe("what waits for a client that does not take it", () => {
  const max = Math.floor(CHANGE_BYTES_MAX / CHANGE_BYTES);

  it("is bounded for watched changes, whether sent or not", () => {
    expect(open({ bytes: 0 }).room(2 * max)).toBe(max + 1);
  });

  it("is bounded by much less when all clients together have filled the port", () => {
    const fair = Math.floor(CHANGE_BYTES_FAIR / CHANGE_BYTES);
    expect(open({ bytes: PORT_BYTES_MAX }).room(2 * max)).toBe(fair + 1);
  });

  it("counts no more once it was taken, nor in the budget of the port", () => {
    const budget = { bytes: 0 };
    const { socket, outbox, room } = open(budget);
    for (let round = 0; round < 3; round += 1) {
      expect(room(max - 1)).toBe(max - 1);
      outbox.flush();
      expect(budget.bytes).toBeGreaterThan(0);
      socket.take();
      expect(budget.bytes).toBe(0);
    }
  });
});
