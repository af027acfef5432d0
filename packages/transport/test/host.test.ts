import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { assertSafeBind, chainHash, createClock, createRandom } from "../src/index.js";

describe("the host's services", () => {
  test("the chain is the first 8 bytes of the block's SHA-256, big-endian", () => {
    const block = new Uint8Array([1, 2, 3]);
    const digest = createHash("sha256").update(block).digest("hex");
    expect(chainHash(block).toString(16).padStart(16, "0")).toBe(digest.slice(0, 16));
    // SHA-256 of nothing, from its standard.
    expect(chainHash(new Uint8Array())).toBe(0xe3b0c44298fc1c14n);
  });

  test("random numbers lie in their ranges and do not repeat", () => {
    const random = createRandom();
    const drawn = Array.from({ length: 3000 }, () => random.nextUint64());
    expect(new Set(drawn).size).toBe(3000);
    expect(drawn.every((value) => value >= 0n && value < 2n ** 64n)).toBe(true);
    const fractions = Array.from({ length: 3000 }, () => random.next());
    expect(fractions.every((value) => value >= 0 && value < 1)).toBe(true);
  });

  test("a timer waits and calls once, a cancelled one never, and nothing calls at once", async () => {
    const clock = createClock();
    const calls: string[] = [];
    const start = clock.now();
    clock.setTimer(1, () => calls.push("cancelled")).cancel();
    await new Promise<void>((resolve) => {
      clock.setTimer(5, () => {
        calls.push("timer");
        resolve();
      });
      clock.defer(() => calls.push("deferred"));
      calls.push("sync");
    });
    expect(calls).toEqual(["sync", "deferred", "timer"]);
    expect(clock.now() - start).toBeGreaterThanOrEqual(4);
    expect(Math.abs(clock.wallTime() - Date.now())).toBeLessThan(1000);
  });

  test.each(["0.0.0.0", "::", "10.0.0.1", "node-1.example", "::ffff:10.0.0.1"])(
    "%s without a secret is refused with the reason, with one it is not",
    (host) => {
      expect(() => {
        assertSafeBind({ host });
      }).toThrow(expect.objectContaining({ code: "ERR_CONFIG_INSECURE" }));
      expect(() => {
        assertSafeBind({ host, secret: "" });
      }).toThrow(/set a secret/);
      assertSafeBind({ host, secret: "s3cret" });
    },
  );

  test.each(["127.0.0.1", "127.9.9.9", "::1", "localhost", "::ffff:127.0.0.1"])(
    "%s needs no secret",
    (host) => {
      assertSafeBind({ host });
    },
  );
});
