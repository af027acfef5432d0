import {
  callerBytes,
  callerSession,
  encodeCaller,
  OpCode,
  type ErrorCode,
  type LogEntryMsg,
  type Prepared,
  type ReadResult,
  type SessionInfo,
  type SessionTable,
  type StateChanges,
  type StateListener,
  type StateMachine,
  type StateRow,
} from "@quorate/protocol";

const PERSISTENT = 0;
const EPHEMERAL = 1;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const NOTHING = new Uint8Array();

/** Contents as the tree takes them: see the operations of @quorate/znode. */
export const sessionContents = {
  create: (session: bigint | null, isEphemeral = false): Uint8Array => {
    const caller = encodeCaller({ session, identities: [] });
    // Mode, time to live, no ACL, no data.
    const rest = new Uint8Array(1 + 8 + 2);
    rest[0] = isEphemeral ? EPHEMERAL : PERSISTENT;
    return Uint8Array.from([...caller, ...rest]);
  },
  read: (): Uint8Array => encodeCaller({ session: null, identities: [] }),
  open: (id: bigint, timeoutMs: number, password: Uint8Array): Uint8Array => {
    const bytes = new Uint8Array(28);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, id);
    view.setInt32(8, timeoutMs);
    bytes.set(password, 12);
    return bytes;
  },
  close: (id: bigint): Uint8Array => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, id);
    return bytes;
  },
  resume: (id: bigint, password: Uint8Array): Uint8Array =>
    Uint8Array.from([...sessionContents.close(id), ...password]),
};

interface Image {
  readonly sessions: readonly (readonly [string, number, readonly number[]])[];
  /** Paths with their owners, "" for none. */
  readonly nodes: readonly (readonly [string, string])[];
}

/** Sessions and nodes without children, versions or data: what the server's part is tested over. */
export class SessionMachine implements StateMachine, SessionTable {
  readonly #sessions = new Map<bigint, SessionInfo>();
  readonly #nodes = new Map<string, bigint | null>();
  readonly #closing = new Set<bigint>();
  readonly #prepared = new Set<string>();
  /** What `expiredNodes` names. */
  due: string[] = [];
  #listener: StateListener | null = null;

  get sessions(): SessionTable {
    return this;
  }

  get count(): number {
    return this.#sessions.size;
  }

  get nodeCount(): number {
    return this.#nodes.size;
  }

  get(id: bigint): SessionInfo | undefined {
    return this.#sessions.get(id);
  }

  values(): IterableIterator<SessionInfo> {
    return this.#sessions.values();
  }

  isClosing(id: bigint): boolean {
    return this.#closing.has(id);
  }

  attach(listener: StateListener | null): void {
    this.#listener = listener;
  }

  expiredNodes(_wallTimeMs: number, max: number): readonly string[] {
    return this.due.splice(0, max);
  }

  prepare(op: number, key: string, content: Uint8Array): Prepared {
    const refuse = (code: ErrorCode): Prepared => ({ ok: false, code, message: key });
    const session = sessionIn(op, content);
    const isOpen = session === null || (this.#sessions.has(session) && !this.isClosing(session));
    switch (op) {
      case OpCode.createSession:
        if (session !== null && this.#sessions.has(session)) return refuse("ERR_SESSION_EXISTS");
        break;
      case OpCode.closeSession:
        if (!isOpen || session === null) return refuse("ERR_SESSION_EXPIRED");
        this.#closing.add(session);
        break;
      case OpCode.add:
        if (!isOpen) return refuse("ERR_SESSION_EXPIRED");
        if (this.#nodes.has(key) || this.#prepared.has(key)) {
          return refuse("ERR_ZNODE_NODE_EXISTS");
        }
        this.#prepared.add(key);
        break;
      case OpCode.deleteExpired:
        if (!this.#nodes.has(key)) return refuse("ERR_ZNODE_NO_NODE");
        break;
      default:
        return refuse("ERR_ZNODE_UNIMPLEMENTED");
    }
    return { ok: true, op, key, content };
  }

  discardPrepared(): void {
    this.#closing.clear();
    this.#prepared.clear();
  }

  apply({ op, key, content, txnid }: LogEntryMsg): Uint8Array {
    const session = sessionIn(op, content);
    if (op === OpCode.createSession && session !== null) {
      const timeoutMs = new DataView(content.buffer, content.byteOffset).getInt32(8);
      const info = { id: session, timeoutMs, password: content.slice(12, 28) };
      this.#sessions.set(session, info);
      this.#listener?.onSessionCreated(info);
    } else if (op === OpCode.closeSession && session !== null) {
      this.#sessions.delete(session);
      this.#closing.delete(session);
      const owned = [...this.#nodes].filter(([, owner]) => owner === session);
      for (const [path] of owned) this.#nodes.delete(path);
      for (const [path] of owned) this.#listener?.onNodeChange("deleted", path, txnid);
      this.#listener?.onSessionClosed(session);
    } else if (op === OpCode.add) {
      this.#prepared.delete(key);
      const isEphemeral = content[callerBytes(content)] === EPHEMERAL;
      this.#nodes.set(key, isEphemeral ? session : null);
      this.#listener?.onNodeChange("created", key, txnid);
    } else if (op === OpCode.deleteExpired) {
      this.#nodes.delete(key);
      this.#listener?.onNodeChange("deleted", key, txnid);
    }
    return NOTHING;
  }

  read(_op: number, key: string): ReadResult {
    if (this.#nodes.has(key)) return { ok: true, content: NOTHING };
    return { ok: false, code: "ERR_ZNODE_NO_NODE", message: key };
  }

  digest(): bigint {
    let digest = 0n;
    for (const byte of encoder.encode(this.#text()))
      digest = (digest * 31n + BigInt(byte)) % 2n ** 64n;
    return digest;
  }

  beginChanges(): StateChanges {
    const rows = [{ key: new Uint8Array([1]), value: encoder.encode(this.#text()) }];
    return { next: () => rows.splice(0), abandon: () => undefined };
  }

  reset(): void {
    this.#sessions.clear();
    this.#nodes.clear();
    this.discardPrepared();
  }

  restore(rows: readonly StateRow[]): void {
    for (const { value } of rows) {
      if (value === null) continue;
      const { sessions, nodes } = JSON.parse(decoder.decode(value)) as Image;
      for (const [id, timeoutMs, password] of sessions) {
        const info = { id: BigInt(id), timeoutMs, password: Uint8Array.from(password) };
        this.#sessions.set(info.id, info);
      }
      for (const [path, owner] of nodes) this.#nodes.set(path, owner === "" ? null : BigInt(owner));
    }
  }

  #text(): string {
    const image: Image = {
      sessions: [...this.#sessions.values()].map(({ id, timeoutMs, password }) => [
        String(id),
        timeoutMs,
        [...password],
      ]),
      nodes: [...this.#nodes].map(([path, owner]) => [path, owner === null ? "" : String(owner)]),
    };
    return JSON.stringify(image);
  }
}

function sessionIn(op: number, content: Uint8Array): bigint | null {
  if (op === OpCode.add) return callerSession(content);
  if (op !== OpCode.createSession && op !== OpCode.closeSession) return null;
  return new DataView(content.buffer, content.byteOffset).getBigUint64(0);
}
