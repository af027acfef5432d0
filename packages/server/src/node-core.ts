import {
  QuorateError,
  type NodeId,
  type PeerStatus,
  type QuorumVerifier,
  type Service,
  type Timer,
  type Txnid,
} from "@quorate/protocol";
import { AppliedFeed } from "./applied-feed.js";
import { NodeService } from "./service/node-service.js";
import { closedError, notReadyError } from "./service/refusals.js";
import { unsupportedService } from "./service/unsupported-service.js";
import { CombinedMachine } from "./combined-machine.js";
import { LazyStore } from "./lazy-store.js";
import { pause } from "./pause.js";
import { RequestManager } from "./request-manager.js";
import type { Role } from "./role.js";
import { nodeStateOf, type NodeState } from "./node-state.js";
import { ServerAction } from "./server-action.js";
import type {
  ExitReason,
  NodeStatus,
  OpenedHost,
  ReadOptions,
  ServerDeps,
  ServerOptions,
  ServerPressure,
} from "./server.js";

/** Pause before the store is opened again after it was full. */
const REOPEN_PAUSE_MS = 1000;
/** A read waits this long for a role that serves. */
const READ_WAIT_MS = 1000;
/** How often a waiting read looks again. */
const READ_POLL_MS = 20;

export type CoreOptions = ServerOptions & {
  readonly quorum: QuorumVerifier;
  readonly trustEmpty: boolean;
};
export type CoreDeps = ServerDeps & Required<Pick<ServerDeps, "meter" | "factory">>;

/**
 * What every node has, whatever its life: a store and the state behind it, clients, and the way to
 * stop. Which role it has at a time is the life's business (coordinator, watcher node).
 */
export class NodeCore {
  readonly done: Promise<ExitReason>;
  /** Outlives each opening of the store. */
  readonly committed: AppliedFeed;
  readonly requests: RequestManager;
  readonly signal: AbortSignal;
  /** What front ends are given. */
  readonly service: Service;
  /** The same, as the roles know it. */
  readonly inner: NodeService;
  readonly #options: CoreOptions;
  readonly #deps: CoreDeps;
  readonly #abort = new AbortController();
  readonly #aborted: Promise<null>;
  #resolveDone: (reason: ExitReason) => void = () => undefined;
  #action: NodeState | null = null;
  #closeStore: () => Promise<void> = () => Promise.resolve();
  #isReplicated: (op: number) => boolean = () => false;
  #role: Role | null = null;
  #leader: NodeId | null = null;
  #status: PeerStatus = "electing";

  constructor(options: CoreOptions, deps: CoreDeps) {
    this.#options = options;
    this.#deps = deps;
    const isReplicated = (op: number): boolean => this.#isReplicated(op);
    this.requests = new RequestManager({ ...deps, isReplicated });
    this.committed = new AppliedFeed(deps);
    this.signal = this.#abort.signal;
    const { nodeId } = options;
    this.inner = new NodeService({
      nodeId,
      clock: deps.clock,
      requests: this.requests,
      signal: this.signal,
      timings: options.timings,
      role: () => this.#role,
      state: () => this.#action,
    });
    this.service = deps.openHost === undefined ? this.inner : unsupportedService(nodeId);
    this.done = new Promise((resolve) => {
      this.#resolveDone = resolve;
    });
    const { signal } = this;
    this.#aborted = new Promise((resolve) => {
      signal.addEventListener("abort", () => resolve(null), { once: true });
    });
  }

  // ---- the role ----

  get role(): Role | null {
    return this.#role;
  }

  get peerStatus(): PeerStatus {
    return this.#status;
  }

  get leader(): NodeId | null {
    return this.#leader;
  }

  /** @throws ERR_SERVER_NOT_READY before `open`. */
  get action(): NodeState {
    if (this.#action === null) throw new QuorateError("ERR_SERVER_NOT_READY", "not started");
    return this.#action;
  }

  /** The role that serves from now on, perhaps not ready yet; null between two. */
  enter(status: PeerStatus, leader: NodeId | null, role: Role | null): void {
    this.#role = role;
    this.#leader = leader;
    this.#status = status;
    this.#action?.setStatus(status);
    this.inner.servingChanged();
  }

  // ---- the service ----

  status(): NodeStatus {
    const { action } = this;
    const { txnid, digest } = action.appliedState();
    return {
      id: this.#options.nodeId,
      role: this.#status,
      leader: this.#leader,
      epoch: action.getCurrentEpoch(),
      lastLogged: action.getLastLoggedTxid(),
      lastCommitted: action.getLastCommittedTxid(),
      lastApplied: txnid,
      digest,
      standing: action.getStanding(),
      ready: this.#role?.isReady ?? false,
      waitingFor: [],
    };
  }

  pressure(): ServerPressure {
    const oldestWriteMs = this.action.oldestAppendAgeMs();
    const peers = this.#role?.peers() ?? [];
    return { pendingRequests: this.requests.pendingCount, oldestWriteMs, peers };
  }

  submit(
    op: number,
    key: string,
    content: Uint8Array,
  ): Promise<{ readonly txnid: Txnid; readonly content: Uint8Array }> {
    if (this.signal.aborted) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      this.requests.submit(op, key, content, (outcome) => {
        if (outcome.ok) resolve(outcome);
        else reject(outcome.error);
      });
    });
  }

  async read(
    op: number,
    key: string,
    content: Uint8Array,
    options: ReadOptions = {},
  ): Promise<Uint8Array> {
    const role = await this.#readyRole();
    if (options.linearizable === true) await this.#readIndex(role);
    const result = this.action.read(op, key, content);
    if (result.ok) return result.content;
    throw new QuorateError(result.code, result.message);
  }

  /** @throws (rejects) ERR_SERVER_NOT_READY without a role; else why the role ended meanwhile. */
  ping(): Promise<void> {
    const role = this.#role;
    if (role === null) return Promise.reject(notReadyError());
    return new Promise((resolve, reject) => {
      role.ping((error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
  }

  /** A role that serves, waited for within a bound. */
  async #readyRole(): Promise<Role> {
    const deadline = this.#deps.clock.now() + READ_WAIT_MS;
    for (;;) {
      const role = this.#role;
      if (role?.isReady === true) return role;
      if (this.signal.aborted) throw closedError();
      if (this.#deps.clock.now() >= deadline) throw notReadyError();
      await this.pause(READ_POLL_MS);
    }
  }

  /** Bounded by the role (G16): it answers, or its end gives up every read that waits. */
  #readIndex(role: Role): Promise<void> {
    return new Promise((resolve, reject) => {
      role.readIndex((mark) => {
        if (typeof mark !== "bigint") {
          reject(mark);
          return;
        }
        this.action.whenApplied(mark, (isApplied) => {
          if (isApplied) resolve();
          else reject(notReadyError());
        });
      });
    });
  }

  // ---- the store ----

  /** @throws (rejects) what opening the store reports. */
  async open(): Promise<void> {
    const { openHost, clock } = this.#deps;
    const { nodeId, quorum } = this.#options;
    if (openHost === undefined) {
      await this.#openStore();
      return;
    }
    const host = await openHost({ nodeId, quorum, clock, requests: this.requests });
    this.#action = nodeStateOf(host.handler, host, this.committed);
    this.#closeStore = () => this.#closeHost(host);
  }

  /** A stranger: what it does not close in time, or fails to, keeps nobody from ending. */
  async #closeHost(host: OpenedHost): Promise<void> {
    const { clock, logger } = this.#deps;
    const closing = Promise.resolve(host.close?.()).then(() => "closed" as const);
    const ms = this.#options.timings.diskTimeoutMs;
    let timer: Timer | null = null;
    const late = new Promise<"late">((resolve) => {
      timer = clock.setTimer(ms, () => resolve("late"));
    });
    try {
      const outcome = await Promise.race([closing, late]);
      if (outcome === "late") logger.error("the host did not close in time", { ms });
    } catch (error) {
      logger.error("the host failed to close", {}, error);
    } finally {
      (timer as Timer | null)?.cancel();
    }
  }

  async #openStore(): Promise<void> {
    const { openStore, createCustomState, createStateMachine, clock, logger } = this.#deps;
    const { nodeId, quorum, trustEmpty, checkpointBytes, role, timings } = this.#options;
    // Before the store: what the host brings may be refused, and nothing is to be closed then.
    const tree = createStateMachine();
    const custom = createCustomState?.();
    const combined = custom === undefined ? null : new CombinedMachine(tree, custom);
    const machine = combined ?? tree;
    this.#isReplicated = (op) => combined?.isWrite(op) ?? false;
    const opened = await openStore();
    machine.attach?.(this.inner.listener);
    const { diskTimeoutMs } = timings;
    const lazy = role === "watcher" ? new LazyStore(opened, { clock, diskTimeoutMs }) : null;
    const store = lazy ?? opened;
    this.inner.stateLoading();
    const { identity, damage, lastLogged, currentEpoch } = store.recovered;
    if (damage !== null) logger.error("the history was found damaged; recovering", { damage });
    logger.info("store opened", { identity, lastLogged: lastLogged.txnid, currentEpoch });
    try {
      this.#action = await ServerAction.open(
        { nodeId, quorum, trustEmpty, checkpointBytes },
        {
          store,
          stateMachine: machine,
          isReplicated: this.#isReplicated,
          onLoad: (phase) => {
            if (phase === "begun") this.inner.stateLoading();
            else this.inner.stateLoaded(machine);
          },
          requests: this.requests,
          clock,
          logger,
          meter: this.#deps.meter,
          feed: this.committed,
          ...(lazy === null ? {} : { lazy }),
        },
      );
    } catch (error) {
      await store.close();
      throw error;
    }
    this.inner.stateLoaded(machine);
    this.#closeStore = () => store.close();
  }

  /** Every write of the last role is answered, the store has failed, or the node is to stop. */
  async barrier(): Promise<QuorateError | null> {
    const { clock, logger } = this.#deps;
    let isOver = false;
    const warning = clock.setTimer(this.#options.timings.diskTimeoutMs, () => {
      if (!isOver) logger.error("the disk does not answer; this node stays out of elections");
    });
    const failure = await Promise.race([this.action.quiesce(), this.#aborted]);
    isOver = true;
    warning.cancel();
    return failure;
  }

  /** As `ServerAction.shortenLog`; a disk that does not answer keeps nobody from ending. */
  async shortenLog(): Promise<QuorateError | null> {
    const { clock, logger } = this.#deps;
    const ms = this.#options.timings.diskTimeoutMs;
    const warning = clock.setTimer(ms, () => {
      logger.error("a checkpoint does not end; this node stays out of elections until then", {
        ms,
      });
    });
    try {
      return await Promise.race([this.action.shortenLog(this.signal), this.#aborted]);
    } finally {
      warning.cancel();
    }
  }

  /**
   * A full disk rolled back: nothing of the open writes is there, so what is durable is loaded
   * again, as soon as the store can be opened. Any other failure has an unknown outcome. So may a
   * failure to open, unless it says of itself that it passes: still full, or files that a reader or
   * the hung disk of the store before has not let go.
   */
  async storeFailed(error: QuorateError): Promise<ExitReason | undefined> {
    const { logger } = this.#deps;
    if (error.code !== "ERR_STORE_FULL") {
      const what = error.code === "ERR_SERVER_CUSTOM_STATE" ? "the host's own state" : "the store";
      logger.error(`${what} failed; its outcome is unknown`, { code: error.code }, error);
      return { kind: "failed", error };
    }
    logger.error("the disk is full; this node is not ready", {}, error);
    this.enter("electing", null, null);
    await this.#closeStore();
    while (!this.signal.aborted) {
      try {
        await this.open();
        return undefined;
      } catch (again) {
        if (!(again instanceof QuorateError)) throw again;
        logger.error("the store cannot be opened", {}, again);
        if (!again.retryable) return { kind: "failed", error: again };
        await this.pause(REOPEN_PAUSE_MS);
      }
    }
    return { kind: "stopped" };
  }

  // ---- the end ----

  /** Ends early when the node is told to stop. */
  pause(ms: number): Promise<void> {
    return pause(this.#deps.clock, ms, this.signal);
  }

  /** Ends what waits and, in order, the role. Idempotent; resolves when the store is closed. */
  async stop(): Promise<void> {
    if (!this.signal.aborted) {
      this.#role?.stop();
      this.#abort.abort();
    }
    await this.done;
  }

  /** The life is over. */
  async exit(reason: ExitReason): Promise<void> {
    this.#abort.abort();
    this.enter("electing", null, null);
    this.requests.close(closedError());
    this.inner.close();
    await this.#closeStore();
    this.#resolveDone(reason);
  }
}
