/**
 * ZooKeeper's wire protocol: its codec, and the front end that ZooKeeper's own clients talk to.
 * @packageDocumentation
 */
export type { ByteChannel, ByteHandler } from "./byte-channel.js";
export {
  createSession,
  negotiateTimeout,
  resumeSession,
  type Established,
} from "./connection/handshake.js";
export { Identities } from "./connection/identities.js";
export { ZkConnection } from "./connection/zk-connection.js";
export { ZkFrontEnd, type AcceptOptions, type ZkFrontEndDeps } from "./front-end.js";
export { FrameDecoder } from "./jute/frame.js";
export type { Field, ValueOf } from "./jute/field.js";
export { MultiRequest, MultiResponse, type MultiOp, type MultiResult } from "./jute/multi.js";
export * from "./jute/op-codes.js";
export { JuteReader } from "./jute/reader.js";
export * from "./jute/records.js";
export { requestRecords, responseRecords } from "./jute/schema.js";
export { JuteWriter } from "./jute/writer.js";
export { CONNECT_BYTES_MAX, PACKET_BYTES_MAX } from "./limits.js";
export { zkOptions, type ZkOptions } from "./options.js";
export type { ServerFacts } from "./server-facts.js";
export { socketChannel } from "./socket-channel.js";
export type { MonitorRow } from "./words/monitor.js";
export { WORDS, wordOf } from "./words/words.js";
export { ZkError, zkErrorOf } from "./zk-errors.js";
