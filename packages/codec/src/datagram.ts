import {
  CLUSTER_NAME_BYTES_MAX,
  DATAGRAM_BYTES_MAX,
  PROTOCOL_VERSION,
  QuorateError,
  toEpoch,
  toIdentity,
  toTxnid,
  type BallotDatagram,
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
const MAGIC = 0x51;
const statuses: readonly PeerStatus[] = ["electing", "leading", "following", "watching"];

/** @throws ERR_ARG_TOO_LARGE when the cluster's name is longer than CLUSTER_NAME_BYTES_MAX. */
export function encodeDatagram(datagram: BallotDatagram): Uint8Array {
  // A UTF-16 unit is at most three bytes, so this bound keeps the writer within its buffer.
  if (datagram.cluster.length > CLUSTER_NAME_BYTES_MAX) throw nameTooLong();
  const writer = new ByteWriter(DATAGRAM_BYTES_MAX);
  writer.u8(MAGIC).u8(PROTOCOL_VERSION).text(datagram.cluster);
  writer.u8(datagram.sender).u64(datagram.bootId).u64(datagram.sequence).u64(datagram.echo);
  writeVote(writer, datagram.vote);
  return writer.finish();
}

/** @throws ERR_PROTOCOL_VERSION for another version's datagram, else ERR_PROTOCOL_DECODE. */
export function decodeDatagram(bytes: Uint8Array): BallotDatagram {
  if (bytes.length > DATAGRAM_BYTES_MAX) throw malformed("datagram length");
  return decoding("datagram", () => {
    const reader = new ByteReader(bytes);
    if (reader.u8() !== MAGIC) throw malformed("magic");
    const version = reader.u8();
    if (version !== PROTOCOL_VERSION) {
      throw new QuorateError("ERR_PROTOCOL_VERSION", "the peer speaks another protocol version", {
        details: { own: PROTOCOL_VERSION, peer: version },
      });
    }
    const datagram: BallotDatagram = {
      cluster: readCluster(reader),
      sender: readNodeId(reader.u8()),
      bootId: reader.u64(),
      sequence: reader.u64(),
      echo: reader.u64(),
      vote: readVote(reader),
    };
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
