import { describe, expect, test } from "vitest";
import type { ByteChannel } from "../src/byte-channel.js";
import { Outbox } from "../src/connection/outbox.js";

class Recorder implements ByteChannel {
  readonly remoteAddress = "127.0.0.1";
  readonly remotePort = 40_000;
  bufferedBytes = 0;
  readonly written: Uint8Array[] = [];

  attach(): void {
    throw new Error("an outbox does not listen");
  }

  write(bytes: Uint8Array): void {
    this.written.push(bytes);
  }

  pause(): void {
    throw new Error("an outbox does not read");
  }

  resume(): void {
    throw new Error("an outbox does not read");
  }

  end(): void {
    throw new Error("an outbox does not end");
  }

  destroy(): void {
    throw new Error("an outbox does not end");
  }
}

const event = Uint8Array.of(1, 2, 3);

function box(): { channel: Recorder; outbox: Outbox } {
  const channel = new Recorder();
  return { channel, outbox: new Outbox(channel, () => 7) };
}

describe("what goes to a client", () => {
  test("is a shared frame itself, when there is nothing else in the turn", () => {
    const { channel, outbox } = box();
    outbox.share(event);
    expect(outbox.untaken).toBe(3);
    outbox.flush();
    expect(channel.written[0]).toBe(event);
    outbox.flush();
    expect(channel.written).toHaveLength(1);
  });

  test("is in its order and one piece, whatever was shared of it", () => {
    const { channel, outbox } = box();
    outbox.share(event);
    outbox.writer.int(9);
    outbox.share(event);
    outbox.flush();
    outbox.share(event);
    outbox.share(Uint8Array.of(4));
    outbox.flush();
    expect(channel.written.map((bytes) => [...bytes])).toEqual([
      [1, 2, 3, 0, 0, 0, 9, 1, 2, 3],
      [1, 2, 3, 4],
    ]);
    expect([...event]).toEqual([1, 2, 3]);
  });

  test("is dropped with the connection, shared or not", () => {
    const { channel, outbox } = box();
    outbox.share(event);
    outbox.drop();
    outbox.flush();
    expect(outbox.untaken).toBe(0);
    expect(channel.written).toEqual([]);
  });

  test("counts towards the bound with what the channel holds yet", () => {
    const { channel, outbox } = box();
    outbox.share(event);
    expect(outbox.exceeds(3)).toBe(false);
    expect(outbox.exceeds(2)).toBe(true);
    outbox.flush();
    expect(outbox.exceeds(0)).toBe(false);
    outbox.share(event);
    channel.bufferedBytes = 3;
    outbox.flush();
    outbox.share(event);
    expect(outbox.exceeds(6)).toBe(false);
    expect(outbox.exceeds(5)).toBe(true);
    // Taken meanwhile, which nobody has told yet.
    channel.bufferedBytes = 0;
    expect(outbox.exceeds(5)).toBe(false);
    expect(outbox.untakenSince).toBe(7);
  });
});
