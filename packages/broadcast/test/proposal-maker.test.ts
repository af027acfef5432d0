import {
  BATCH_BYTES_SOFT_MAX,
  BATCH_ENTRIES_MAX,
  entriesOf,
  followsPosition,
  LEADER_QUEUE_BYTES_MAX,
  LEADER_QUEUE_REQUESTS_MAX,
  LOG_START,
  OpCode,
  positionOf,
  toEpoch,
  TXN_COUNTER_MAX,
  type LogPosition,
} from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import { ProposalMaker } from "../src/proposal-maker.js";
import { FakeHost, request, testHash, txnid } from "./support.js";

function makerOf(end: LogPosition = LOG_START) {
  const host = new FakeHost();
  const refused: bigint[] = [];
  const maker = new ProposalMaker(toEpoch(1), end, {
    handler: host.handler,
    chainHash: testHash,
    onRefused: (_fid, { reqId }) => void refused.push(reqId),
  });
  return { host, maker, refused };
}

describe("making proposals", () => {
  test("a refused request draws no txnid and leaves no hole", () => {
    const { host, maker, refused } = makerOf();
    host.refuse = ({ reqId }) => reqId === 2n;
    for (const number of [1, 2, 3]) maker.add("1", request(number));
    const batch = maker.next();
    expect(refused).toEqual([2n]);
    expect(batch && entriesOf(batch).map((entry) => [entry.txnid, entry.reqId])).toEqual([
      [txnid(1), 1n],
      [txnid(2), 3n],
    ]);
  });

  test("Invariant 8: who prepares a request is told by which node it came, of the leader's own by none", () => {
    const { host, maker } = makerOf();
    maker.add("1", request(1));
    maker.add("2", request(2));
    maker.add("1", request(3), true);
    maker.next();
    expect(host.origins).toEqual([1, 2, undefined]);
  });

  test("nothing but refusals makes no batch", () => {
    const { host, maker } = makerOf();
    host.refuse = () => true;
    maker.add("1", request(1));
    expect(maker.next()).toBeUndefined();
    expect(maker.waiting).toBe(0);
  });

  test("closes a batch at its bounds, and batches continue one another", () => {
    const { maker } = makerOf();
    for (let i = 0; i < BATCH_ENTRIES_MAX + 1; i += 1) maker.add("1", request(i));
    const one = maker.next();
    const two = maker.next();
    expect([one?.count, two?.count]).toEqual([BATCH_ENTRIES_MAX, 1]);
    expect(one && two && followsPosition(two, positionOf(one))).toBe(true);
    const large = makerOf().maker;
    for (let i = 0; i < 3; i += 1) large.add("1", request(i, 1, BATCH_BYTES_SOFT_MAX));
    expect([large.next()?.count, large.next()?.count, large.next()?.count]).toEqual([1, 1, 1]);
  });

  test("the first txnid of an epoch has counter 1, whatever came before", () => {
    const { maker } = makerOf({ txnid: txnid(9, 0), chain: LOG_START.chain });
    maker.add("1", request(1));
    expect(maker.next()?.first).toBe(txnid(1));
  });

  test("ends the epoch rather than wrap its counter, and repeats no txnid", () => {
    const { maker } = makerOf({ txnid: txnid(TXN_COUNTER_MAX - 1), chain: LOG_START.chain });
    maker.add("1", request(1));
    expect(maker.next()?.last).toBe(txnid(TXN_COUNTER_MAX));
    maker.add("1", request(2));
    const exhausted = expect.objectContaining({ code: "ERR_PROTOCOL_TXNID_EXHAUSTED" });
    expect(() => maker.next()).toThrow(exhausted);
    // The request can still be refused: it left no trace.
    expect(maker.takeWaiting()).toHaveLength(1);
  });

  test("is bounded in requests and in bytes, but for the ensemble's own entries", () => {
    const { maker } = makerOf();
    for (let i = 0; i < LEADER_QUEUE_REQUESTS_MAX; i += 1) maker.add("1", request(i, 1, 0));
    expect(maker.add("1", request(0))).toBe(false);
    expect(maker.add("1", request(0, OpCode.admitVoter))).toBe(true);
    const large = makerOf().maker;
    expect(large.add("1", request(1, 1, LEADER_QUEUE_BYTES_MAX))).toBe(false);
  });
});
