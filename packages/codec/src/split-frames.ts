import { FRAME_MESSAGES_MAX, type PeerMsg } from "@quorate/protocol";
import { frameBytesOf } from "./frame.js";

/** A frame is closed before it grows beyond this, so that heartbeats never wait behind more. */
const FRAME_TARGET_BYTES = 1024 * 1024;

/** What waits for a peer, in the frames that carry it. */
export function* splitIntoFrames(queue: readonly PeerMsg[]): Generator<readonly PeerMsg[]> {
  let start = 0;
  let bytes = 0;
  for (const [at, message] of queue.entries()) {
    const size = frameBytesOf(message);
    const isFull = bytes + size > FRAME_TARGET_BYTES || at - start === FRAME_MESSAGES_MAX;
    if (at > start && isFull) {
      yield queue.slice(start, at);
      start = at;
      bytes = 0;
    }
    bytes += size;
  }
  yield start === 0 ? queue : queue.slice(start);
}
