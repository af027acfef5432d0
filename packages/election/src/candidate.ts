import {
  QuorateError,
  type Logger,
  type NodeId,
  type OpenElectionNetwork,
} from "@quorate/protocol";
import type { LostReason, Standpoint } from "./candidate-events.js";
import {
  CandidateDriver,
  type CandidateDriverOptions,
  type CandidateRank,
} from "./candidate-driver.js";
import { StateStream } from "./state-stream.js";

/** Where a candidate stands. `leader` and `term` are null while there is no leader it knows. */
export type CandidateState =
  | { readonly status: "electing"; readonly leader: null; readonly term: null }
  | { readonly status: "leading"; readonly leader: number; readonly term: number }
  | { readonly status: "following"; readonly leader: number; readonly term: number }
  | { readonly status: "closed"; readonly leader: null; readonly term: null };

export interface CandidateEvents {
  electing: Extract<CandidateState, { status: "electing" }>;
  leading: Extract<CandidateState, { status: "leading" }>;
  following: Extract<CandidateState, { status: "following" }>;
  /** This node leads no longer. Comes before the state that follows. */
  lost: { readonly term: number; readonly reason: LostReason };
  /** The last event. `error` says why, unless the candidate was told to close. */
  closed: { readonly error: QuorateError | null };
}

/** One instance of a service in the election of its leader. */
export interface Candidate extends AsyncDisposable {
  readonly nodeId: number;
  readonly state: CandidateState;
  /**
   * Whether this node leads now, by its clock: true only within a lease that a majority granted,
   * also before the event of its end has come through a busy event loop.
   */
  readonly isLeading: boolean;
  /** How many ms it leads from now if nothing more is heard; 0 when it does not lead. */
  readonly leadsForMs: number;
  /** Returns how to stop listening. Listeners run within the change; what they throw is logged. */
  on<E extends keyof CandidateEvents>(
    event: E,
    listener: (what: CandidateEvents[E]) => void,
  ): () => void;
  /**
   * The present state, then every newer one; what changed several times since the last look is
   * seen once. Ends after `closed`; throws when the candidate failed.
   */
  states(): AsyncIterableIterator<CandidateState>;
  /**
   * Runs `work` whenever this node leads, one run at a time; its signal aborts when the lead is
   * lost, with ERR_ELECTION_LOST. Work that goes on regardless holds up only this node's next run:
   * another node leads meanwhile. Resolves when the candidate is closed; rejects with what work
   * throws before its signal has aborted, and when the candidate fails.
   */
  whileLeading(work: (signal: AbortSignal, term: number) => Promise<void>): Promise<void>;
  /** Gives up a lead at once, tells the others, and frees the port. Idempotent. */
  close(): Promise<void>;
  /** Resolves when it is closed, with the error that ended it or null. Never rejects. */
  readonly closed: Promise<QuorateError | null>;
}

type Listeners = {
  readonly [E in keyof CandidateEvents]: Set<(what: CandidateEvents[E]) => void>;
};

const ELECTING: CandidateState = { status: "electing", leader: null, term: null };

export interface ServiceCandidateDeps {
  readonly network: OpenElectionNetwork;
  readonly logger: Logger;
  rank(): CandidateRank;
}

export class ServiceCandidate implements Candidate {
  readonly nodeId: NodeId;
  readonly closed: Promise<QuorateError | null>;
  readonly #driver: CandidateDriver;
  readonly #logger: Logger;
  readonly #listeners: Listeners = {
    electing: new Set(),
    leading: new Set(),
    following: new Set(),
    lost: new Set(),
    closed: new Set(),
  };
  readonly #streams = new Set<StateStream<CandidateState>>();
  #state = ELECTING;
  #error: QuorateError | null = null;
  #closing: Promise<void> | null = null;
  #resolveClosed: (error: QuorateError | null) => void = () => undefined;

  constructor(options: CandidateDriverOptions, deps: ServiceCandidateDeps) {
    this.nodeId = options.nodeId;
    this.#logger = deps.logger;
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve));
    this.#driver = new CandidateDriver(options, {
      ...deps,
      rank: () => deps.rank(),
      onLost: (lost) => this.#emit("lost", lost),
      onState: (standpoint) => this.#changed(standpoint),
      onFailed: (error) => {
        this.#error = error;
        this.#logger.error("the candidate has ended", { code: error.code }, error);
        void this.close();
      },
    });
    this.#driver.start();
  }

  get state(): CandidateState {
    return this.#state;
  }

  get isLeading(): boolean {
    return this.#driver.leadsForMs() > 0;
  }

  get leadsForMs(): number {
    return this.#driver.leadsForMs();
  }

  on<E extends keyof CandidateEvents>(
    event: E,
    listener: (what: CandidateEvents[E]) => void,
  ): () => void {
    // A listener that is added twice is called twice, and removed once by each.
    const own = (what: CandidateEvents[E]): void => listener(what);
    this.#listeners[event].add(own);
    return () => void this.#listeners[event].delete(own);
  }

  states(): AsyncIterableIterator<CandidateState> {
    const stream = new StateStream(this.#state, (over) => this.#streams.delete(over));
    this.#streams.add(stream);
    if (this.#closing !== null) void this.closed.then((error) => stream.end(error));
    return stream;
  }

  async whileLeading(work: (signal: AbortSignal, term: number) => Promise<void>): Promise<void> {
    for await (const { status, term } of this.states()) {
      // The work before may have outlasted this lead.
      if (status !== "leading" || this.#state.term !== term || !this.isLeading) continue;
      const lead = new AbortController();
      const stopListening = this.on("lost", ({ reason }) => {
        const why = `term ${term} was lost (${reason})`;
        lead.abort(new QuorateError("ERR_ELECTION_LOST", why, { details: { term, reason } }));
      });
      try {
        await work(lead.signal, term);
      } catch (error) {
        if (!lead.signal.aborted) throw error;
        this.#logger.debug("work ended after the lead", { term, error });
      } finally {
        stopListening();
      }
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    await this.#driver.close();
    for (const stream of this.#streams) stream.end(this.#error);
    this.#streams.clear();
    this.#emit("closed", { error: this.#error });
    this.#resolveClosed(this.#error);
  }

  #changed(standpoint: Standpoint): void {
    const state = standpoint as CandidateState;
    this.#state = state;
    for (const stream of this.#streams) stream.push(state);
    // The event of the end comes when the port is free.
    if (state.status !== "closed") this.#emit(state.status, state);
  }

  #emit<E extends keyof CandidateEvents>(event: E, what: CandidateEvents[E]): void {
    for (const listener of [...this.#listeners[event]]) {
      try {
        listener(what);
      } catch (error) {
        this.#logger.error("a listener of the candidate threw", { event }, error);
      }
    }
  }
}
