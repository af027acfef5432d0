import { TOUCHES_PER_HEARTBEAT_MAX } from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import { TouchBuffer } from "../src/sessions/touch-buffer.js";

describe("sessions heard of since the last heartbeat", () => {
  test("are told once each, and an empty list where there are none", () => {
    const touches = new TouchBuffer();
    expect(touches.take()).toEqual([[]]);
    touches.addAll([1n, 2n, 1n]);
    touches.add(2n);
    expect(touches.take()).toEqual([[1n, 2n]]);
    expect(touches.take()).toEqual([[]]);
  });

  test("beyond what a heartbeat carries go in several lists", () => {
    const touches = new TouchBuffer();
    const ids = Array.from({ length: TOUCHES_PER_HEARTBEAT_MAX + 1 }, (_, i) => BigInt(i));
    touches.addAll(ids);
    expect(touches.take()).toEqual([ids.slice(0, -1), ids.slice(-1)]);
    touches.addAll(ids.slice(1));
    expect(touches.take()).toHaveLength(1);
  });

  test("are bounded: beyond it a sign of life is lost", () => {
    const touches = new TouchBuffer(2);
    touches.addAll([1n, 2n, 3n]);
    expect(touches.size).toBe(2);
    expect(touches.take()).toEqual([[1n, 2n]]);
  });
});
