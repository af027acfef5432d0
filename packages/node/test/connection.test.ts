import { EventEmitter } from "node:events";
import type { WebSocket } from "ws";
import { silentLogger, silentMeter } from "@quorate/protocol";
import { decodeNativeReplies, encodeNativeRequests, NATIVE_OP_PING } from "@quorate/codec";
import { createRandom } from "@quorate/transport";
import { describe, expect, it } from "vitest";
import { NativeConnection, type ConnectionDeps } from "../src/native/connection.js";
import { ServiceDesk } from "../src/native/service-desk.js";
import { FakeOp, realClock, until } from "./support.js";

/** Of a client that takes all that it is sent. */
class FakeSocket extends EventEmitter {
  readonly bufferedAmount = 0;
  readonly isPaused = false;
  readonly answered: number[] = [];

  send(frame: Uint8Array, _options: object, callback: () => void): void {
    this.answered.push(...decodeNativeReplies(frame).map(({ id }) => id));
    callback();
  }

  resume(): void {
    // It is not paused.
  }

  /** What its client sends in one frame: requests by their ids, 0 for the one that is a defect. */
  hears(...ids: number[]): void {
    const requests = ids.map((id) => ({
      id,
      op: id === 0 ? FakeOp.read : NATIVE_OP_PING,
      key: "/a",
      content: new Uint8Array(0),
      linearizable: false,
    }));
    this.emit("message", Buffer.from(encodeNativeRequests(requests)), true);
  }
}

describe("a native connection", () => {
  it("takes on what comes behind a request that the server fails on", async () => {
    const socket = new FakeSocket();
    const deps: Partial<ConnectionDeps> = {
      isRead: () => {
        throw new Error("a defect");
      },
      clock: realClock,
      logger: silentLogger,
      meter: silentMeter,
      budget: { bytes: 0 },
      desk: new ServiceDesk({ clock: realClock, random: createRandom() }),
      address: "",
    };
    new NativeConnection(socket as unknown as WebSocket, deps as ConnectionDeps);
    expect(() => socket.hears(0, 1)).toThrow("a defect");
    socket.hears(2);
    await until(() => socket.answered.length === 2);
    expect(socket.answered).toEqual([1, 2]);
  });
});
