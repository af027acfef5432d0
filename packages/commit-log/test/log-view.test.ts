import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { LOG_START, TXNID_ZERO, type LogPosition, type Txnid } from "@quorate/protocol";
import { History } from "@quorate/testkit";
import { LogView } from "../src/log-view.js";
import { TicketLanes } from "../src/ticket-lanes.js";

type Step =
  | { readonly kind: "append"; readonly entries: number }
  | { readonly kind: "truncate"; readonly share: number }
  | { readonly kind: "persist"; readonly share: number };

const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("append" as const), entries: fc.integer({ min: 1, max: 4 }) }),
    fc.record({
      kind: fc.constant("truncate" as const),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    fc.record({
      kind: fc.constant("persist" as const),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  ),
  { maxLength: 40 },
);

describe("the view of a log whose writes are on their way", () => {
  test("finds what a list of all boundaries finds, or asks the file for what is in it", () => {
    fc.assert(
      fc.property(steps, (script: readonly Step[]) => {
        const view = new LogView(LOG_START, LOG_START, TXNID_ZERO);
        let all: LogPosition[] = [LOG_START];
        let ticket = 0;
        let persisted = 0;
        for (const step of script) {
          const end = all.at(-1) ?? LOG_START;
          if (step.kind === "append") {
            const batch = new History(end).next(step.entries, 1);
            view.checkAppend([batch], TXNID_ZERO);
            view.append([batch], TXNID_ZERO, (ticket += 1));
            all.push({ txnid: batch.last, chain: batch.chain });
          } else if (step.kind === "truncate") {
            all = all.slice(0, 1 + Math.floor(step.share * (all.length - 1)));
            const after = all.at(-1) ?? LOG_START;
            view.checkTruncate(after);
            view.truncate(after);
            ticket += 1;
          } else {
            persisted = Math.max(persisted, Math.floor(step.share * ticket));
            view.persisted(persisted);
          }
          expect(view.end).toEqual(all.at(-1));
          for (
            let txnid = 0n;
            txnid <= end.txnid + 2n;
            txnid += txnid === 0n ? end.txnid || 1n : 1n
          ) {
            const expected = all.findLast((position) => position.txnid <= txnid);
            const found = view.find(txnid as Txnid);
            if (found.kind === "known") expect(found.position).toEqual(expected);
            else expect(expected?.txnid).toBeLessThan(view.end.txnid);
          }
        }
        view.persisted(ticket);
        expect(view.ticketOf(view.end.txnid)).toBe(0);
      }),
    );
  });
});

describe("tickets of two threads", () => {
  test("are answered as one rising row, up to the first that is open in either", async () => {
    const lanes = new TicketLanes();
    const [first, second, third, fourth] = [
      lanes.take("log"),
      lanes.take("state"),
      lanes.take("log"),
      lanes.take("state"),
    ];
    expect(lanes.answer("log", third)).toBe(true);
    expect(lanes.answered).toBe(first);
    expect(lanes.answer("state", second)).toBe(true);
    expect(lanes.answered).toBe(third);
    const waiting = lanes.until(fourth);
    expect(lanes.answer("log", third)).toBe(false);
    expect(lanes.answer("state", fourth)).toBe(true);
    lanes.release();
    await expect(waiting).resolves.toBeUndefined();
    expect(lanes.answered).toBe(fourth);
  });
});
