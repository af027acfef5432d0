import {
  LOG_START,
  QuorateError,
  type ActionEvents,
  type ActionHandler,
  type PeerStatus,
  type ReadResult,
  type Ticket,
  type Txnid,
} from "@quorate/protocol";
import type { AppliedFeed } from "./applied-feed.js";
import { readOfHost } from "./host-code.js";
import type { RoleHandler } from "./role.js";

/** What a node's life runs over: Quorate's own store and tree, or a host of someone else's. */
export interface NodeState extends RoleHandler {
  setStatus(status: PeerStatus): void;
  read(op: number, key: string, content: Uint8Array): ReadResult;
  /** Calls back once everything up to the mark is applied; false when that was given up. */
  whenApplied(mark: Txnid, done: (isApplied: boolean) => void): void;
  abandonReads(): void;
  appliedState(): { readonly txnid: Txnid; readonly digest: bigint };
  /** The newest transaction in the state that `read` sees; null while it is being replaced. */
  lastApplied(): Txnid | null;
  oldestAppendAgeMs(): number;
  /** Resolves when every write has been answered, or with the failure after which none will be. */
  quiesce(): Promise<QuorateError | null>;
  /** Between two roles: makes room if there is too little. Returns the failure, if there is one. */
  shortenLog(signal: AbortSignal): Promise<QuorateError | null>;
}

/** What a host brings besides its handler. */
export interface HostReads {
  /** Answers the host's reads from what is applied. Default: there are none. */
  read?(op: number, key: string, content: Uint8Array): ReadResult;
}

const READ_BYTES_OF_HOST = "the host's log is not read by subscribers";

/** A host's ActionHandler, with what a node's life asks beyond it. */
export function nodeStateOf(
  handler: ActionHandler,
  { read }: HostReads,
  feed: AppliedFeed,
): NodeState {
  const host = new HostState(handler, read ?? null, feed);
  // Methods of the handler may live on its prototype and use private fields: they are called on it.
  return new Proxy(handler, {
    get(target, name) {
      const own: unknown = Reflect.get(host.methods, name);
      if (own !== undefined) return own;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  }) as NodeState;
}

class HostState {
  readonly methods: Omit<NodeState, keyof ActionHandler> & Partial<ActionHandler>;
  readonly #handler: ActionHandler;
  #events: ActionEvents | null = null;
  #failure: QuorateError | null = null;
  #lastTicket: Ticket = 0;
  #answered: Ticket = 0;
  #idleWaiters: (() => void)[] = [];
  #readers: { readonly mark: Txnid; readonly done: (isApplied: boolean) => void }[] = [];

  constructor(
    handler: ActionHandler,
    read: NonNullable<HostReads["read"]> | null,
    feed: AppliedFeed,
  ) {
    this.#handler = handler;
    handler.attach({
      onPersisted: (upTo, lastLogged) => {
        this.#answered = Math.max(this.#answered, upTo);
        this.#events?.onPersisted(upTo, lastLogged);
        if (this.#answered >= this.#lastTicket) this.#wakeIdle();
      },
      onStoreFailed: (error) => {
        this.#failure = error;
        this.#events?.onStoreFailed(error);
        this.#wakeIdle();
      },
      onVoterAdmitted: (voter, identity) => this.#events?.onVoterAdmitted(voter, identity),
      onCommitted: (batches) => {
        feed.advanced(batches);
        this.#events?.onCommitted?.(batches);
        this.#wakeReaders();
      },
    });
    feed.restored(handler.getCommittedPosition(), {
      logStart: LOG_START,
      readBatches: () =>
        Promise.reject(new QuorateError("ERR_SERVER_UNSUPPORTED", READ_BYTES_OF_HOST)),
    });
    this.methods = { ...this.#lifeMethods(read), ...this.#writes() };
  }

  #lifeMethods(
    read: NonNullable<HostReads["read"]> | null,
  ): Omit<NodeState, keyof ActionHandler> & Pick<ActionHandler, "attach"> {
    const position = (): Txnid => this.#handler.getCommittedPosition().txnid;
    return {
      attach: (events) => {
        this.#events = events;
        if (events !== null && this.#failure !== null) events.onStoreFailed(this.#failure);
      },
      setStatus: () => undefined,
      read: (op, key, content) =>
        read === null
          ? {
              ok: false,
              code: "ERR_SERVER_UNSUPPORTED",
              message: "this host answers no reads",
            }
          : readOfHost(op, () => read(op, key, content)),
      whenApplied: (mark, done) => {
        if (position() >= mark) done(true);
        else this.#readers.push({ mark, done });
      },
      abandonReads: () => {
        const readers = this.#readers;
        this.#readers = [];
        for (const { done } of readers) done(false);
      },
      appliedState: () => ({ txnid: position(), digest: 0n }),
      lastApplied: position,
      oldestAppendAgeMs: () => 0,
      quiesce: async () => {
        while (this.#failure === null && this.#answered < this.#lastTicket) {
          await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
        }
        return this.#failure;
      },
      shortenLog: () => Promise.resolve(this.#failure),
    };
  }

  /** Each notes its ticket: between two roles all of them must be answered. */
  #writes() {
    const handler = this.#handler;
    const noted =
      <Args extends unknown[]>(write: (...args: Args) => Ticket) =>
      (...args: Args): Ticket => {
        this.#lastTicket = write(...args);
        return this.#lastTicket;
      };
    return {
      logProposal: noted((batch: Parameters<ActionHandler["logProposal"]>[0]) =>
        handler.logProposal(batch),
      ),
      logAndCommit: noted((...args: Parameters<ActionHandler["logAndCommit"]>) =>
        handler.logAndCommit(...args),
      ),
      notifyNewAcceptedEpoch: noted(
        (...args: Parameters<ActionHandler["notifyNewAcceptedEpoch"]>) =>
          handler.notifyNewAcceptedEpoch(...args),
      ),
      notifyNewCurrentEpoch: noted((...args: Parameters<ActionHandler["notifyNewCurrentEpoch"]>) =>
        handler.notifyNewCurrentEpoch(...args),
      ),
      truncateAfter: noted((...args: Parameters<ActionHandler["truncateAfter"]>) =>
        handler.truncateAfter(...args),
      ),
      installSnapshot: noted((...args: Parameters<ActionHandler["installSnapshot"]>) =>
        handler.installSnapshot(...args),
      ),
    };
  }

  #wakeIdle(): void {
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const resolve of waiters) resolve();
  }

  #wakeReaders(): void {
    const { txnid } = this.#handler.getCommittedPosition();
    const ready = this.#readers.filter(({ mark }) => mark <= txnid);
    this.#readers = this.#readers.filter(({ mark }) => mark > txnid);
    for (const { done } of ready) done(true);
  }
}
