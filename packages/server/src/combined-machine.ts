import {
  CONTENT_BYTES_MAX,
  CUSTOM_STATE_BYTES_MAX,
  isCustomOpCode,
  QuorateError,
  type CustomState,
  type LogEntryMsg,
  type PrepareContext,
  type Prepared,
  type ReadResult,
  type SessionTable,
  type StateChanges,
  type StateListener,
  type StateMachine,
  type StateRow,
  type StateRows,
} from "@quorate/protocol";
import { changeOfHost, isBytes, readOfHost, savedByHost } from "./host-code.js";

/** No path of the tree begins with it. */
const ROW_KEY = new Uint8Array([0]);
const FORMAT = 1;
const HEADER_BYTES = 9;
const NO_CONTENT = new Uint8Array(0);

/**
 * The tree and a state of the host's own beside it, as one state machine. The host's is one row of
 * a checkpoint: format (u8), digest (u64), what it saved. Its part of the digest is a running hash
 * over the entries that changed it, which are the same everywhere.
 */
export class CombinedMachine implements StateMachine {
  readonly #tree: StateMachine;
  readonly #custom: CustomState;
  readonly #writes: ReadonlySet<number>;
  readonly #reads: ReadonlySet<number>;
  #hash = 0n;
  /** Changed since the last image that was read to its end. */
  #isChanged = false;

  /** @throws ERR_CONFIG_VALUE when a code is none of the host's, or stands for both. */
  constructor(tree: StateMachine, custom: CustomState) {
    this.#tree = tree;
    this.#custom = custom;
    this.#writes = new Set(custom.writes);
    this.#reads = new Set(custom.reads ?? []);
    for (const op of [...this.#writes, ...this.#reads]) {
      if (isCustomOpCode(op) && this.#writes.has(op) !== this.#reads.has(op)) continue;
      throw new QuorateError("ERR_CONFIG_VALUE", `operation ${op} cannot be the host's own`);
    }
  }

  isWrite(op: number): boolean {
    return this.#writes.has(op);
  }

  get sessions(): SessionTable | undefined {
    return this.#tree.sessions;
  }

  attach(listener: StateListener | null): void {
    this.#tree.attach?.(listener);
  }

  expiredNodes(wallTimeMs: number, max: number): readonly string[] {
    return this.#tree.expiredNodes?.(wallTimeMs, max) ?? [];
  }

  prepare(op: number, key: string, content: Uint8Array, context: PrepareContext): Prepared {
    if (!isCustomOpCode(op)) return this.#tree.prepare(op, key, content, context);
    if (content.length > CONTENT_BYTES_MAX) {
      return { ok: false, code: "ERR_ARG_TOO_LARGE", message: "the content is too large" };
    }
    return { ok: true, op, key, content };
  }

  discardPrepared(): void {
    this.#tree.discardPrepared();
  }

  apply(entry: LogEntryMsg): Uint8Array {
    if (!this.#writes.has(entry.op)) return this.#tree.apply(entry);
    this.#hash = hashOf(this.#hash, entry);
    this.#isChanged = true;
    // A view of the batch that is logged and sent on: the host gets a copy, whatever it does to it.
    const own = { ...entry, content: entry.content.slice() };
    const answer = changeOfHost(`applying operation ${entry.op}`, () => this.#custom.apply(own));
    // And gives one. What is no answer at all is told to whoever asked (`wrongAnswer`).
    return isBytes(answer) ? answer.slice() : answer;
  }

  read(op: number, key: string, content: Uint8Array): ReadResult {
    if (!this.#reads.has(op)) return this.#tree.read(op, key, content);
    return readOfHost(
      op,
      () => this.#custom.read?.(op, key, content.slice()) ?? { ok: true, content: NO_CONTENT },
    );
  }

  digest(): bigint {
    return this.#tree.digest() ^ this.#hash;
  }

  /**
   * @throws ERR_ARG_TOO_LARGE when the host saves too much, ERR_SERVER_CUSTOM_FAILED when it saves
   * what is no bytes, or throws: then there is no checkpoint.
   */
  beginChanges(options: { readonly full: boolean }): StateChanges {
    const row = options.full || this.#isChanged ? this.#row() : null;
    const changes = this.#tree.beginChanges(options);
    let isGiven = row === null;
    this.#isChanged = false;
    return {
      next: (bytesMax) => {
        if (isGiven || row === null) return changes.next(bytesMax);
        isGiven = true;
        return [row];
      },
      abandon: () => {
        // Once more never hurts: the row is all of the state.
        if (row !== null) this.#isChanged = true;
        changes.abandon();
      },
    };
  }

  reset(): void {
    this.#tree.reset();
    this.#hash = 0n;
    this.#isChanged = false;
    changeOfHost("loading the empty state", () => this.#custom.load(null));
  }

  restore(rows: StateRows): void {
    const all = [...rows];
    const ofTree = all.filter((row) => !this.#restoreOwn(row));
    // As they are, if they are all: the tree takes packed rows faster.
    if (ofTree.length > 0) this.#tree.restore(ofTree.length === all.length ? rows : ofTree);
  }

  #row(): StateRow {
    const saved = savedByHost(() => this.#custom.save());
    if (saved.length > CUSTOM_STATE_BYTES_MAX) {
      throw new QuorateError("ERR_ARG_TOO_LARGE", "the custom state is too large to be saved");
    }
    const value = new Uint8Array(HEADER_BYTES + saved.length);
    const view = new DataView(value.buffer);
    view.setUint8(0, FORMAT);
    view.setBigUint64(1, this.#hash);
    value.set(saved, HEADER_BYTES);
    return { key: ROW_KEY, value };
  }

  #restoreOwn({ key, value }: StateRow): boolean {
    if (key.length !== 1 || key[0] !== 0) return false;
    if (value === null || value.length < HEADER_BYTES || value[0] !== FORMAT) {
      throw new QuorateError("ERR_STORE_SCHEMA", "the custom state has an unknown format");
    }
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
    this.#hash = view.getBigUint64(1);
    changeOfHost("loading what was saved", () => this.#custom.load(value.slice(HEADER_BYTES)));
    return true;
  }
}

const encoder = new TextEncoder();

/** FNV-1a in two lanes of 32 bits, over where the entry stands and what it says. */
function hashOf(previous: bigint, { txnid, op, key, content }: LogEntryMsg): bigint {
  let high = Number(previous >> 32n) ^ Number(txnid >> 32n) ^ op;
  let low = Number(previous & 0xffff_ffffn) ^ Number(txnid & 0xffff_ffffn) ^ 0x811c_9dc5;
  for (const bytes of [encoder.encode(key), content]) {
    high = Math.imul(high ^ bytes.length, 0x0100_0193);
    for (const byte of bytes) {
      low = Math.imul(low ^ byte, 0x0100_0193);
      high = Math.imul(high ^ (low >>> 24), 0x85eb_ca6b) + low;
    }
  }
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}
