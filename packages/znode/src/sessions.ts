import {
  assert,
  NODE_ID_MAX,
  packRow,
  QuorateError,
  SESSION_PASSWORD_BYTES,
  type SessionInfo,
  type SessionOwner,
  type StateChanges,
} from "@quorate/protocol";
import { ChangeTracker } from "./changes.js";
import type { TreeDigest } from "./digest.js";
import { damaged } from "./row.js";
import { toSessionOwner } from "./session-owner.js";
import { viewOf } from "./stat.js";
import type { MoveTransaction, SessionTransaction } from "./transactions.js";

/**
 * A checkpoint's row of a session. Key: u8 1 | u64 id; no path begins so. Value, big-endian:
 *   u8 format (2) | i32 timeout ms | 16 bytes password | u8 owner
 * Format 1 is the same without the owner, of a session whose owner nobody knows: so the digest of
 * a state that was written before there were owners is what it was.
 */
const ROW_TAG = 1;
const KEY_BYTES = 9;
const ROW_FORMAT_UNOWNED = 1;
const ROW_FORMAT = 2;
const ROW_BYTES_UNOWNED = 21;
const ROW_BYTES = ROW_BYTES_UNOWNED + 1;

/** An open session. What a listener or a reader gets is this very object. */
export class Session implements SessionInfo {
  readonly id: bigint;
  /** Its own while it is open. */
  readonly number: number;
  readonly rowKey: string;
  timeoutMs = 0;
  password: Uint8Array = new Uint8Array(SESSION_PASSWORD_BYTES);
  owner: SessionOwner = 0;
  /** Their paths. Made with the first one: most sessions of some uses have none. */
  ephemerals: Set<string> | null = null;
  /** Of their paths, as a transaction that closes the session lists them. */
  ephemeralBytes = 0;
  hashHigh = 0;
  hashLow = 0;

  constructor(id: bigint, number: number) {
    this.id = id;
    this.number = number;
    this.rowKey = keyText(id);
  }

  get ephemeralCount(): number {
    return this.ephemerals?.size ?? 0;
  }
}

/** The open sessions of the applied state, their part of its digest and of its images. */
export class Sessions {
  readonly #digest: TreeDigest;
  readonly #byId = new Map<bigint, Session>();
  #byNumber: (Session | undefined)[] = [];
  /** Numbers of sessions that were closed. */
  #unused: number[] = [];
  /** Named by restored nodes and not restored themselves yet. */
  readonly #awaited = new Set<Session>();
  /** Over all of them; whoever adds to a session's ephemerals counts here. */
  ephemeralCount = 0;
  readonly #changes = new ChangeTracker<Session>(
    {
      get: (number) => this.#numbered(number),
      values: () => this.#byId.values(),
    },
    {
      rowOf: (session) => {
        const { key, value } = rowOf(session);
        return packRow(key, value);
      },
      tombstoneOf: (key) => packRow(keyBytes(key), null),
    },
  );

  constructor(digest: TreeDigest) {
    this.#digest = digest;
  }

  get count(): number {
    return this.#byId.size;
  }

  get(id: bigint): Session | undefined {
    return this.#byId.get(id);
  }

  values(): IterableIterator<Session> {
    return this.#byId.values();
  }

  /** @throws InvariantError when there is one with this id. */
  open({ id, timeoutMs, password, owner }: SessionTransaction): Session {
    assert(!this.#byId.has(id), "a session is opened once", { id });
    const session = this.#make(id);
    session.owner = owner;
    session.timeoutMs = timeoutMs;
    session.password = new Uint8Array(password);
    this.#changes.beforeCreate(session);
    this.#hash(session);
    return session;
  }

  /**
   * From now on it writes through this node, and has this timeout, if there is one.
   * @throws InvariantError when there is no such session.
   */
  move({ id, owner, timeoutMs }: MoveTransaction): Session {
    const session = this.require(id);
    this.#changes.beforeChange(session);
    this.#digest.subtractRow(session);
    session.owner = owner;
    if (timeoutMs > 0) session.timeoutMs = timeoutMs;
    this.#hash(session);
    return session;
  }

  /** @throws InvariantError when there is none, or it still owns a node. */
  close(id: bigint): void {
    const session = this.require(id);
    const left = session.ephemerals?.size ?? 0;
    assert(left === 0, "a session closes after its ephemerals are gone", { id, left });
    this.#changes.beforeDelete(session);
    this.#digest.subtractRow(session);
    this.#byId.delete(id);
    this.#byNumber[session.number] = undefined;
    this.#unused.push(session.number);
  }

  require(id: bigint): Session {
    const session = this.#byId.get(id);
    if (session === undefined) assert(false, "a transaction finds its session", { id });
    return session;
  }

  /** The session of a restored node, whose row may come later. */
  claim(id: bigint): Session {
    const known = this.#byId.get(id);
    if (known !== undefined) return known;
    const session = this.#make(id);
    this.#awaited.add(session);
    return session;
  }

  /** @throws ERR_STORE_DAMAGED, ERR_STORE_SCHEMA. */
  restore(key: Uint8Array, value: Uint8Array): void {
    if (key.length !== KEY_BYTES) throw damaged("the key of a session");
    const isUnowned = value[0] === ROW_FORMAT_UNOWNED;
    if (!isUnowned && value[0] !== ROW_FORMAT) {
      throw new QuorateError("ERR_STORE_SCHEMA", "a row of a session has an unknown format");
    }
    const owner = isUnowned ? 0 : value[ROW_BYTES_UNOWNED];
    const length = isUnowned ? ROW_BYTES_UNOWNED : ROW_BYTES;
    if (value.length !== length || owner === undefined || owner > NODE_ID_MAX) {
      throw damaged("the value of a session");
    }
    const session = this.claim(viewOf(key).getBigUint64(1));
    session.timeoutMs = viewOf(value).getInt32(1);
    session.password = new Uint8Array(value.subarray(5, ROW_BYTES_UNOWNED));
    session.owner = toSessionOwner(owner);
    this.#awaited.delete(session);
    this.#hash(session);
  }

  assertWhole(): void {
    assert(this.#awaited.size === 0, "every restored ephemeral has its session");
  }

  beginChanges(isFull: boolean): StateChanges {
    return this.#changes.begin(isFull);
  }

  reset(): void {
    for (const session of this.#byId.values()) {
      if (!this.#awaited.has(session)) this.#digest.subtractRow(session);
    }
    this.#byId.clear();
    this.#byNumber = [];
    this.#unused = [];
    this.#awaited.clear();
    this.ephemeralCount = 0;
    this.#changes.reset();
  }

  #make(id: bigint): Session {
    const session = new Session(id, this.#unused.pop() ?? this.#byNumber.length);
    this.#byId.set(id, session);
    this.#byNumber[session.number] = session;
    return session;
  }

  #numbered(number: number): Session {
    const session = this.#byNumber[number];
    assert(session !== undefined, "a session that changed is there", { number });
    return session;
  }

  #hash(session: Session): void {
    const { key, value } = rowOf(session);
    this.#digest.addRow(session, key, value);
  }
}

/** By the first byte of its key. */
export function isSessionRow(firstByte: number | undefined): boolean {
  return firstByte === ROW_TAG;
}

function rowOf(session: Session): { readonly key: Uint8Array; readonly value: Uint8Array } {
  const isUnowned = session.owner === 0;
  const value = new Uint8Array(isUnowned ? ROW_BYTES_UNOWNED : ROW_BYTES);
  value[0] = isUnowned ? ROW_FORMAT_UNOWNED : ROW_FORMAT;
  new DataView(value.buffer).setInt32(1, session.timeoutMs);
  value.set(session.password, 5);
  if (!isUnowned) value[ROW_BYTES_UNOWNED] = session.owner;
  return { key: keyBytes(session.rowKey), value };
}

/** The key's bytes as characters, so that they index a map. */
function keyText(id: bigint): string {
  const bytes = new Uint8Array(KEY_BYTES);
  bytes[0] = ROW_TAG;
  new DataView(bytes.buffer).setBigUint64(1, id);
  return String.fromCharCode(...bytes);
}

function keyBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
