// Prints what encoding and decoding cost: `node --conditions=@quorate/source --import tsx FILE`.
import { createHash } from "node:crypto";
import {
  BatchBuilder,
  LOG_START,
  makeTxnid,
  type Chain,
  type ChainHash,
  type PeerMsg,
} from "@quorate/protocol";
import { decodeFrame, encodeFrame } from "../src/index.js";

const sha256: ChainHash = (block) =>
  createHash("sha256").update(block).digest().readBigUInt64BE(0) as Chain;
const noHash: ChainHash = () => 0n as Chain;

const builder = new BatchBuilder(sha256);
for (let i = 0; i < 32; i += 1) builder.add(1, BigInt(i), 1, `/bench/${i}`, new Uint8Array(1024));
const batch = builder.finish(makeTxnid(1, 1), LOG_START);
const of = (count: number, make: (i: number) => PeerMsg): PeerMsg[] =>
  Array.from({ length: count }, (_, i) => make(i));
const content = new Uint8Array(1024);

const cases: readonly (readonly [string, readonly PeerMsg[]])[] = [
  ["1 batch of 32 proposals of 1 KiB", [{ kind: "proposal", batch }]],
  ["100 accepts", of(100, (i) => ({ kind: "accept", txnid: makeTxnid(1, i), fid: "2" }))],
  [
    "100 requests of 1 KiB",
    of(100, (i) => ({ kind: "request", reqId: BigInt(i), op: 1, key: `/bench/${i}`, content })),
  ],
  ["1 heartbeat", [{ kind: "heartbeat", round: 70_000, answer: false, touches: [] }]],
];

function microseconds(run: () => void): number {
  for (let i = 0; i < 2000; i += 1) run();
  let best = Infinity;
  for (let round = 0; round < 5; round += 1) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < 2000; i += 1) run();
    best = Math.min(best, Number(process.hrtime.bigint() - start) / 1000 / 2000);
  }
  return best;
}

for (const [name, messages] of cases) {
  const bytes = encodeFrame(messages);
  const encode = microseconds(() => void encodeFrame(messages));
  const decode = microseconds(() => void decodeFrame(bytes, noHash));
  const hashed = microseconds(() => void decodeFrame(bytes, sha256));
  console.log(
    `${name}: ${bytes.length} bytes, ` +
      `encode ${encode.toFixed(2)} us, decode ${decode.toFixed(2)} us` +
      ` (with SHA-256 ${hashed.toFixed(2)} us)`,
  );
}
