import { toNodeId } from "@quorate/protocol";
import { describe, expect, it } from "vitest";
import { canDrainSynchronously } from "../src/engine/microtasks.js";
import { NodeHost, RandomStream, Scheduler } from "../src/index.js";

const failing = {
  onUncaught: (_host: NodeHost, error: unknown) => {
    throw error;
  },
};

function host(scheduler: Scheduler): NodeHost {
  return new NodeHost(toNodeId(1), scheduler, new RandomStream(1, "host"), failing);
}

describe("the scheduler", () => {
  it("runs the earliest event first, ties in the order of scheduling", async () => {
    const scheduler = new Scheduler();
    const seen: string[] = [];
    scheduler.after(2, "x", () => seen.push("late"));
    scheduler.after(1, "x", () => seen.push("first"));
    scheduler.after(1, "x", () => {
      seen.push("second");
      scheduler.after(0, "x", () => seen.push("third"));
    });
    await scheduler.run(10);
    expect(seen).toEqual(["first", "second", "third", "late"]);
    expect(scheduler.nowMs).toBe(10);
  });

  it("settles every promise between two events of one instant", async () => {
    const scheduler = new Scheduler();
    const seen: string[] = [];
    const slow = async (): Promise<void> => {
      for (let i = 0; i < 100; i += 1) await Promise.resolve();
      seen.push("settled");
    };
    scheduler.after(1, "x", () => void slow());
    scheduler.after(1, "x", () => seen.push("next"));
    await scheduler.run(10);
    expect(seen).toEqual(["settled", "next"]);
  });

  it("drains microtasks within one turn of the real event loop", async () => {
    const can = await new Promise((resolve) => {
      setImmediate(() => resolve(canDrainSynchronously()));
    });
    expect(can).toBe(true);
  });

  it("gives one seed one trace hash, and two seeds two", async () => {
    const hashOf = async (seed: number): Promise<string> => {
      const scheduler = new Scheduler();
      const random = new RandomStream(seed);
      const again = (left: number): void => {
        if (left > 0) scheduler.after(random.next(), `e${left % 3}`, () => again(left - 1));
      };
      again(100);
      await scheduler.run(1000);
      return scheduler.trace.hash();
    };
    expect(await hashOf(7)).toBe(await hashOf(7));
    expect(await hashOf(7)).not.toBe(await hashOf(8));
  });

  it("names an endless loop in one instant instead of hanging", async () => {
    const scheduler = new Scheduler();
    const again = (): void => void scheduler.after(0, "again", again);
    again();
    await expect(scheduler.run(1)).rejects.toThrow('time stands still at 0 ms in "again"');
  });
});

describe("a random stream", () => {
  it("splits by name: a draw from one part moves no other", () => {
    const one = new RandomStream(5);
    const other = new RandomStream(5);
    one.next();
    one.split("a").next();
    expect(one.split("b").nextUint64()).toBe(other.split("b").nextUint64());
    expect(one.split("b").next()).not.toBe(one.split("c").next());
  });
});

describe("a node's host", () => {
  it("never runs a callback of a dead incarnation (F16)", async () => {
    const scheduler = new Scheduler();
    const node = host(scheduler);
    const seen: string[] = [];
    node.boot();
    node.clock.port().setTimer(5, () => seen.push("old timer"));
    node.after(5, "x", () => seen.push("old delivery"));
    scheduler.after(1, "x", () => {
      node.end("killed");
      node.boot();
      node.clock.port().setTimer(5, () => seen.push("new timer"));
    });
    await scheduler.run(20);
    expect(seen).toEqual(["new timer"]);
  });

  it("delivers nothing while stopped, and everything in order afterwards (F17)", async () => {
    const scheduler = new Scheduler();
    const node = host(scheduler);
    node.boot();
    const seen: string[] = [];
    const cancelled = node.clock.port().setTimer(4, () => seen.push("cancelled"));
    node.clock.port().setTimer(3, () => {
      seen.push(`timer at ${scheduler.nowMs}`);
      cancelled.cancel();
    });
    node.after(6, "x", () => seen.push("first"));
    node.after(7, "x", () => seen.push("second"));
    scheduler.after(1, "x", () => node.pause());
    scheduler.after(50, "x", () => node.resume());
    scheduler.after(50, "x", () => node.enter(node.incarnation, () => seen.push("fresh")));
    await scheduler.run(100);
    expect(seen).toEqual(["timer at 50", "first", "second", "fresh"]);
  });

  it("keeps timers true to a drifting clock (F36), time rising in a jump (F34)", async () => {
    const scheduler = new Scheduler();
    const node = host(scheduler);
    node.boot();
    const clock = node.clock.port();
    const start = clock.now();
    let firedAt = 0;
    node.clock.set({ rate: 2 });
    clock.setTimer(100, () => (firedAt = scheduler.nowMs));
    const wall = clock.wallTime();
    node.clock.set({ wallOffsetMs: -5000 });
    expect(clock.wallTime()).toBe(wall - 5000);
    expect(clock.now()).toBe(start);
    await scheduler.run(1000);
    expect(firedAt).toBeGreaterThan(49.9);
    expect(firedAt).toBeLessThan(51);
  });

  it("tells how late a timer of before the fault's end may still be (F37, seed 469)", async () => {
    const scheduler = new Scheduler();
    const node = host(scheduler);
    node.boot();
    let firedAt = 0;
    node.clock.set({ timerLateMs: 3000 });
    node.clock.port().setTimer(100, () => (firedAt = scheduler.nowMs));
    node.clock.set({ timerLateMs: 0 });
    await scheduler.run(100);
    expect([firedAt, node.clock.timerLateMs]).toEqual([0, 3000]);
    await scheduler.run(3200);
    expect(firedAt).toBeGreaterThan(100);
    expect(node.clock.timerLateMs).toBe(0);
  });

  it("dies at the chosen call of a port, whose later calls change nothing (F16)", async () => {
    const scheduler = new Scheduler();
    const node = host(scheduler);
    node.boot();
    const seen: string[] = [];
    const clock = node.clock.port();
    node.killAtPortCall(2);
    node.after(1, "x", () => {
      clock.defer(() => seen.push("one"));
      clock.defer(() => seen.push("two"));
      clock.defer(() => seen.push("three"));
    });
    await scheduler.run(10);
    expect(node.isAlive).toBe(false);
    expect(seen).toEqual([]);
  });

  it("ends the process on what its code throws", async () => {
    const scheduler = new Scheduler();
    const seen: unknown[] = [];
    const node = new NodeHost(toNodeId(2), scheduler, new RandomStream(1), {
      onUncaught: (_host, error) => seen.push(error),
    });
    node.boot();
    const bug = new Error("a bug");
    node.after(1, "x", () => {
      throw bug;
    });
    await scheduler.run(10);
    expect(seen).toEqual([bug]);
    expect(node.isAlive).toBe(false);
  });
});
