import { createHash } from "node:crypto";
import {
  BatchBuilder,
  LOG_START,
  makeTxnid,
  PackedRows,
  toEpoch,
  toIdentity,
  toNodeId,
  type BallotDatagram,
  type Chain,
  type EntryBatch,
  type LeaseDatagram,
  type PeerMsg,
  type PeerMsgKind,
} from "@quorate/protocol";
import type { HandshakeMsg } from "../src/index.js";

export const chainHash = (block: Uint8Array): Chain =>
  createHash("sha256").update(block).digest().readBigUInt64BE(0) as Chain;

export function sampleBatch(entries = 2, contentBytes = 3): EntryBatch {
  const builder = new BatchBuilder(chainHash);
  for (let i = 0; i < entries; i += 1) {
    builder.add(2, BigInt(i + 7), 1, `/a/${i}`, new Uint8Array(contentBytes).fill(i));
  }
  return builder.finish(makeTxnid(3, 1), LOG_START);
}

const position = { txnid: makeTxnid(3, 9), chain: 0x8899_aabb_ccdd_eeffn as Chain };
const identity = toIdentity("00112233445566778899aabbccddeeff");

/** One of each kind; its bytes are kept in golden/frames.json. */
export const SAMPLE_MESSAGES: { readonly [K in PeerMsgKind]: Extract<PeerMsg, { kind: K }> } = {
  followerInfo: {
    kind: "followerInfo",
    acceptedEpoch: toEpoch(4),
    fid: "2",
    voting: true,
    standing: "recovering",
    identity,
  },
  leaderInfo: { kind: "leaderInfo", epoch: toEpoch(5) },
  epochAck: { kind: "epochAck", lastLogged: position, currentEpoch: toEpoch(3), uncounted: true },
  truncate: { kind: "truncate", after: position },
  streamBegin: { kind: "streamBegin", after: LOG_START },
  history: { kind: "history", batch: sampleBatch(), committed: makeTxnid(2, 9) },
  snapshotBegin: {
    kind: "snapshotBegin",
    snapshot: { position, digest: 2n ** 64n - 1n, members: [[toNodeId(1), identity]] },
  },
  snapshotChunk: {
    kind: "snapshotChunk",
    index: 3,
    rows: [
      { key: new Uint8Array([1]), value: new Uint8Array([2, 3]) },
      { key: new Uint8Array([4]), value: null },
    ],
  },
  snapshotEnd: { kind: "snapshotEnd", rowCount: 70_000 },
  syncProgress: { kind: "syncProgress", received: 12 },
  snapshotRequest: { kind: "snapshotRequest" },
  newLeader: { kind: "newLeader", epoch: toEpoch(2 ** 32 - 1), last: position },
  newLeaderAck: { kind: "newLeaderAck", epoch: toEpoch(5) },
  proposal: { kind: "proposal", batch: sampleBatch(1) },
  accept: { kind: "accept", txnid: makeTxnid(2 ** 32 - 1, 2 ** 32 - 1), fid: "254" },
  commit: { kind: "commit", txnid: makeTxnid(1, 1) },
  inform: { kind: "inform", batch: sampleBatch(3) },
  abort: {
    kind: "abort",
    fid: "3",
    reqId: 9n,
    code: "ERR_ZNODE_NO_NODE",
    error: "no node /ü",
    at: 9999,
    after: makeTxnid(3, 7),
  },
  refusalsProven: { kind: "refusalsProven", fid: "254", reqId: 2n ** 64n - 1n },
  request: {
    kind: "request",
    reqId: 2n ** 64n - 1n,
    op: 51,
    key: "/ключ",
    content: new Uint8Array([0, 255]),
  },
  relayedRequest: {
    kind: "relayedRequest",
    fid: "254",
    reqId: 7n,
    op: 1,
    key: "/k",
    content: new Uint8Array([1]),
  },
  response: { kind: "response", fid: "1", reqId: 1n, error: "", content: new Uint8Array() },
  heartbeat: { kind: "heartbeat", round: 2 ** 40, answer: true, touches: [1n, 2n ** 64n - 1n] },
  readIndexRequest: { kind: "readIndexRequest", readId: 2 ** 53 - 1 },
  readIndexReply: { kind: "readIndexReply", readId: 0, txnid: makeTxnid(1, 2) },
  handover: { kind: "handover" },
};

export const SAMPLE_LEASE: LeaseDatagram = {
  cluster: "été",
  sender: toNodeId(254),
  bootId: 0x0102_0304_0506_0708n,
  sequence: 78n,
  echo: 2n ** 64n - 2n,
  lease: { kind: "lease", act: "refuse", term: toEpoch(9), beat: 2 ** 40, leaseMs: 1000 },
};

export const SAMPLE_DATAGRAM: BallotDatagram = {
  cluster: "été",
  sender: toNodeId(2),
  bootId: 0x0102_0304_0506_0708n,
  sequence: 77n,
  echo: 2n ** 64n - 1n,
  vote: {
    kind: "vote",
    round: 6,
    status: "following",
    epoch: toEpoch(4),
    candidate: toNodeId(3),
    candidateLoggedTxnid: makeTxnid(4, 5),
    candidateCommittedTxnid: makeTxnid(4, 4),
    solicit: true,
    standing: "empty",
    identity: toIdentity("0123456789abcdef0123456789abcdef"),
    candidateStanding: "recovering",
  },
};

export const SAMPLE_HANDSHAKES: {
  readonly [K in HandshakeMsg["kind"]]: Extract<HandshakeMsg, { kind: K }>;
} = {
  hello: {
    kind: "hello",
    cluster: "test",
    sender: toNodeId(1),
    target: toNodeId(2),
    role: "watcher",
    nonce: new Uint8Array(16).fill(1),
  },
  challenge: {
    kind: "challenge",
    cluster: "test",
    sender: toNodeId(2),
    nonce: new Uint8Array(16).fill(2),
    secured: true,
  },
  proof: { kind: "proof", proof: new Uint8Array(32).fill(3) },
  welcome: { kind: "welcome", proof: new Uint8Array() },
  refusal: { kind: "refusal", code: "ERR_PROTOCOL_CLUSTER", reason: "another cluster" },
};

/** Equal in value whether bytes came as Buffer or Uint8Array. */
export function plain(value: unknown): unknown {
  if (value instanceof PackedRows) return [...value].map(plain);
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString("hex") };
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, plain(part)]));
}
