// Writes test/golden/v<version>.json. Only for a new protocol version: the files of older
// versions stay as they are, since they prove that old frames are still recognised.
import { writeFileSync } from "node:fs";
import { PROTOCOL_VERSION } from "@quorate/protocol";
import { encodeDatagram, encodeFrame, encodeHandshake, encodeLeaseDatagram } from "../src/index.js";
import {
  SAMPLE_DATAGRAM,
  SAMPLE_HANDSHAKES,
  SAMPLE_LEASE,
  SAMPLE_MESSAGES,
} from "../test/samples.js";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const golden = {
  frames: Object.fromEntries(
    Object.values(SAMPLE_MESSAGES).map((message) => [message.kind, hex(encodeFrame([message]))]),
  ),
  datagram: hex(encodeDatagram(SAMPLE_DATAGRAM)),
  lease: hex(encodeLeaseDatagram(SAMPLE_LEASE)),
  handshakes: Object.fromEntries(
    Object.values(SAMPLE_HANDSHAKES).map((m) => [m.kind, hex(encodeHandshake(m))]),
  ),
};
const file = new URL(`../test/golden/v${PROTOCOL_VERSION}.json`, import.meta.url);
writeFileSync(file, `${JSON.stringify(golden, null, 2)}\n`);
