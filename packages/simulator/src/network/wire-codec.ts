import { deserialize, serialize } from "node:v8";
import type { BallotDatagram, PeerMsg } from "@quorate/protocol";

/**
 * How messages become bytes between nodes. The shipped codec implements this; it keeps nodes from
 * sharing objects, and lets faults reach the bytes.
 */
export interface WireCodec {
  /** Bad bytes are refused with an error code; any other throw is a defect of the codec. */
  readonly refusesByCode: boolean;
  /** What waits at the end of a turn, in the frames that carry it. */
  encodeFrames(messages: readonly PeerMsg[]): readonly Uint8Array[];
  /** @throws ERR_PROTOCOL_DECODE, ERR_PROTOCOL_VERSION on bad bytes. */
  decodeFrame(bytes: Uint8Array): readonly PeerMsg[];
  encodeDatagram(datagram: BallotDatagram): Uint8Array;
  /** @throws ERR_PROTOCOL_DECODE, ERR_PROTOCOL_VERSION on bad bytes. */
  decodeDatagram(bytes: Uint8Array): BallotDatagram;
}

/** Copies structures without a protocol; for tests of the simulator itself. */
export const structuredCodec: WireCodec = {
  refusesByCode: false,
  encodeFrames: (messages) => [serialize(messages)],
  decodeFrame: (bytes) => deserialize(bytes) as readonly PeerMsg[],
  encodeDatagram: (datagram) => serialize(datagram),
  decodeDatagram: (bytes) => deserialize(bytes) as BallotDatagram,
};
