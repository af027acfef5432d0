/** Bounds that only the wire knows; the others are in @quorate/protocol's limits. */

/** Containers inside each other: frame, message, list. */
export const FRAME_DEPTH_MAX = 3;
/** Values in one frame, containers included: bounds what decoding allocates. */
export const FRAME_TOKENS_MAX = 300_000;
/** Fields of one message, its kind included. */
export const MESSAGE_FIELDS_MAX = 16;
/** Rows in one snapshot chunk. */
export const SNAPSHOT_CHUNK_ROWS_MAX = 32_768;
/** Members in an identity table. */
export const MEMBERS_MAX = 254;
/** Characters of an error's text; a longer one is cut, since only people read it. */
export const ERROR_TEXT_CHARS_MAX = 1000;
/** Bytes of one handshake frame. */
export const HANDSHAKE_BYTES_MAX = 1024;
/** Bytes of a handshake's nonce, and of its proof when there is one. */
export const NONCE_BYTES = 16;
export const PROOF_BYTES = 32;
