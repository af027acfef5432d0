import {
  CLUSTER_NAME_BYTES_MAX,
  DATAGRAM_BYTES_MAX,
  PROTOCOL_VERSION,
  QuorateError,
  toEpoch,
  toIdentity,
  toTxnid,
  type BallotDatagram,
  type DatagramEnvelope,
  type LeaseAct,
  type LeaseDatagram,
  type PeerStatus,
  type VoteMsg,
} from "@quorate/protocol";
import { ByteReader, ByteWriter } from "./byte-cursor.js";
import {
  decoding,
  malformed,
  readNodeId,
  readStanding,
  readUint,
  writeStanding,
} from "./fields.js";

/**
 * A ballot datagram, big-endian, without the HMAC that the transport appends:
 *   u8 magic | u8 version | u8 length, cluster | u8 sender | u64 boot id | u64 sequence | u64 echo
 *   | vote
 * Vote, in this order; a field is added at its end, with a new version:
 *   u8 status | u8 solicit | u8 standing | u8 candidate | u64 round | u32 epoch
 *   | u64 logged | u64 committed | u8 candidate's standing | u8 length, identity
 */
const BALLOT_MAGIC = 0x51;
/**
 * A lease datagram has the same envelope behind another magic, then
 *   u8 act | u32 term | u64 beat | u32 lease in ms
 */
const LEASE_MAGIC = 0x52;
const statuses: readonly PeerStatus[] = ["electing", "leading", "following", "watching"];

const acts: readonly LeaseAct[] = [
  "claim",
  "lead",
  "grant",
  "refuse",
  "release",
  "hello",
  "welcome",
  "note",
  "duplicate",
];

/** @throws ERR_ARG_TOO_LARGE when the cluster's name is longer than CLUSTER_NAME_BYTES_MAX. */
export function encodeDatagram(datagram: BallotDatagram): Uint8Array {
  const writer = writeEnvelope(BALLOT_MAGIC, datagram);
  writeVote(writer, datagram.vote);
  return writer.finish();
}

/** @throws ERR_PROTOCOL_VERSION for another version's datagram, else ERR_PROTOCOL_DECODE. */
export function decodeDatagram(bytes: Uint8Array): BallotDatagram {
  return decodeWhole(bytes, BALLOT_MAGIC, (reader, envelope) => ({
    ...envelope,
    vote: readVote(reader),
  }));
}

/** Which of the two decoders takes the bytes; they need not be whole for either. */
export function isLeaseDatagram(bytes: Uint8Array): boolean {
  return bytes[0] === LEASE_MAGIC;
}

/** @throws ERR_ARG_TOO_LARGE when the cluster's name is longer than CLUSTER_NAME_BYTES_MAX. */
export function encodeLeaseDatagram(datagram: LeaseDatagram): Uint8Array {
  const { act, term, beat, leaseMs } = datagram.lease;
  const writer = writeEnvelope(LEASE_MAGIC, datagram);
  writer.u8(acts.indexOf(act)).u32(term).u64(BigInt(beat)).u32(leaseMs);
  return writer.finish();
}

/** @throws ERR_PROTOCOL_VERSION for another version's datagram, else ERR_PROTOCOL_DECODE. */
export function decodeLeaseDatagram(bytes: Uint8Array): LeaseDatagram {
  return decodeWhole(bytes, LEASE_MAGIC, (reader, envelope) => {
    const act = acts[reader.u8()];
    if (act === undefined) throw malformed("act");
    const term = toEpoch(reader.u32());
    const beat = readUint(Number(reader.u64()), Number.MAX_SAFE_INTEGER, "beat");
    return { ...envelope, lease: { kind: "lease", act, term, beat, leaseMs: reader.u32() } };
  });
}

function writeEnvelope(magic: number, envelope: DatagramEnvelope): ByteWriter {
  // A UTF-16 unit is at most three bytes, so this bound keeps the writer within its buffer.
  if (envelope.cluster.length > CLUSTER_NAME_BYTES_MAX) throw nameTooLong();
  const writer = new ByteWriter(DATAGRAM_BYTES_MAX);
  writer.u8(magic).u8(PROTOCOL_VERSION).text(envelope.cluster);
  writer.u8(envelope.sender).u64(envelope.bootId).u64(envelope.sequence).u64(envelope.echo);
  return writer;
}

function decodeWhole<T>(
  bytes: Uint8Array,
  magic: number,
  readRest: (reader: ByteReader, envelope: DatagramEnvelope) => T,
): T {
  if (bytes.length > DATAGRAM_BYTES_MAX) throw malformed("datagram length");
  return decoding("datagram", () => {
    const reader = new ByteReader(bytes);
    if (reader.u8() !== magic) throw malformed("magic");
    const version = reader.u8();
    if (version !== PROTOCOL_VERSION) {
      throw new QuorateError("ERR_PROTOCOL_VERSION", "the peer speaks another protocol version", {
        details: { own: PROTOCOL_VERSION, peer: version },
      });
    }
    const datagram = readRest(reader, {
      cluster: readCluster(reader),
      sender: readNodeId(reader.u8()),
      bootId: reader.u64(),
      sequence: reader.u64(),
      echo: reader.u64(),
    });
    reader.end();
    return datagram;
  });
}

function writeVote(writer: ByteWriter, vote: VoteMsg): void {
  writer
    .u8(statuses.indexOf(vote.status))
    .u8(vote.solicit ? 1 : 0)
    .u8(writeStanding(vote.standing))
    .u8(vote.candidate)
    .u64(BigInt(vote.round))
    .u32(vote.epoch)
    .u64(vote.candidateLoggedTxnid)
    .u64(vote.candidateCommittedTxnid)
    .u8(writeStanding(vote.candidateStanding))
    .text(vote.identity);
}

function readVote(reader: ByteReader): VoteMsg {
  const status = statuses[reader.u8()];
  if (status === undefined) throw malformed("status");
  return {
    kind: "vote",
    status,
    solicit: readUint(reader.u8(), 1, "solicit") === 1,
    standing: readStanding(reader.u8()),
    candidate: readNodeId(reader.u8()),
    round: readUint(Number(reader.u64()), Number.MAX_SAFE_INTEGER, "round"),
    epoch: toEpoch(reader.u32()),
    candidateLoggedTxnid: toTxnid(reader.u64()),
    candidateCommittedTxnid: toTxnid(reader.u64()),
    candidateStanding: readStanding(reader.u8()),
    identity: toIdentity(reader.text()),
  };
}

function readCluster(reader: ByteReader): string {
  const name = reader.text();
  if (name.length > CLUSTER_NAME_BYTES_MAX) throw malformed("cluster");
  return name;
}

function nameTooLong(): QuorateError {
  return new QuorateError("ERR_ARG_TOO_LARGE", "the cluster's name is too long");
}
