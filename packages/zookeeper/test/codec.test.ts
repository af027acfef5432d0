import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Field } from "../src/jute/field.js";
import { FrameDecoder } from "../src/jute/frame.js";
import { ZkOp, ZkXid } from "../src/jute/op-codes.js";
import { JuteReader } from "../src/jute/reader.js";
import {
  ConnectRequest,
  ConnectResponse,
  ReplyHeader,
  RequestHeader,
  WatcherEvent,
} from "../src/jute/records.js";
import { requestRecords, responseRecords } from "../src/jute/schema.js";
import { JuteWriter } from "../src/jute/writer.js";

/** What python3-kazoo 2.8 and the Java client 3.8 said to a ZooKeeper 3.8, and what it answered. */
const recorded = readFileSync(new URL("../testdata/clients.txt", import.meta.url), "utf8");

interface Packet {
  readonly connection: string;
  readonly toServer: boolean;
  readonly bytes: Uint8Array;
}

const packets: readonly Packet[] = recorded
  .trim()
  .split("\n")
  .map((line) => {
    const [head = "", hex = ""] = line.split(" ");
    return { connection: head.slice(0, -1), toServer: head.endsWith(">"), bytes: fromHex(hex) };
  });

function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, "hex"));
}

/** Reads a packet by its fields, writes the values again, and expects the same bytes. */
function roundTrip(bytes: Uint8Array, fields: readonly Field<unknown>[], rest = 0): unknown[] {
  const reader = new JuteReader(bytes);
  const values = fields.map((field) => field.read(reader));
  expect(reader.remaining).toBe(rest);
  const writer = new JuteWriter(8);
  fields.forEach((field, i) => field.write(writer, values[i]));
  expect(Buffer.from(writer.bytes()).toString("hex")).toBe(
    Buffer.from(bytes.subarray(0, bytes.length - rest)).toString("hex"),
  );
  return values;
}

function present(field: Field<unknown> | null | undefined): Field<unknown>[] {
  expect(field).not.toBe(undefined);
  return field === null || field === undefined ? [] : [field];
}

describe("the codec against what real clients and a real server said", () => {
  test("every packet is read to its end and written again byte for byte", () => {
    const opsSeen = new Set<number>();
    for (const connection of new Set(packets.map((packet) => packet.connection))) {
      const opOfXid = new Map<number, number>();
      let hasConnected = { toServer: false, toClient: false };
      for (const { toServer, bytes } of packets.filter((p) => p.connection === connection)) {
        if (toServer) {
          if (!hasConnected.toServer) {
            roundTrip(bytes, [ConnectRequest], bytes.length - 44);
            hasConnected = { ...hasConnected, toServer: true };
            continue;
          }
          const { xid, type } = RequestHeader.read(new JuteReader(bytes));
          opOfXid.set(xid, type);
          opsSeen.add(type);
          roundTrip(bytes, [RequestHeader, ...present(requestRecords.get(type))]);
        } else if (!hasConnected.toClient) {
          roundTrip(bytes, [ConnectResponse], bytes.length - 36);
          hasConnected = { ...hasConnected, toClient: true };
        } else {
          const { xid, err } = ReplyHeader.read(new JuteReader(bytes));
          if (xid === ZkXid.notification) {
            roundTrip(bytes, [ReplyHeader, WatcherEvent]);
            continue;
          }
          const op = opOfXid.get(xid) ?? ZkOp.error;
          roundTrip(bytes, [ReplyHeader, ...(err === 0 ? present(responseRecords.get(op)) : [])]);
        }
      }
    }
    const neverSent: readonly number[] = [ZkOp.reconfig, ZkOp.sasl, ZkOp.checkWatches];
    const expected = [...requestRecords.keys()].filter((op) => !neverSent.includes(op));
    const notReplayed: readonly number[] = [ZkOp.setWatches, ZkOp.setWatches2, ZkOp.ping];
    expect([...opsSeen].sort()).toEqual(
      expect.arrayContaining(expected.filter((op) => !notReplayed.includes(op)).sort()),
    );
  });

  test("the packets come whole out of a stream in pieces of any size", () => {
    const sent = packets.filter((packet) => packet.toServer).map((packet) => packet.bytes);
    const stream = Buffer.concat(
      sent.map((bytes) => {
        const frame = Buffer.alloc(4 + bytes.length);
        frame.writeInt32BE(bytes.length);
        frame.set(bytes, 4);
        return frame;
      }),
    );
    for (const piece of [1, 2, 3, 5, 7, 64, 1000, stream.length]) {
      const decoder = new FrameDecoder(0xfffff);
      const received: string[] = [];
      for (let at = 0; at < stream.length; at += piece) {
        decoder.push(stream.subarray(at, at + piece));
        for (let packet = decoder.next(); packet !== null; packet = decoder.next()) {
          received.push(Buffer.from(packet).toString("hex"));
        }
      }
      expect(received).toEqual(sent.map((bytes) => Buffer.from(bytes).toString("hex")));
      expect(decoder.bufferedBytes).toBe(0);
    }
  });
});

describe("what no packet may be", () => {
  const int = (value: number): Uint8Array => {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setInt32(0, value);
    return bytes;
  };
  const refused = expect.objectContaining({ code: "ERR_PROTOCOL_DECODE" });
  const thrownBy = (act: () => unknown): unknown => {
    try {
      act();
    } catch (error) {
      return error;
    }
    return null;
  };

  test.each([-1, -(2 ** 31), 0x100000, 2 ** 31 - 1])("a length of %i is refused", (length) => {
    const decoder = new FrameDecoder(0xfffff);
    decoder.push(int(length));
    expect(thrownBy(() => decoder.next())).toEqual(refused);
  });

  test("the longest packet passes, and one byte more does not", () => {
    const decoder = new FrameDecoder(10);
    decoder.push(int(10));
    decoder.push(new Uint8Array(10));
    expect(decoder.next()).toHaveLength(10);
    decoder.push(int(11));
    expect(thrownBy(() => decoder.next())).toEqual(refused);
  });

  test("a length that was only announced takes no memory", () => {
    const decoder = new FrameDecoder(0xfffff);
    decoder.push(int(0xfffff));
    expect(decoder.next()).toBe(null);
    expect(decoder.bufferedBytes).toBe(4);
  });

  test("counts and lengths beyond the packet are refused; null and empty are told apart", () => {
    expect(thrownBy(() => new JuteReader(int(2 ** 31 - 1)).buffer())).toEqual(refused);
    expect(thrownBy(() => new JuteReader(int(-2)).buffer())).toEqual(refused);
    expect(thrownBy(() => new JuteReader(int(-2)).text())).toEqual(refused);
    expect(thrownBy(() => new JuteReader(int(5)).text())).toEqual(refused);
    expect(thrownBy(() => new JuteReader(int(2 ** 31 - 1)).vector((r) => r.int()))).toEqual(
      refused,
    );
    expect(thrownBy(() => new JuteReader(new Uint8Array(7)).long())).toEqual(refused);
    expect(new JuteReader(int(-1)).text()).toBe(null);
    expect(new JuteReader(int(0)).text()).toBe("");
    expect(new JuteReader(int(-1)).vector((r) => r.int())).toBe(null);
    expect(new JuteReader(int(-7)).vector((r) => r.int())).toEqual([]);
  });

  test("bytes that are no UTF-8 become U+FFFD, as in Java", () => {
    const short = new Uint8Array([0, 0, 0, 3, 0x2f, 0xff, 0x61]);
    expect(new JuteReader(short).text()).toBe("/\ufffda");
    const long = new Uint8Array(4 + 40).fill(0xc0);
    long.set(int(40));
    expect(new JuteReader(long).text()).toBe("\ufffd".repeat(40));
  });
});
