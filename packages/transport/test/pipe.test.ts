import { afterEach, describe, expect, test } from "vitest";
import {
  CONTENT_BYTES_MAX,
  FRAME_MESSAGES_MAX,
  makeTxnid,
  PIPE_QUEUE_BYTES_MAX,
  QuorateError,
  type PeerMsg,
  type PeerPipe,
} from "@quorate/protocol";
import { FakeNames, makeDeps, Network, until } from "./network.js";

let network = new Network();
afterEach(async () => {
  await network.close();
  network = new Network();
});

async function pair(): Promise<{ readonly near: PeerPipe; readonly far: PeerPipe }> {
  const listener = await network.listen();
  const near = await network.dial(listener);
  await until(() => listener.pipes.length === 1);
  const [far] = listener.pipes;
  if (far === undefined) throw new Error("no pipe");
  return { near, far };
}

const request = (reqId: number, contentBytes: number): PeerMsg => ({
  kind: "request",
  reqId: BigInt(reqId),
  op: 1,
  key: "/k",
  content: new Uint8Array(contentBytes),
});
const commit = (counter: number): PeerMsg => ({ kind: "commit", txnid: makeTxnid(1, counter) });

describe("a pipe over a socket", () => {
  test("splits what is much into frames that stay within their bounds", async () => {
    const { near, far } = await pair();
    const sizes: number[] = [];
    let messages = 0;
    far.attach({
      onMessages: (batch) => {
        messages += batch.length;
        sizes.push(batch.length);
      },
      onClose: () => undefined,
    });
    for (let i = 0; i < FRAME_MESSAGES_MAX + 5; i += 1) near.send(commit(i));
    for (let i = 0; i < 5; i += 1) near.send(request(i, 700_000));
    await until(() => messages === FRAME_MESSAGES_MAX + 10);
    expect(Math.max(...sizes)).toBe(FRAME_MESSAGES_MAX);
    // Two requests of 700,000 bytes never share a frame.
    expect(sizes.slice(1)).toEqual([6, 1, 1, 1, 1]);
  });

  test("F14: each dial asks for a name's address, so a peer that moved is found", async () => {
    const names = new FakeNames();
    const first = await network.listen();
    const { port } = first.address;
    const moved = await network.listen({ bind: { host: "127.0.0.2", port } });
    const dial = (): Promise<PeerPipe> => {
      const deps = { ...makeDeps(), lookup: names.lookup };
      const named = { address: { host: "node-2.test", port } };
      return network.dial(named, {}, undefined, undefined, deps);
    };
    await dial();
    expect([first.pipes.length, moved.pipes.length]).toEqual([1, 0]);
    await first.close();
    await expect(dial()).rejects.toMatchObject({ code: "ERR_PROTOCOL_CLOSED" });
    names.address = "127.0.0.2";
    await dial();
    await until(() => moved.pipes.length === 1);
    expect(names.asked).toEqual(["node-2.test", "node-2.test", "node-2.test"]);
  });

  test("a receiver that does not keep up costs the pipe, not the memory (F15)", async () => {
    const { near, far } = await pair();
    let reason: QuorateError | undefined;
    near.attach({ onMessages: () => undefined, onClose: (error) => (reason = error) });
    let sent = 0;
    let queuedBytesMax = 0;
    expect(near.queuedBytes).toBe(0);
    await until(() => {
      queuedBytesMax = Math.max(queuedBytesMax, near.queuedBytes);
      near.send(request(sent, CONTENT_BYTES_MAX));
      sent += 1;
      return reason !== undefined;
    });
    expect(reason?.code).toBe("ERR_PROTOCOL_OVERFLOW");
    // It is told how much waits, up to the bound.
    expect(queuedBytesMax).toBeGreaterThan(PIPE_QUEUE_BYTES_MAX / 2);
    expect(queuedBytesMax).toBeLessThanOrEqual(PIPE_QUEUE_BYTES_MAX);
    // The far end was never attached: it holds a bounded part, sees a prefix, then the end.
    const received: bigint[] = [];
    let isEnded = false;
    far.attach({
      onMessages: (messages) => {
        for (const m of messages) if (m.kind === "request") received.push(m.reqId);
      },
      onClose: () => (isEnded = true),
    });
    await until(() => isEnded);
    expect(received).toEqual(received.map((_, i) => BigInt(i)));
    expect(received.length).toBeLessThan(sent);
  });

  test("a paused receiver gets all of it once it is attached", async () => {
    const { near, far } = await pair();
    near.attach({ onMessages: () => undefined, onClose: () => undefined });
    for (let i = 0; i < 40; i += 1) near.send(request(i, CONTENT_BYTES_MAX));
    const received: bigint[] = [];
    far.attach({
      onMessages: (messages) => {
        for (const m of messages) if (m.kind === "request") received.push(m.reqId);
      },
      onClose: () => undefined,
    });
    await until(() => received.length === 40);
    expect(received).toEqual(received.map((_, i) => BigInt(i)));
  });

  test("what was held stays before what comes while it is handed over", async () => {
    const deferred: (() => void)[] = [];
    const deps = makeDeps();
    const clock = { ...deps.clock, defer: (callback: () => void) => deferred.push(callback) };
    const listener = await network.listen({}, { ...deps, clock });
    const near = await network.dial(listener);
    await until(() => listener.pipes.length === 1);
    const sendAndWait = async (counter: number): Promise<void> => {
      const before = deps.meter.of("peer_1_received_bytes");
      near.send(commit(counter));
      await until(() => deps.meter.of("peer_1_received_bytes") > before);
    };
    await sendAndWait(1);
    await sendAndWait(2);
    const received: PeerMsg[] = [];
    listener.pipes[0]?.attach({
      onMessages: (messages) => received.push(...messages),
      onClose: () => undefined,
    });
    await sendAndWait(3);
    expect(received).toEqual([]);
    for (const callback of deferred) callback();
    expect(received).toEqual([commit(1), commit(2), commit(3)]);
  });

  test("an owner that closes on the first of several held frames hears no other", async () => {
    const deps = makeDeps();
    const listener = await network.listen({}, deps);
    const near = await network.dial(listener);
    await until(() => listener.pipes.length === 1);
    near.send(request(1, 700_000));
    near.send(request(2, 700_000));
    await until(() => deps.meter.of("peer_1_received_bytes") > 1_400_000);
    const [far] = listener.pipes;
    let frames = 0;
    let isClosed = false;
    far?.attach({
      onMessages: () => {
        frames += 1;
        far.close(new QuorateError("ERR_SERVER_CLOSED", "enough"));
      },
      onClose: () => (isClosed = true),
    });
    await until(() => isClosed);
    expect(frames).toBe(1);
  });

  test("the owner's reason travels to the other side as a detail", async () => {
    const { near, far } = await pair();
    let reason: QuorateError | undefined;
    far.attach({ onMessages: () => undefined, onClose: (error) => (reason = error) });
    near.attach({ onMessages: () => undefined, onClose: () => undefined });
    near.close(new QuorateError("ERR_SERVER_DUPLICATE_ID", "another directory"));
    await until(() => reason !== undefined);
    expect(reason).toMatchObject({
      code: "ERR_PROTOCOL_CLOSED",
      details: { peerCode: "ERR_SERVER_DUPLICATE_ID" },
    });
  });

  test("a message that no frame can hold ends the pipe instead of leaving a hole", async () => {
    const { near } = await pair();
    let reason: QuorateError | undefined;
    near.attach({ onMessages: () => undefined, onClose: (error) => (reason = error) });
    near.send({ kind: "accept", txnid: makeTxnid(1, 1), fid: "not a node id" });
    near.send(commit(1));
    await until(() => reason !== undefined);
    expect(reason?.code).toBe("ERR_PROTOCOL_CLOSED");
  });

  test("a peer may come again, and its bytes are counted", async () => {
    const deps = makeDeps();
    const listener = await network.listen({}, deps);
    for (let i = 1; i <= 3; i += 1) {
      const pipe = await network.dial(listener);
      await until(() => listener.pipes.length === i);
      const received: PeerMsg[] = [];
      let isClosed = false;
      listener.pipes[i - 1]?.attach({
        onMessages: (messages) => received.push(...messages),
        onClose: () => (isClosed = true),
      });
      pipe.send(commit(i));
      pipe.close(new QuorateError("ERR_SERVER_CLOSED", "again"));
      await until(() => isClosed);
      expect(received).toEqual([commit(i)]);
    }
    expect(deps.meter.of("peer_1_received_bytes")).toBe(3 * 13);
  });
});
