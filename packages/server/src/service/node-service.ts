import {
  isSamePassword,
  maxTxnid,
  TXNID_ZERO,
  type Clock,
  type NodeId,
  type QuorateError,
  type ReadResult,
  type RequestOutcome,
  type Service,
  type ServiceListener,
  type SessionInfo,
  type StateListener,
  type StateMachine,
  type Timings,
  type Txnid,
} from "@quorate/protocol";
import type { NodeState } from "../node-state.js";
import type { RequestManager } from "../request-manager.js";
import type { Role } from "../role.js";
import type { SessionState } from "../sessions/leader-sessions.js";
import { TouchBuffer, touchDoubtMs } from "../sessions/touch-buffer.js";
import { CatchUps } from "./catch-ups.js";
import { closedError } from "./refusals.js";
import { StateEvents } from "./state-events.js";

export interface NodeServiceDeps {
  readonly nodeId: NodeId;
  readonly clock: Clock;
  readonly requests: RequestManager;
  readonly signal: AbortSignal;
  readonly timings: Timings;
  role(): Role | null;
  state(): NodeState | null;
}

const NOT_READY: ReadResult = {
  ok: false,
  code: "ERR_SERVER_NOT_READY",
  message: "the state is being loaded",
};

/**
 * What front ends ask of their node, over all its roles and all openings of its store.
 *
 * Invariant 8: what reads see never goes back, nor is a change told twice. After a full disk the
 * store may hold less than was applied (ADR 0008): until the same is applied again nothing is read
 * and nothing told.
 */
export class NodeService implements Service {
  readonly nodeId: NodeId;
  readonly touches: TouchBuffer;
  readonly #deps: NodeServiceDeps;
  readonly #events: StateEvents<ServiceListener>;
  readonly #catchUps: CatchUps;
  #machine: StateMachine | null = null;
  /** The newest transaction that was ever seen here. Brought up to date when a load begins. */
  #head: Txnid = TXNID_ZERO;
  #isLoading = false;
  #wasServing = false;

  constructor(deps: NodeServiceDeps) {
    this.nodeId = deps.nodeId;
    this.#deps = deps;
    this.touches = new TouchBuffer(deps.clock, { doubtMs: touchDoubtMs(deps.timings) });
    this.#events = new StateEvents(() => !this.#isLoading && this.#isWhole());
    this.#catchUps = new CatchUps(deps);
  }

  get isServing(): boolean {
    return !this.#deps.signal.aborted && this.#deps.role()?.isReady === true;
  }

  get lastApplied(): Txnid {
    return maxTxnid(this.#deps.state()?.lastApplied() ?? TXNID_ZERO, this.#head);
  }

  get sessionCount(): number {
    return this.#isWhole() ? (this.#machine?.sessions?.count ?? 0) : 0;
  }

  attach(listener: ServiceListener): () => void {
    return this.#events.listen(listener);
  }

  readNow(op: number, key: string, content: Uint8Array): ReadResult {
    const state = this.#deps.state();
    return state === null || !this.#isWhole() ? NOT_READY : state.read(op, key, content);
  }

  submit(
    op: number,
    key: string,
    content: Uint8Array,
    complete: (outcome: RequestOutcome) => void,
    ofClient?: number,
  ): void {
    if (this.#deps.signal.aborted) complete({ ok: false, error: closedError() });
    else this.#deps.requests.submit(op, key, content, complete, ofClient);
  }

  catchUp(done: (error: QuorateError | null) => void): void {
    if (this.#deps.signal.aborted) done(closedError());
    else this.#catchUps.add(done);
  }

  /** Of a state that is being loaded nobody is told: a session may come later than its nodes. */
  session(id: bigint): SessionInfo | undefined {
    return this.#isWhole() ? this.#machine?.sessions?.get(id) : undefined;
  }

  takeOver(session: bigint, password: Uint8Array | null): void {
    const known = this.session(session);
    if (known === undefined || !isSamePassword(known.password, password)) return;
    for (const listener of this.#events.outer) listener.onSessionTaken?.(session);
  }

  touch(session: bigint): void {
    this.touches.add(session);
  }

  // ---- for the node ----

  /** Where a state machine tells what it applies. */
  get listener(): StateListener {
    return this.#events;
  }

  /** For a term of leadership; undefined over a state without sessions. */
  get sessionState(): SessionState | undefined {
    const machine = this.#machine;
    const sessions = machine?.sessions;
    if (machine === null || sessions === undefined) return undefined;
    return {
      sessions,
      touches: this.touches,
      listen: (listener) => this.#events.listenWithin(listener),
      expiredNodes: (wallTimeMs, max) => machine.expiredNodes?.(wallTimeMs, max) ?? [],
    };
  }

  /** The role serves from now on, or does not any more; or so perhaps. */
  servingChanged(): void {
    const { isServing } = this;
    if (isServing === this.#wasServing) return;
    this.#wasServing = isServing;
    for (const listener of this.#events.outer) listener.onServing(isServing);
    if (isServing) this.#catchUps.retry();
  }

  /** The state is about to be replaced: by a snapshot, or by what an opened store holds. */
  stateLoading(): void {
    this.#head = this.lastApplied;
    this.#isLoading = true;
  }

  /** It is whole again, in this machine. */
  stateLoaded(machine: StateMachine): void {
    this.#machine = machine;
    this.#isLoading = false;
    const { lastApplied } = this;
    if (lastApplied === this.#head) return;
    this.#head = lastApplied;
    for (const listener of this.#events.outer) listener.onStateReplaced();
  }

  close(): void {
    this.servingChanged();
    this.#catchUps.close(closedError());
  }

  /** Whether the state is one at some transaction, and not one that was left behind before. */
  #isWhole(): boolean {
    const at = this.#deps.state()?.lastApplied() ?? null;
    return at !== null && at >= this.#head;
  }
}
