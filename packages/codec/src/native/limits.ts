import { CONTENT_BYTES_MAX, KEY_BYTES_MAX } from "@quorate/protocol";

/** Names the version of the native client protocol; offered and chosen in the WebSocket upgrade. */
export const NATIVE_SUBPROTOCOL = "quorate.msgpackr.1";

/** Requests (or replies) in one native frame. A frame with more closes the connection. */
export const NATIVE_FRAME_MESSAGES_MAX = 2000;
/** A sender closes a frame when its bytes reach this; one message may exceed it. */
export const NATIVE_FRAME_BYTES_SOFT_MAX = 256 * 1024;
/** Bytes of one frame of requests. A larger one closes the connection, unread. */
export const NATIVE_FRAME_BYTES_MAX =
  NATIVE_FRAME_BYTES_SOFT_MAX + CONTENT_BYTES_MAX + KEY_BYTES_MAX + 1024;
/** Bytes of one frame of replies. A client closes the connection on a larger one. */
export const NATIVE_REPLY_FRAME_BYTES_MAX = 4 * 1024 * 1024;
/**
 * Bytes of the answer to a read. A longer one is not sent: ERR_ARG_TOO_LARGE. The rest of its frame
 * is for what else is answered in that turn, of which each character may take three bytes.
 */
export const NATIVE_ANSWER_BYTES_MAX = NATIVE_REPLY_FRAME_BYTES_MAX - 1024 * 1024;
/** Request ids are chosen by the client, unique among those unanswered on one connection. */
export const NATIVE_REQUEST_ID_MAX = 0xffff_ffff;
/** Characters of an error's message in a reply; the rest is cut. */
export const NATIVE_ERROR_CHARS_MAX = 500;
/** Depth of a frame of requests: the frame, a message, its options. */
export const NATIVE_DEPTH_MAX = 4;
/** Depth of a server's frame: frame, message, events, one event, operations, one operation. */
export const NATIVE_REPLY_DEPTH_MAX = 7;
/** Watches that one request sets again, so that looking at them is a short turn. More:
 * ERR_ARG_TOO_LARGE. */
export const NATIVE_REWATCH_PATHS_MAX = 1000;
