import { QuorateError, type Txnid } from "@quorate/protocol";

/** One request of the application, from the call to its answer. */
export interface Call {
  readonly op: number;
  readonly key: string;
  readonly content: Uint8Array;
  /** A write that was sent is never sent again: its outcome may already be decided. */
  readonly isWrite: boolean;
  readonly linearizable: boolean;
  /** On the client's clock. */
  readonly deadline: number;
  resolve(answer: Answer): void;
  reject(error: QuorateError): void;
  /**
   * `program`: its answer proves that the server has seen all that this client has. `standing`:
   * about watches and identities, which proves nothing. `greeting`: the same, of the connection.
   */
  readonly kind: "program" | "standing" | "greeting";
  /** Answered, refused or given up; whatever comes later is ignored. */
  settled: boolean;
  /** Its place among all calls of the client. */
  readonly order: number;
  /** Why it was turned away without effect, when it was last. */
  turnedAwayBy: QuorateError | null;
  /** It has left on a connection that may still answer. */
  sent: boolean;
  /** On that connection. */
  id: number;
}

export interface Answer {
  readonly txnid: Txnid;
  readonly content: Uint8Array;
}

export function bytesOf(call: Pick<Call, "key" | "content">): number {
  return 32 + call.key.length * 3 + call.content.length;
}

export function outcomeUnknown(why: string, cause?: unknown): QuorateError {
  return new QuorateError(
    "ERR_CLIENT_OUTCOME_UNKNOWN",
    `${why}: the write may have happened or not; read to find out`,
    { cause },
  );
}
