import {
  ANYONE,
  encodeCaller,
  makeTxnid,
  toNodeId,
  type AuthIdentity,
  type Caller,
  type LogEntryMsg,
  type NodeId,
  type Prepared,
  type StateChanges,
  type StateRow,
  type Txnid,
} from "@quorate/protocol";
import { hasCaller, withCaller, ZnodeMachine } from "../src/index.js";
import { requestOf, type Ask } from "./asks.js";

export const T0_MS = 1_700_000_000_000;

/** The content of a read by nobody in particular. */
export const READ = encodeCaller(ANYONE);

/** The content of a read by a caller. */
export function readBy(session: bigint | null, ...identities: AuthIdentity[]): Uint8Array {
  return encodeCaller({ session, identities });
}

/** A leader's use of the machine: txnids are drawn for what is not refused only. */
export class Driver {
  readonly machine: ZnodeMachine;
  /** Whoever asks from now on. */
  caller: Caller = ANYONE;
  /** The node that asks from now on; null: the leader itself. */
  origin: NodeId | null = toNodeId(1);
  readonly applied: LogEntryMsg[] = [];
  readonly prepared: LogEntryMsg[] = [];
  #counter = 0;

  constructor(machine = new ZnodeMachine()) {
    this.machine = machine;
  }

  prepare(op: number, key: string, content: Uint8Array): Prepared {
    const txnid = this.#next();
    const wallTimeMs = T0_MS + this.#counter;
    const request = hasCaller(op) ? withCaller(encodeCaller(this.caller), content) : content;
    const origin = this.origin ?? undefined;
    const prepared = this.machine.prepare(op, key, request, { txnid, wallTimeMs, origin });
    if (!prepared.ok) return prepared;
    this.#counter += 1;
    this.prepared.push({ txnid, fid: "1", reqId: 1n, ...entryOf(prepared) });
    return prepared;
  }

  applyNext(): Uint8Array {
    const entry = this.prepared.shift();
    if (entry === undefined) throw new Error("nothing is prepared");
    this.applied.push(entry);
    return this.machine.apply(entry);
  }

  applyAll(): void {
    while (this.prepared.length > 0) this.applyNext();
  }

  discard(): void {
    this.#counter -= this.prepared.length;
    this.prepared.length = 0;
    this.machine.discardPrepared();
  }

  /** Prepares and applies one request; the error code if it is refused. */
  run(op: number, key: string, content: Uint8Array): Uint8Array | string {
    const prepared = this.prepare(op, key, content);
    if (!prepared.ok) return prepared.code;
    while (this.prepared.length > 1) this.applyNext();
    return this.applyNext();
  }

  #next(): Txnid {
    return makeTxnid(1, this.#counter + 1);
  }
}

function entryOf(prepared: Prepared & { readonly ok: true }): {
  op: number;
  key: string;
  content: Uint8Array;
} {
  return { op: prepared.op, key: prepared.key, content: prepared.content };
}

export function prepareAsk(driver: Driver, ask: Ask): Prepared {
  const { op, key, content } = requestOf(ask);
  driver.caller = ask.caller;
  return driver.prepare(op, key, content);
}

/** Prepares and applies one request; the error code if it is refused. */
export function runAsk(driver: Driver, ask: Ask): Uint8Array | string {
  const { op, key, content } = requestOf(ask);
  driver.caller = ask.caller;
  return driver.run(op, key, content);
}

/** All rows of an image, slice by slice. */
export function rowsOf(image: StateChanges): StateRow[] {
  const rows: StateRow[] = [];
  for (let some = image.next(500); some.length > 0; some = image.next(500)) rows.push(...some);
  return rows;
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
