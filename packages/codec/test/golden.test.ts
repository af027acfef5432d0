import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { PeerMsgKind } from "@quorate/protocol";
import {
  decodeDatagram,
  decodeFrame,
  decodeHandshake,
  decodeLeaseDatagram,
  encodeDatagram,
  encodeFrame,
  encodeHandshake,
  encodeLeaseDatagram,
  type HandshakeMsg,
} from "../src/index.js";
import {
  chainHash,
  plain,
  SAMPLE_DATAGRAM,
  SAMPLE_HANDSHAKES,
  SAMPLE_LEASE,
  SAMPLE_MESSAGES,
} from "./samples.js";

/** Written once by scripts/write-golden.ts of this package; a change here is a new version. */
const golden = JSON.parse(readFileSync(new URL("golden/v1.json", import.meta.url), "utf8")) as {
  frames: Record<PeerMsgKind, string>;
  datagram: string;
  lease: string;
  handshakes: Record<HandshakeMsg["kind"], string>;
};
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const unhex = (text: string): Uint8Array => Buffer.from(text, "hex");

describe("golden bytes of version 1", () => {
  test.each(Object.values(SAMPLE_MESSAGES))("$kind is written and read as ever", (message) => {
    expect(hex(encodeFrame([message]))).toBe(golden.frames[message.kind]);
    const read = decodeFrame(unhex(golden.frames[message.kind]), chainHash);
    expect(plain(read)).toEqual(plain([message]));
  });

  test("the ballot datagram is written and read as ever", () => {
    expect(hex(encodeDatagram(SAMPLE_DATAGRAM))).toBe(golden.datagram);
    expect(decodeDatagram(unhex(golden.datagram))).toEqual(SAMPLE_DATAGRAM);
  });

  test("the lease datagram is written and read as ever", () => {
    expect(hex(encodeLeaseDatagram(SAMPLE_LEASE))).toBe(golden.lease);
    expect(decodeLeaseDatagram(unhex(golden.lease))).toEqual(SAMPLE_LEASE);
  });

  test.each(Object.values(SAMPLE_HANDSHAKES))("$kind is written and read as ever", (message) => {
    expect(hex(encodeHandshake(message))).toBe(golden.handshakes[message.kind]);
    expect(plain(decodeHandshake(unhex(golden.handshakes[message.kind])))).toEqual(plain(message));
  });
});
