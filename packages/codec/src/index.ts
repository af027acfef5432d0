/**
 * Bytes to messages and back (L1): versioned frames, ballot datagrams, the pipe's handshake and
 * the native port's frames, with every limit checked before anything is allocated.
 * @packageDocumentation
 */
export * from "./datagram.js";
export * from "./frame.js";
export * from "./split-frames.js";
export * from "./handshake.js";
export { KIND_NUMBERS } from "./message-codec.js";
export * from "./native/limits.js";
export * from "./native/event-document.js";
export {
  decodeSubscribe,
  decodeTaken,
  encodeEvents,
  encodeEventsHead,
  encodeSubscribe,
  encodeTaken,
  NATIVE_OP_SUBSCRIBE,
  NATIVE_OP_TAKEN,
  NATIVE_OP_UNSUBSCRIBE,
  type NativeEvents,
} from "./native/native-feed.js";
export * from "./native/native-frame.js";
export {
  decodeOpenedSession,
  decodeRewatch,
  decodeSessionOpening,
  decodeUnwatch,
  decodeWatch,
  decodeWatched,
  encodeOpenedSession,
  encodeRewatch,
  encodeSessionOpening,
  encodeUnwatch,
  encodeWatch,
  encodeWatched,
  NATIVE_OP_AUTH,
  NATIVE_OP_REWATCH,
  NATIVE_OP_SESSION,
  NATIVE_OP_SESSION_END,
  NATIVE_OP_UNWATCH,
  NATIVE_OP_WATCH,
  NATIVE_WATCH_KINDS,
  NATIVE_WATCH_TYPES,
  type ArmedWatch,
  type NativeChange,
  type NativeWatchKind,
  type NativeWatchType,
  type OpenedSession,
  type SessionOpening,
} from "./native/native-session.js";
export * from "./native/native-operator.js";
export * from "./wire-limits.js";
