/**
 * ZooKeeper's wire protocol: its codec, and the front end that ZooKeeper's own clients talk to.
 * @packageDocumentation
 */
export { FrameDecoder } from "./jute/frame.js";
export type { Field, ValueOf } from "./jute/field.js";
export { MultiRequest, MultiResponse, type MultiOp, type MultiResult } from "./jute/multi.js";
export * from "./jute/op-codes.js";
export { JuteReader } from "./jute/reader.js";
export * from "./jute/records.js";
export { requestRecords, responseRecords } from "./jute/schema.js";
export { JuteWriter } from "./jute/writer.js";
