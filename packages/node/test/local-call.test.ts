import { QuorateError, toEpoch, makeTxnid } from "@quorate/protocol";
import { encodeDelete, encodeRead, ZnodeOp, isZnodeRead } from "@quorate/znode";
import { describe, expect, test } from "vitest";
import { localCall } from "../src/embed/local-call.js";
import { RequestOrder } from "../src/native/request-order.js";
import type { ServiceDesk } from "../src/native/service-desk.js";

describe("a local call", () => {
  test("Invariant 8: a write that waits when its session ends is not begun", async () => {
    const submitted: string[] = [];
    let endRead: (content: Uint8Array) => void = () => undefined;
    let ending: QuorateError | null = null;
    const call = localCall(
      {
        server: {
          submit: async (_op, key) => {
            submitted.push(key);
            return Promise.resolve({ txnid: makeTxnid(toEpoch(1), 1), content: new Uint8Array(0) });
          },
          read: () => new Promise((resolve) => (endRead = resolve)),
        },
        // A handler of the host's own: there is no tree that could answer at once.
        desk: { tree: null } as ServiceDesk,
        isRead: isZnodeRead,
        clock: { setTimer: () => ({ cancel: () => undefined }) },
      },
      new RequestOrder(),
      () => new Uint8Array(0),
      () => ending,
    );
    const remove = (path: string) =>
      call(ZnodeOp.delete, path, encodeDelete(), { isWrite: true, linearizable: false });
    await remove("/before");
    const read = call(ZnodeOp.get, "/a", encodeRead(), { isWrite: false, linearizable: true });
    const waiting = remove("/waiting");
    ending = new QuorateError("ERR_SESSION_MOVED", "another has it");
    endRead(new Uint8Array(0));
    await read;
    await expect(waiting).rejects.toBe(ending);
    expect(submitted).toEqual(["/before"]);
  });
});
