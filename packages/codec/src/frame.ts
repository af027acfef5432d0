import {
  assertNever,
  FRAME_BYTES_MAX,
  FRAME_MESSAGES_MAX,
  PackedRows,
  PROTOCOL_VERSION,
  QuorateError,
  type ChainHash,
  type PeerMsg,
} from "@quorate/protocol";
import { decoding, malformed } from "./fields.js";
import { fromFields, toFields } from "./message-codec.js";
import { pack, unpackBody } from "./packing.js";

/**
 * A frame is one byte of protocol version, then a msgpack array of messages, each of them an
 * array of its kind's number and its fields in order. The version stands outside of msgpack, so
 * that a later version may replace everything behind it and still be recognised.
 */

/** @throws ERR_ARG_TOO_LARGE above FRAME_MESSAGES_MAX or FRAME_BYTES_MAX. */
export function encodeFrame(messages: readonly PeerMsg[]): Uint8Array {
  if (messages.length > FRAME_MESSAGES_MAX) {
    throw tooLarge({ messages: messages.length });
  }
  const bytes = pack(messages.map(toFields));
  if (bytes.length > FRAME_BYTES_MAX) throw tooLarge({ bytes: bytes.length });
  return bytes;
}

/**
 * Reads a peer's frame. Contents and keys of rows are views into `bytes`; so are batches
 * that are most of it, and others are copies. `bytes` must not change afterwards.
 * @throws ERR_PROTOCOL_VERSION when another version wrote it, else ERR_PROTOCOL_DECODE.
 */
export function decodeFrame(bytes: Uint8Array, chainHash: ChainHash): PeerMsg[] {
  if (bytes.length > FRAME_BYTES_MAX) throw malformed("frame length", { bytes: bytes.length });
  return decoding("frame", () => {
    const body = unpackBody(bytes);
    const messages = new Array<PeerMsg>(body.length);
    for (let i = 0; i < body.length; i += 1) messages[i] = fromFields(body[i], chainHash);
    return messages;
  });
}

/** At least the bytes that a message takes in a frame, without encoding it. Cheap. */
export function frameBytesOf(message: PeerMsg): number {
  switch (message.kind) {
    case "proposal":
    case "history":
    case "inform":
      return 16 + message.batch.bytes.length;
    case "request":
    case "relayedRequest":
      return 32 + message.key.length * 3 + message.content.length;
    case "response":
      return 32 + message.error.length * 3 + message.content.length;
    case "abort":
      return 128 + message.error.length * 3;
    case "snapshotChunk":
      return 32 + PackedRows.of(message.rows).bytes.length;
    case "heartbeat":
      return 32 + message.touches.length * 8;
    case "snapshotBegin":
      return 64 + message.snapshot.members.length * 40;
    case "accept":
    case "commit":
    case "epochAck":
    case "followerInfo":
    case "handover":
    case "leaderInfo":
    case "newLeader":
    case "newLeaderAck":
    case "readIndexReply":
    case "readIndexRequest":
    case "refusalsProven":
    case "snapshotEnd":
    case "snapshotRequest":
    case "streamBegin":
    case "syncProgress":
    case "truncate":
      return 96;
    default:
      return assertNever(message, "message kind");
  }
}

function tooLarge(details: Record<string, unknown>): QuorateError {
  return new QuorateError("ERR_ARG_TOO_LARGE", `protocol ${PROTOCOL_VERSION} frame too large`, {
    details,
  });
}
