import { expect, test } from "vitest";
import { encodeFrame } from "@quorate/codec";
import { makeTxnid, type PeerMsg } from "@quorate/protocol";
import { SharedFrames } from "../src/shared-frames.js";

const commit = (counter: number): PeerMsg => ({ kind: "commit", txnid: makeTxnid(1, counter) });

function make(): { frames: SharedFrames; endTurn: () => void } {
  const deferred: (() => void)[] = [];
  return {
    frames: new SharedFrames({ defer: (callback) => void deferred.push(callback) }),
    endTurn: () => {
      for (const callback of deferred.splice(0)) callback();
    },
  };
}

test("the same messages are encoded once within a turn", () => {
  const { frames, endTurn } = make();
  const messages = [commit(1), commit(2)];
  const frame = frames.encode(messages);
  expect(frame).toEqual(encodeFrame(messages));
  expect(frames.encode([...messages])).toBe(frame);
  endTurn();
  expect(frames.encode(messages)).not.toBe(frame);
});

test("equal is not the same, nor is a part or another order", () => {
  const { frames } = make();
  const [first, second] = [commit(1), commit(2)];
  frames.encode([first, second]);
  for (const messages of [[second, first], [first], [first, second, commit(3)], []]) {
    expect(frames.encode(messages)).toEqual(encodeFrame(messages));
  }
  const frame = frames.encode([first]);
  expect(frames.encode([commit(1)])).not.toBe(frame);
});
