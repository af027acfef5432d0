import { describe, expect, it } from "vitest";
import {
  CommittedStream,
  makeTxnid,
  QuorateError,
  type CommittedEvent,
  type Txnid,
} from "../src/index.js";

const at = (counter: number): Txnid => makeTxnid(1, counter);
const event = (counter: number): CommittedEvent => ({
  txnid: at(counter),
  operations: [{ kind: "delete", path: "/a" }],
});

function open(bookmarks = false): { stream: CommittedStream; taken: Txnid[]; returns: number[] } {
  const taken: Txnid[] = [];
  const returns: number[] = [];
  const stream = new CommittedStream({
    bookmarks,
    onTaken: (upTo) => void taken.push(upTo),
    onReturn: () => void returns.push(1),
  });
  return { stream, taken, returns };
}

describe("a stream of committed events", () => {
  it("gives what was pushed, before and after it was asked for", async () => {
    const { stream } = open();
    stream.push(at(2), [event(1), event(2)]);
    const got = [await stream.next(), await stream.next()];
    const waiting = [stream.next(), stream.next()];
    stream.push(at(5), [event(3)]);
    stream.push(at(6), [event(6)]);
    got.push(...(await Promise.all(waiting)));
    expect(got.map(({ value }) => value?.txnid)).toEqual([at(1), at(2), at(3), at(6)]);
  });

  it("tells what was taken when the next is asked for, the mark with the last of a message", () => {
    const { stream, taken } = open();
    stream.push(at(9), [event(1), event(2)]);
    void stream.next();
    expect(taken).toEqual([]);
    void stream.next();
    expect(taken).toEqual([at(1)]);
    void stream.next();
    expect(taken).toEqual([at(1), at(9)]);
  });

  it("takes a bookmark at once when nothing stands before it, else with what does", () => {
    const { stream, taken } = open();
    stream.push(at(1), []);
    expect(taken).toEqual([at(1)]);
    stream.push(at(2), [event(2)]);
    stream.push(at(3), []);
    void stream.next();
    stream.push(at(4), []);
    expect(taken).toEqual([at(1)]);
    void stream.next();
    expect(taken).toEqual([at(1), at(4)]);
  });

  it("gives bookmarks out where they were asked for", async () => {
    const { stream } = open(true);
    stream.push(at(1), []);
    expect((await stream.next()).value).toEqual({ txnid: at(1), operations: [] });
  });

  it("gives out what it has before the error, and the error once", async () => {
    const { stream } = open();
    stream.push(at(1), [event(1)]);
    stream.end(new QuorateError("ERR_CLIENT_TOO_SLOW", "slow"));
    stream.push(at(2), [event(2)]);
    expect((await stream.next()).value?.txnid).toBe(at(1));
    await expect(stream.next()).rejects.toMatchObject({ code: "ERR_CLIENT_TOO_SLOW" });
    expect(await stream.next()).toEqual({ done: true, value: undefined });
  });

  it("rejects whoever waits, and ends the others", async () => {
    const { stream } = open();
    const first = stream.next();
    const second = stream.next();
    stream.end(new QuorateError("ERR_CLIENT_CLOSED", "closed"));
    await expect(first).rejects.toMatchObject({ code: "ERR_CLIENT_CLOSED" });
    expect(await second).toMatchObject({ done: true });
  });

  it("tells when the consumer breaks off, once, and forgets what it had", async () => {
    const { stream, returns } = open();
    stream.push(at(2), [event(1), event(2)]);
    for await (const { txnid } of stream) {
      expect(txnid).toBe(at(1));
      break;
    }
    expect(returns).toEqual([1]);
    expect(await stream.next()).toMatchObject({ done: true });
    await stream.return();
    expect(returns).toEqual([1]);
  });
});
