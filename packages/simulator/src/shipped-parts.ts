import { createHash } from "node:crypto";
import {
  decodeDatagram,
  decodeFrame,
  encodeDatagram,
  encodeFrame,
  splitIntoFrames,
} from "@quorate/codec";
import {
  ANYONE,
  assertNever,
  encodeCaller,
  type Chain,
  type ChainHash,
  type Txnid,
} from "@quorate/protocol";
import {
  decodeCreateResult,
  decodeGetResult,
  decodeStat,
  encodeCreate,
  encodeDelete,
  encodeRead,
  encodeSet,
  withCaller,
  ZnodeMachine,
  ZnodeOp,
} from "@quorate/znode";
import type { WireCodec } from "./network/wire-codec.js";
import type { Answer, Operation } from "./workload/history.js";
import { bytesOfValue, valueOfBytes } from "./workload/values.js";
import type { Application } from "./world/simulated-server.js";

export const shippedChainHash: ChainHash = (block) =>
  createHash("sha256").update(block).digest().readBigUInt64BE(0) as Chain;

/** The bytes that real nodes exchange. */
export const shippedCodec: WireCodec = {
  refusesByCode: true,
  encodeFrames: (messages) => [...splitIntoFrames(messages)].map(encodeFrame),
  decodeFrame: (bytes) => decodeFrame(bytes, shippedChainHash),
  encodeDatagram,
  decodeDatagram,
};

/** The tree of znodes, asked as its clients ask. */
export const znodeApplication: Application = {
  createStateMachine: () => new ZnodeMachine(),
  encode: encodeOperation,
  decode: decodeAnswer,
};

const caller = encodeCaller(ANYONE);

/** As the node that the client is connected to hands it on. */
function encodeOperation(operation: Operation): { op: number; content: Uint8Array } {
  const { op, content } = encodeRequest(operation);
  return { op, content: withCaller(caller, content) };
}

function encodeRequest(operation: Operation): { op: number; content: Uint8Array } {
  switch (operation.type) {
    case "create":
      return {
        op: ZnodeOp.create,
        content: encodeCreate({ data: bytesOfValue(operation.value) }),
      };
    case "set": {
      const { version } = operation;
      return {
        op: ZnodeOp.set,
        content: encodeSet({ data: bytesOfValue(operation.value), version }),
      };
    }
    case "delete":
      return { op: ZnodeOp.delete, content: encodeDelete({ version: operation.version }) };
    case "get":
      return { op: ZnodeOp.get, content: encodeRead() };
    default:
      return assertNever(operation, "operation");
  }
}

function decodeAnswer(operation: Operation, content: Uint8Array, txnid: Txnid): Answer {
  switch (operation.type) {
    case "create":
      return { result: "done", txnid, version: decodeCreateResult(content).stat.version };
    case "set":
      return { result: "done", txnid, version: decodeStat(content).version };
    case "delete":
      return { result: "done", txnid, version: 0 };
    case "get": {
      const { data, stat } = decodeGetResult(content);
      return {
        result: "value",
        value: valueOfBytes(data),
        version: stat.version,
        mzxid: stat.mzxid,
      };
    }
    default:
      return assertNever(operation, "operation");
  }
}
