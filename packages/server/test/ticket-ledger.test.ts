import { LOG_START } from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import { TicketLedger } from "../src/ticket-ledger.js";
import { VirtualClock } from "./support.js";

function ledgerOf() {
  const clock = new VirtualClock();
  const answered: number[] = [];
  const failures: unknown[] = [];
  const ledger = new TicketLedger({
    clock,
    onAnswered: (upTo) => void answered.push(upTo),
    onBarrierFailed: (error) => void failures.push(error),
  });
  return { clock, answered, failures, ledger };
}
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("the ledger of open writes", () => {
  test("tells the age of the oldest, and when nothing is open", async () => {
    const { clock, ledger } = ledgerOf();
    ledger.open(1);
    await clock.pass(30);
    ledger.open(2);
    expect(ledger.oldestAgeMs()).toBe(30);
    let isIdle = false;
    void ledger.idle().then(() => (isIdle = true));
    ledger.persisted(1, LOG_START);
    await settled();
    expect(isIdle).toBe(false);
    ledger.persisted(2, LOG_START);
    await settled();
    expect(isIdle).toBe(true);
    expect(ledger.oldestAgeMs()).toBe(0);
  });

  test("holds back every answer behind a barrier until its work is done", async () => {
    const { ledger, answered } = ledgerOf();
    let release: () => void = () => undefined;
    ledger.open(1, undefined, () => new Promise((resolve) => (release = resolve)));
    ledger.open(2);
    ledger.persisted(1, LOG_START);
    ledger.persisted(2, LOG_START);
    expect(answered).toEqual([]);
    release();
    await settled();
    expect(answered).toEqual([2]);
  });

  test("G24: a failed store ends the wait for it, and its tickets need not rise", async () => {
    const { ledger, answered } = ledgerOf();
    ledger.open(1);
    const idle = ledger.idle();
    ledger.fail();
    await idle;
    ledger.open(Number.MAX_SAFE_INTEGER);
    ledger.open(Number.MAX_SAFE_INTEGER);
    ledger.persisted(1, LOG_START);
    expect(answered).toEqual([]);
  });

  test("a barrier whose work fails is reported and answers nothing behind it", async () => {
    const { ledger, answered, failures } = ledgerOf();
    ledger.open(1, undefined, () => Promise.reject(new Error("unreadable")));
    ledger.persisted(1, LOG_START);
    await settled();
    expect([answered, failures.length]).toEqual([[], 1]);
  });
});
