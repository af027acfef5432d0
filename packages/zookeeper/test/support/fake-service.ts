import {
  isSamePassword,
  makeTxnid,
  OpCode,
  QuorateError,
  TXNID_ZERO,
  type Clock,
  type ErrorCode,
  type LogEntryMsg,
  type NodeId,
  type ReadResult,
  type RequestOutcome,
  type Service,
  type ServiceListener,
  type SessionInfo,
  type Txnid,
} from "@quorate/protocol";
import { ZnodeMachine } from "@quorate/znode";

interface Submitted {
  readonly op: number;
  readonly key: string;
  readonly content: Uint8Array;
  readonly complete: (outcome: RequestOutcome) => void;
  readonly ofClient: number | undefined;
}

/**
 * A node of one, over the real state machine: what is submitted is prepared at once, and applied in
 * a later turn, or when the test says so.
 */
export class FakeService implements Service {
  readonly nodeId = 3 as NodeId;
  readonly machine = new ZnodeMachine();
  isServing = true;
  lastApplied: Txnid = TXNID_ZERO;
  /** The state is being loaded: nothing can be read. */
  isLoading = false;
  /** Applies by itself. A test that holds writes back turns it off. */
  isAutomatic = true;
  /** What catches up waits for the test, beside the order of writes. */
  isCatchUpHeld = false;
  readonly #catchUps: (() => void)[] = [];
  /** What the next writes are told instead of being prepared. */
  readonly failures: QuorateError[] = [];
  readonly submitted: Submitted[] = [];
  readonly touched: bigint[] = [];
  readonly #clock: Clock;
  readonly #listeners = new Set<ServiceListener>();
  #counter = 0;
  #queue: (() => void)[] = [];
  readonly #refusals: QuorateError[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.machine.attach({
      onNodeChange: (kind, path, txnid, mayRead) => {
        for (const one of this.#listeners) one.onNodeChange(kind, path, txnid, mayRead);
      },
      onSessionCreated: (session) => {
        for (const one of this.#listeners) one.onSessionCreated(session);
      },
      onSessionClosed: (id) => {
        for (const one of this.#listeners) one.onSessionClosed(id);
      },
    });
  }

  attach(listener: ServiceListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get listeners(): readonly ServiceListener[] {
    return [...this.#listeners];
  }

  readNow(op: number, key: string, content: Uint8Array): ReadResult {
    if (this.isLoading) return { ok: false, code: "ERR_SERVER_NOT_READY", message: "loading" };
    return this.machine.read(op, key, content);
  }

  submit(
    op: number,
    key: string,
    content: Uint8Array,
    complete: (outcome: RequestOutcome) => void,
    ofClient?: number,
  ): void {
    this.submitted.push({ op, key, content, complete, ofClient });
    const refusal = this.#refusals.shift();
    if (refusal !== undefined) {
      complete({ ok: false, error: refusal });
      return;
    }
    this.#queue.push(this.#effectOf(op, key, content, complete));
    if (this.isAutomatic) this.#clock.defer(() => this.applyNext());
  }

  catchUp(done: (error: QuorateError | null) => void): void {
    if (this.isCatchUpHeld) {
      this.#catchUps.push(() => done(null));
      return;
    }
    this.#queue.push(() => done(null));
    if (this.isAutomatic) this.#clock.defer(() => this.applyNext());
  }

  session(id: bigint): SessionInfo | undefined {
    return this.machine.sessions.get(id);
  }

  get sessionCount(): number {
    return this.machine.sessions.count;
  }

  takeOver(session: bigint, password: Uint8Array | null): void {
    if (!isSamePassword(this.session(session)?.password ?? new Uint8Array(0), password)) return;
    for (const listener of this.#listeners) listener.onSessionTaken?.(session);
  }

  touch(session: bigint): void {
    this.touched.push(session);
  }

  /** Applies, or refuses, the oldest that waits. False when there is none. */
  applyNext(): boolean {
    const next = this.#queue.shift();
    next?.();
    return next !== undefined;
  }

  get waitingCount(): number {
    return this.#queue.length;
  }

  /** Applies as a batch does: nothing else runs between. */
  applyAll(): void {
    while (this.applyNext());
  }

  /** Those that wait now have caught up. */
  caughtUp(): void {
    for (const done of this.#catchUps.splice(0)) done();
  }

  serve(isServing: boolean): void {
    this.isServing = isServing;
    for (const listener of this.#listeners) listener.onServing(isServing);
  }

  replaceState(): void {
    for (const listener of this.#listeners) listener.onStateReplaced();
  }

  /** The leader expires a session. */
  expire(id: bigint): void {
    const content = new Uint8Array(8);
    new DataView(content.buffer).setBigUint64(0, id);
    this.submit(OpCode.closeSession, "", content, () => undefined);
  }

  failNext(code: ErrorCode): void {
    this.failures.push(new QuorateError(code, "as the test wants"));
  }

  /** The next write is refused within its submit. */
  refuseAtOnce(code: ErrorCode): void {
    this.#refusals.push(new QuorateError(code, "as the test wants"));
  }

  #effectOf(
    op: number,
    key: string,
    content: Uint8Array,
    complete: (outcome: RequestOutcome) => void,
  ): () => void {
    const failure = this.failures.shift();
    if (failure !== undefined) return () => complete({ ok: false, error: failure });
    const txnid = makeTxnid(1, this.#counter + 1);
    const wallTimeMs = this.#clock.wallTime();
    const prepared = this.machine.prepare(op, key, content, { txnid, wallTimeMs });
    if (!prepared.ok) {
      const { code, message, at } = prepared;
      const details = at === undefined ? {} : { at };
      return () => complete({ ok: false, error: new QuorateError(code, message, { details }) });
    }
    this.#counter += 1;
    const entry: LogEntryMsg = { txnid, fid: "3", reqId: 1n, ...prepared };
    return () => {
      const answer = this.machine.apply(entry);
      complete({ ok: true, txnid, content: answer });
      this.lastApplied = txnid;
    };
  }
}
