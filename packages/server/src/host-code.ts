import {
  CONTENT_BYTES_MAX,
  QuorateError,
  type LogEntryMsg,
  type ReadResult,
  type RequestOutcome,
} from "@quorate/protocol";

/** Of any realm, and of subclasses as Buffer. A program without types returns anything. */
export function isBytes(value: unknown): value is Uint8Array {
  return Object.prototype.toString.call(value) === "[object Uint8Array]";
}

/**
 * What is wrong with an answer of the host's own; null when nothing is. An operation that went
 * through the log has taken effect all the same: its caller must hear of both.
 */
function wrongAnswer(answer: unknown, whose: string): QuorateError | null {
  const failed = (text: string): QuorateError =>
    new QuorateError("ERR_SERVER_CUSTOM_FAILED", `${whose} ${text}`);
  if (!isBytes(answer)) {
    const what = answer === null ? "null" : `a value of type ${typeof answer}`;
    return failed(`must return a Uint8Array, not ${what}`);
  }
  return answer.length > CONTENT_BYTES_MAX ? failed("returned too large an answer") : null;
}

/** What whoever asked for an operation that was logged and applied is told. */
export function outcomeOf({ op, txnid }: LogEntryMsg, answer: Uint8Array): RequestOutcome {
  const error = wrongAnswer(answer, `operation ${op} took effect, but its apply`);
  return error === null ? { ok: true, txnid, content: answer } : { ok: false, error };
}

/** Asks the host's own code to read. What it throws or returns wrongly is an error as answer. */
export function readOfHost(op: number, read: () => ReadResult): ReadResult {
  let result: ReadResult;
  try {
    result = read();
  } catch (error) {
    return refused(textOf(error));
  }
  const answer: unknown = result;
  if (typeof answer !== "object" || answer === null || !("ok" in answer)) {
    return refused(`the read of operation ${op} must return { ok, content }`);
  }
  if (!result.ok) return result;
  const wrong = wrongAnswer(result.content, `the read of operation ${op}`);
  // What the host changes later must not change under whoever was answered.
  return wrong === null ? { ok: true, content: result.content.slice() } : refused(wrong.message);
}

/**
 * Runs code of the host's that changes its state. One that throws has done something or nothing,
 * and nobody knows which: this node must not go on.
 * @throws ERR_SERVER_CUSTOM_STATE.
 */
export function changeOfHost<T>(what: string, change: () => T): T {
  try {
    return change();
  } catch (cause) {
    const text = `${what} threw, so this node's state is unknown: ${textOf(cause)}`;
    throw new QuorateError("ERR_SERVER_CUSTOM_STATE", text, { cause });
  }
}

/** @throws ERR_SERVER_CUSTOM_FAILED when it throws, or returns what is no bytes. */
export function savedByHost(save: () => unknown): Uint8Array {
  let saved: unknown;
  try {
    saved = save();
  } catch (cause) {
    const text = `saving the host's own state threw: ${textOf(cause)}`;
    throw new QuorateError("ERR_SERVER_CUSTOM_FAILED", text, { cause });
  }
  if (isBytes(saved)) return saved;
  throw new QuorateError("ERR_SERVER_CUSTOM_FAILED", "save must return a Uint8Array");
}

export function textOf(error: unknown): string {
  return error instanceof Error && error.message !== "" ? error.message : String(error);
}

function refused(message: string): ReadResult {
  return { ok: false, code: "ERR_SERVER_CUSTOM_FAILED", message };
}
