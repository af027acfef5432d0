/**
 * Bytes to messages and back (L1): versioned frames, ballot datagrams and the pipe's handshake,
 * with every limit checked before anything is allocated.
 * @packageDocumentation
 */
export * from "./datagram.js";
export * from "./frame.js";
export * from "./handshake.js";
export { KIND_NUMBERS } from "./message-codec.js";
export * from "./wire-limits.js";
