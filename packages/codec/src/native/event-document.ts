import { formatTxnid, type CommittedEvent, type CommittedOperation } from "@quorate/protocol";

/** Bytes in JSON: as text when they are UTF-8, else in base64. */
export interface PrintableData {
  readonly data: string;
  readonly encoding: "utf8" | "base64";
}

/** An event in JSON, as server-sent events and `quorate watch --json` have it. Keys only come. */
export interface EventDocument {
  /** As printed, `e7:12`. */
  readonly txnid: string;
  readonly operations: readonly OperationDocument[];
}

export interface OperationDocument extends Partial<PrintableData> {
  readonly kind: CommittedOperation["kind"];
  readonly path: string;
  readonly version?: number;
  readonly timeMs?: number;
}

export function eventDocument({ txnid, operations }: CommittedEvent): EventDocument {
  return { txnid: formatTxnid(txnid), operations: operations.map(operationDocument) };
}

function operationDocument(operation: CommittedOperation): OperationDocument {
  if (!("data" in operation)) return operation;
  const { data, ...others } = operation;
  return { ...others, ...printableData(data) };
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Arguments of one call. */
const CHUNK_BYTES = 8192;

export function printableData(data: Uint8Array): PrintableData {
  try {
    return { data: strict.decode(data), encoding: "utf8" };
  } catch {
    // Not text: that is what base64 is for.
    let binary = "";
    for (let at = 0; at < data.length; at += CHUNK_BYTES) {
      binary += String.fromCharCode(...data.subarray(at, at + CHUNK_BYTES));
    }
    return { data: btoa(binary), encoding: "base64" };
  }
}
