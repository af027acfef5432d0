import { DEFAULT_TIMINGS, TOUCHES_PER_HEARTBEAT_MAX } from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import { TouchBuffer, touchDoubtMs } from "../src/sessions/touch-buffer.js";

let now = 0;
const clock = { now: () => now };
const doubtMs = touchDoubtMs(DEFAULT_TIMINGS);

describe("sessions heard of since the last heartbeat", () => {
  test("are told once each, and an empty list where there are none", () => {
    const touches = new TouchBuffer(clock, { doubtMs });
    expect(touches.take()).toEqual([[]]);
    touches.addAll([1n, 2n, 1n]);
    touches.add(2n);
    expect(touches.take()).toEqual([[1n, 2n]]);
    expect(touches.take()).toEqual([[]]);
  });

  test("beyond what a heartbeat carries go in several lists", () => {
    const touches = new TouchBuffer(clock, { doubtMs });
    const ids = Array.from({ length: TOUCHES_PER_HEARTBEAT_MAX + 1 }, (_, i) => BigInt(i));
    touches.addAll(ids);
    expect(touches.take()).toEqual([ids.slice(0, -1), ids.slice(-1)]);
    touches.addAll(ids.slice(1));
    expect(touches.take()).toHaveLength(1);
  });

  test("are bounded: beyond it a sign of life is lost", () => {
    const touches = new TouchBuffer(clock, { doubtMs, heldMax: 2 });
    touches.addAll([1n, 2n, 3n]);
    expect(touches.size).toBe(2);
    expect(touches.take()).toEqual([[1n, 2n]]);
  });

  test("are told again when the connection is lost, but for what was told long before", () => {
    const touches = new TouchBuffer(clock, { doubtMs });
    const tell = (...ids: bigint[]): void => {
      touches.addAll(ids);
      for (const list of touches.take()) touches.sent(list);
    };
    tell(1n);
    now += doubtMs;
    tell(2n);
    now += doubtMs;
    tell(3n, 4n);
    touches.addAll([4n, 5n]);
    touches.connectionLost();
    expect(touches.take()).toEqual([[4n, 5n, 2n, 3n]]);
    // Once.
    touches.connectionLost();
    expect(touches.take()).toEqual([[]]);
    tell(6n);
    now += 2 * doubtMs;
    touches.connectionLost();
    expect(touches.take()).toEqual([[]]);
  });

  test("are in doubt for as long as a peer may be silent, whatever is configured", () => {
    const doubtOf = (followerTimeoutMs: number): number =>
      touchDoubtMs({ ...DEFAULT_TIMINGS, followerTimeoutMs });
    expect([doubtOf(1500), doubtOf(5000)]).toEqual([2000, 5500]);
  });
});
