import { QuorateError, type Timer, type Txnid } from "@quorate/protocol";
import {
  openWatch,
  SAME_PATHS,
  States,
  treeClient,
  WatchBook,
  type ClientState,
  type NodeEvent,
  type TreeClient,
  type WatchKind,
} from "@quorate/znode";
import { Member } from "../native/member.js";
import { RequestOrder } from "../native/request-order.js";
import type { ResetReason } from "../native/service-desk.js";
import { localCall, type LocalCallParts } from "./local-call.js";

/** The tree of a node in this process, with watches and identities. */
export interface LocalClient extends TreeClient {
  /** As that of `@quorate/client`, without a connection that could be lost. */
  watch(
    path: string,
    settings?: { readonly kind?: WatchKind; readonly signal?: AbortSignal },
  ): AsyncIterableIterator<NodeEvent, undefined>;
  /** @throws (rejects) ERR_SESSION_AUTH_FAILED. */
  addAuth(scheme: string, proof: string | Uint8Array): Promise<void>;
}

/** A session of this process: it lives until it is closed, or the node stops or falls silent. */
export interface LocalSession extends LocalClient, AsyncDisposable {
  readonly id: bigint;
  readonly timeoutMs: number;
  readonly state: ClientState;
  states(): AsyncIterableIterator<ClientState, undefined>;
  onState(callback: (state: ClientState) => void): () => void;
  /** Ends the session, and its ephemerals with it. Never rejects. */
  close(): Promise<void>;
}

export type LocalParts = LocalCallParts;

/** Between two looks whether a node serves again. */
const REARM_MS = 50;
const SESSION_MS = 10_000;

/** One user of a node within its process. */
class Local {
  readonly member: Member;
  readonly states = new States();
  readonly order = new RequestOrder();
  readonly client: LocalClient;
  readonly #parts: LocalParts;
  readonly #book = new WatchBook();
  #life: Timer | null = null;
  #rearm: Timer | null = null;
  #seen: Txnid;
  #ending: QuorateError | null = null;

  constructor(parts: LocalParts) {
    this.#parts = parts;
    this.#seen = parts.desk.newest;
    this.member = new Member(
      parts.desk,
      { address: "", proved: [] },
      {
        onChange: ({ change, path, txnid }) => {
          if (txnid > this.#seen) this.#seen = txnid;
          this.#book.tell(change, path, txnid);
        },
        onSessionGone: (error) => this.end("lost", error),
        onReset: (reason) => this.#reset(reason),
      },
    );
    this.client = this.#clientOf(parts);
  }

  /** Signs of life, for as long as this process has turns. */
  keepAlive(everyMs: number): void {
    this.#life = this.#parts.clock.setTimer(everyMs, () => {
      this.member.touch();
      this.keepAlive(everyMs);
    });
  }

  end(state: "lost" | "closed", error: QuorateError): void {
    if (this.#ending !== null) return;
    this.#ending = error;
    this.#life?.cancel();
    this.#rearm?.cancel();
    this.member.close();
    for (const watch of [...this.#book.values()]) watch.stream.end(error);
    this.states.become(state);
  }

  #clientOf(parts: LocalParts): LocalClient {
    const callerOf = (): Uint8Array => this.member.caller;
    const call = localCall(parts, this.order, callerOf, () => this.#ending);
    return {
      ...treeClient((...args) =>
        this.#ending === null ? call(...args) : Promise.reject(this.#ending),
      ),
      watch: (path, { kind = "persistent", signal } = {}) => this.#watch(path, kind, signal),
      addAuth: async (scheme, proof) => {
        const bytes = typeof proof === "string" ? new TextEncoder().encode(proof) : proof;
        this.member.authenticate(scheme, bytes);
        return Promise.resolve();
      },
    };
  }

  #watch(
    path: string,
    kind: WatchKind,
    signal: AbortSignal | undefined,
  ): AsyncIterableIterator<NodeEvent, undefined> {
    const watch = openWatch(this.#book, {
      path,
      kind,
      paths: SAME_PATHS,
      signal,
      onLeave: () => {
        try {
          this.member.unwatch(path, kind, false);
        } catch (error) {
          // Fired meanwhile.
          if (!(error instanceof QuorateError)) throw error;
        }
      },
    });
    if (this.#ending !== null) watch.stream.end(this.#ending);
    if (watch.stream.hasEnded) return watch.stream;
    try {
      const isThere = this.member.watch(path, kind === "children" ? "child" : kind);
      this.#book.armed(watch, isThere);
      const { newest } = this.#parts.desk;
      if (newest > this.#seen) this.#seen = newest;
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error;
      watch.stream.end(error);
    }
    return watch.stream;
  }

  #reset(reason: ResetReason): void {
    if (reason === "replaced") this.#rearmSoon(0);
    else if (reason === "moved") {
      const what = "another connection has taken the session up";
      this.end("lost", new QuorateError("ERR_SESSION_MOVED", what));
    } else this.end("closed", closedError());
  }

  /** The state is another one: what was missed is told once the node serves it. */
  #rearmSoon(ms: number): void {
    this.#rearm?.cancel();
    this.#rearm = this.#parts.clock.setTimer(ms, () => {
      this.#rearm = null;
      try {
        const { newest } = this.#parts.desk;
        this.member.rewatch(this.#seen, this.#book.toArm());
        this.#book.rearmed(newest, newest > this.#seen);
        this.#seen = newest;
      } catch (error) {
        if (!(error instanceof QuorateError)) throw error;
        this.#rearmSoon(REARM_MS);
      }
    });
  }
}

/** The client, and how to end it. */
export function localClient(parts: LocalParts): { client: LocalClient; end(): void } {
  const local = new Local(parts);
  return { client: local.client, end: () => local.end("closed", closedError()) };
}

/** @throws (rejects) ERR_SERVER_NOT_READY, and what else keeps it from opening. */
export function localSession(
  parts: LocalParts,
  { timeoutMs = SESSION_MS }: { readonly timeoutMs?: number } = {},
): Promise<LocalSession> {
  const local = new Local(parts);
  const { states, member, client } = local;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      local.order.passWrite((write) => {
        member.end(() => {
          local.end("closed", new QuorateError("ERR_CLIENT_CLOSED", "the session was closed"));
          resolve();
        });
        local.order.endWrite(write);
      });
    });
  return new Promise((resolve, reject) => {
    const seen = parts.desk.newest;
    member.open({ kind: "new", seen, timeoutMs }, (result) => {
      if (result instanceof QuorateError) {
        local.end("closed", result);
        reject(result);
        return;
      }
      states.become("connected");
      local.keepAlive(result.timeoutMs / 3);
      resolve({
        ...client,
        get state() {
          return states.state;
        },
        states: () => states.stream(),
        onState: (callback) => states.onChange(callback),
        id: result.id,
        timeoutMs: result.timeoutMs,
        close,
        [Symbol.asyncDispose]: close,
      });
    });
  });
}

function closedError(): QuorateError {
  return new QuorateError("ERR_SERVER_CLOSED", "the node was closed");
}
