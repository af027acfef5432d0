import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { PROTOCOL_VERSION, type PeerMsgKind } from "@quorate/protocol";
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

interface Golden {
  readonly frames: Record<PeerMsgKind, string>;
  readonly datagram: string;
  readonly lease: string;
  readonly handshakes: Record<HandshakeMsg["kind"], string>;
}

/** Written once by scripts/write-golden.ts of this package; a change here is a new version. */
function goldenOf(version: number): Golden {
  const file = new URL(`golden/v${version}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, "utf8")) as Golden;
}

const golden = goldenOf(PROTOCOL_VERSION);
const earlier = Array.from({ length: PROTOCOL_VERSION - 1 }, (_, i) => i + 1);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const unhex = (text: string): Uint8Array => Buffer.from(text, "hex");

describe(`golden bytes of version ${PROTOCOL_VERSION}`, () => {
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

describe.each(earlier)("bytes of version %i", (version) => {
  const old = goldenOf(version);
  const details = { own: PROTOCOL_VERSION, peer: version };
  const refused = expect.objectContaining({ code: "ERR_PROTOCOL_VERSION", details }) as Error;

  test.each(Object.entries(old.frames))("%s is told by its version", (_kind, bytes) => {
    expect(() => decodeFrame(unhex(bytes), chainHash)).toThrow(refused);
  });

  test.each(Object.entries(old.handshakes))("so is a %s", (_kind, bytes) => {
    expect(() => decodeHandshake(unhex(bytes))).toThrow(refused);
  });

  test("so are datagrams", () => {
    expect(() => decodeDatagram(unhex(old.datagram))).toThrow(refused);
    expect(() => decodeLeaseDatagram(unhex(old.lease))).toThrow(refused);
  });
});
