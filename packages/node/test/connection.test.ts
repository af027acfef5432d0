import { EventEmitter, once } from "node:events";
import type { AddressInfo } from "node:net";
import { WebSocketServer, type WebSocket } from "ws";
import { describe, expect, it, vi } from "vitest";
import {
  InvariantError,
  silentMeter,
  TXNID_ZERO,
  type Meter,
  type RequestOutcome,
  type Service,
} from "@quorate/protocol";
import {
  decodeNativeReplies,
  encodeNativeRequests,
  encodeWatch,
  NATIVE_OP_PING,
  NATIVE_OP_SESSION,
  NATIVE_OP_SESSION_END,
  NATIVE_OP_WATCH,
  type NativeRequest,
} from "@quorate/codec";
import { idleService } from "@quorate/testkit";
import { createRandom } from "@quorate/transport";
import { NativeConnection, type ConnectionDeps } from "../src/native/connection.js";
import { MESSAGE_OVERHEAD_BYTES } from "../src/native/outbox.js";
import { ServiceDesk } from "../src/native/service-desk.js";
import { FakeOp, RawClient, realClock, RecordingLogger, until } from "./support.js";

const NO_BYTES = new Uint8Array(0);
const DEFECT = "a request failed unexpectedly";

/** Of a client that takes all that it is sent. */
class FakeSocket extends EventEmitter {
  readonly bufferedAmount = 0;
  isPaused = false;
  readonly answered: number[] = [];

  send(frame: Uint8Array, _options: object, callback: () => void): void {
    this.answered.push(...decodeNativeReplies(frame).map(({ id }) => id));
    callback();
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  /** What its client sends in one frame. */
  hears(op: number, ...ids: number[]): void {
    this.asks(...ids.map((id) => ({ id, op, key: "", content: NO_BYTES })));
  }

  asks(...requests: Omit<NativeRequest, "linearizable">[]): void {
    const whole = requests.map((one) => ({ ...one, linearizable: one.op === FakeOp.read }));
    this.emit("message", Buffer.from(encodeNativeRequests(whole)), true);
  }
}

class CountingMeter implements Meter {
  readonly counts = new Map<string, number>();
  observe = silentMeter.observe;
  gauge = silentMeter.gauge;

  count = (name: string, by = 1): void => {
    this.counts.set(name, (this.counts.get(name) ?? 0) + by);
  };
}

type Parts = Pick<ConnectionDeps, "isRead" | "server">;

const answering: Parts = {
  isRead: (op) => op === FakeOp.read,
  server: {
    submit: () => Promise.resolve({ txnid: TXNID_ZERO, content: NO_BYTES }),
    read: () => Promise.resolve(NO_BYTES),
    subscribe: () => {
      throw new TypeError("a defect");
    },
  },
};

function setUp(parts: Partial<Parts>) {
  const logger = new RecordingLogger();
  const meter = new CountingMeter();
  const budget = { bytes: 0 };
  const desk = new ServiceDesk({ clock: realClock, random: createRandom() });
  const deps: Partial<ConnectionDeps> = {
    ...answering,
    ...parts,
    clock: realClock,
    logger,
    meter,
    budget,
    desk,
    address: "",
  };
  const join = (socket: unknown): void =>
    void new NativeConnection(socket as WebSocket, deps as ConnectionDeps);
  return { logger, meter, budget, desk, join };
}

/** A client of it over a socket as ws has it. */
async function overWs(parts: Partial<Parts>) {
  const setup = setUp(parts);
  const server = new WebSocketServer({
    port: 0,
    host: "127.0.0.1",
    handleProtocols: ([first]) => first ?? false,
  });
  server.on("connection", setup.join);
  await once(server, "listening");
  const client = await RawClient.connect(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  return {
    ...setup,
    client,
    outcomes: () =>
      client.replies.map(({ id, ...reply }) => [id, reply.ok ? "ok" : reply.error.code] as const),
    [Symbol.dispose](): void {
      client[Symbol.dispose]();
      server.close();
    },
  };
}

describe("a native connection on which the server fails", () => {
  const thrower = (): never => {
    throw new TypeError("a defect");
  };

  it("answers the request and goes on, in its frame and behind it", async () => {
    using setup = await overWs({ isRead: (op) => op === FakeOp.read && thrower() });
    const { client, logger, meter, budget, outcomes } = setup;
    client.send({ id: 1, op: NATIVE_OP_PING });
    await until(() => client.replies.length === 1);
    client.send({ id: 2, op: FakeOp.read }, { id: 3, op: NATIVE_OP_PING });
    await until(() => client.replies.length === 3);
    client.send({ id: 4, op: FakeOp.write });
    client.send({ id: 5, op: NATIVE_OP_PING });
    await until(() => client.replies.length === 5);
    expect(new Map(outcomes())).toEqual(
      new Map([
        [1, "ok"],
        [2, "ERR_SERVER_INTERNAL"],
        [3, "ok"],
        [4, "ok"],
        [5, "ok"],
      ]),
    );
    expect(logger.lines).toEqual([DEFECT]);
    expect(meter.counts.get("native_requests_failed")).toBe(1);
    expect(budget.bytes).toBe(0);
  });

  it("gives back the place and the bytes of what had begun, so that others have their turn", async () => {
    let fails = true;
    const failing = <Args extends unknown[], Result>(run: (...args: Args) => Result) => {
      return (...args: Args): Result => (fails ? thrower() : run(...args));
    };
    const { read, submit, subscribe } = answering.server;
    const server = { read: failing(read), submit: failing(submit), subscribe };
    using setup = await overWs({ server });
    const { client, meter, budget, outcomes } = setup;
    client.send({ id: 1, op: FakeOp.read, linearizable: true }, { id: 2, op: FakeOp.write });
    await until(() => client.replies.length === 2);
    fails = false;
    client.send({ id: 3, op: FakeOp.write }, { id: 4, op: FakeOp.read, linearizable: true });
    client.send({ id: 5, op: FakeOp.write });
    await until(() => client.replies.length === 5);
    expect(outcomes()).toEqual([
      [1, "ERR_SERVER_INTERNAL"],
      [2, "ERR_SERVER_INTERNAL"],
      [3, "ok"],
      [4, "ok"],
      [5, "ok"],
    ]);
    expect(meter.counts.get("native_requests_failed")).toBe(2);
    await until(() => budget.bytes === 0);
  });

  it("keeps it to the one whose turn came as another was answered", async () => {
    const server = { ...answering.server, read: thrower };
    using setup = await overWs({ server });
    setup.client.send({ id: 1 }, { id: 2, op: FakeOp.read }, { id: 3 });
    await until(() => setup.client.replies.length === 3);
    expect(new Map(setup.outcomes()).get(2)).toBe("ERR_SERVER_INTERNAL");
    expect(setup.outcomes().filter(([, code]) => code === "ok")).toHaveLength(2);
  });

  it("takes on more when opening a session has failed", async () => {
    using setup = await overWs({});
    Object.defineProperty(setup.desk, "service", { get: thrower });
    const content = new Uint8Array(13);
    setup.client.send({ id: 1, op: NATIVE_OP_SESSION, key: "", content });
    setup.client.send({ id: 2, op: NATIVE_OP_PING });
    await until(() => setup.client.replies.length === 2);
    expect(setup.outcomes()).toEqual([
      [1, "ERR_SERVER_INTERNAL"],
      [2, "ok"],
    ]);
  });

  it("answers a read that fails once the node has caught up", async () => {
    const caughtUp: ((error: null) => void)[] = [];
    using setup = await overWs({});
    setup.desk.open({
      ...idleService,
      isServing: true,
      catchUp: (complete) => void caughtUp.push(complete),
      readNow: thrower,
    });
    setup.client.send({ id: 1, op: FakeOp.read, linearizable: true });
    await until(() => caughtUp.length === 1);
    expect(() => caughtUp[0]?.(null)).not.toThrow();
    await until(() => setup.client.replies.length === 1);
    expect(setup.outcomes()).toEqual([[1, "ERR_SERVER_INTERNAL"]]);
    expect(setup.budget.bytes).toBe(0);
  });

  it("lets nobody go on over a broken invariant", () => {
    const broken = (): never => {
      throw new InvariantError("it holds");
    };
    for (const parts of [{ isRead: broken }, { server: { ...answering.server, read: broken } }]) {
      const socket = new FakeSocket();
      setUp(parts).join(socket);
      expect(() => socket.hears(FakeOp.read, 1)).toThrow(InvariantError);
    }
  });
});

describe("the end of a session", () => {
  it("waits alone behind a slow read: what follows stays in the socket", async () => {
    let endRead: (content: Uint8Array) => void = () => undefined;
    const read = (): Promise<Uint8Array> => new Promise((resolve) => (endRead = resolve));
    const { join, budget } = setUp({ server: { ...answering.server, read } });
    const socket = new FakeSocket();
    join(socket);
    socket.hears(FakeOp.read, 1);
    expect(socket.isPaused).toBe(false);
    const ids = Array.from({ length: 1000 }, (_, i) => i + 2);
    socket.hears(NATIVE_OP_SESSION_END, ...ids);
    expect(socket.isPaused).toBe(true);
    expect(budget.bytes).toBe(2 * MESSAGE_OVERHEAD_BYTES);
    endRead(NO_BYTES);
    await until(() => socket.answered.length === 1001);
    expect(socket.answered).toEqual([1, ...ids]);
    expect(socket.isPaused).toBe(false);
    expect(budget.bytes).toBe(0);
  });
});

describe("a native connection that is gone", () => {
  it("has no watch set that waited for its turn", () => {
    const complete: ((outcome: RequestOutcome) => void)[] = [];
    const service: Service = {
      ...idleService,
      isServing: true,
      submit: (_op, _key, _content, told) => void complete.push(told),
      readNow: () => ({ ok: true, content: NO_BYTES }),
    };
    const { join, desk, budget } = setUp({});
    desk.open(service);
    const watch = vi.spyOn(desk, "watch");
    const ask = (socket: FakeSocket): void => {
      socket.asks(
        { id: 1, op: FakeOp.write, key: "/a", content: NO_BYTES },
        { id: 2, op: NATIVE_OP_WATCH, key: "/a", content: encodeWatch("data") },
      );
    };
    const [staying, leaving] = [new FakeSocket(), new FakeSocket()];
    for (const socket of [staying, leaving]) {
      join(socket);
      ask(socket);
    }
    leaving.emit("close");
    for (const told of complete) told({ ok: true, txnid: TXNID_ZERO, content: NO_BYTES });
    expect(watch).toHaveBeenCalledTimes(1);
    expect(budget.bytes).toBe(0);
  });
});
