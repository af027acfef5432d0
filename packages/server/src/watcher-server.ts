import type { ElectionSite } from "@quorate/election";
import {
  defaultMsgFactory,
  QuorateError,
  type NodeId,
  type PeerPipe,
  type Random,
  type Txnid,
} from "@quorate/protocol";
import { FollowerServer } from "./follower-server.js";
import { pause } from "./pause.js";
import type { Role, RoleEnd } from "./role.js";
import type { PeerPressure } from "./server.js";
import type { TouchBuffer } from "./sessions/touch-buffer.js";
import type { RunFollowerDeps, RunFollowerOptions } from "./run-servers.js";

/** First and last pause between two attempts to watch (the original's 1 s and 30 s). */
export const WATCHER_RETRY_MS = 1000;
export const WATCHER_RETRY_MS_MAX = 30_000;

export interface WatcherServerOptions extends Omit<RunFollowerOptions, "leader"> {
  /** Asked before each attempt: whom to follow now? The leader, or whoever is synchronised. */
  findLeader(options: { readonly signal: AbortSignal }): Promise<NodeId>;
  /** Whether there is another one to be tried at once, without a pause. Default: no. */
  hasAnother?(): boolean;
  /** After each attempt, whatever came of it. */
  onEnded?(end: RoleEnd, wasReady: boolean): void;
}

export interface WatcherServerDeps extends RunFollowerDeps {
  readonly random: Random;
  /** Sessions heard of here, and below. Default: there are none. */
  readonly touches?: TouchBuffer;
  /** It serves from now on, or does not any more. */
  onServing?(): void;
}

/** Why a watcher ended for good. */
export type WatcherEnd = Extract<RoleEnd, { kind: "stopped" | "storeFailed" | "diverged" }>;

/**
 * A node without a vote: watches whoever leads, and looks again, ever less often, when it is lost.
 * It promises nothing, counts nowhere and receives committed entries only.
 */
export class WatcherServer implements Role {
  readonly done: Promise<WatcherEnd>;
  readonly #options: WatcherServerOptions;
  readonly #deps: WatcherServerDeps;
  readonly #abort = new AbortController();
  #follower: FollowerServer | null = null;
  #pauseMs = WATCHER_RETRY_MS;
  #wasReady = false;

  constructor(options: WatcherServerOptions, deps: WatcherServerDeps) {
    this.#options = options;
    this.#deps = deps;
    // Not at once: whoever makes it must know it before it asks who leads.
    this.done = Promise.resolve().then(() => this.#live());
  }

  get isReady(): boolean {
    return this.#follower?.isReady ?? false;
  }

  get wasReady(): boolean {
    return this.#wasReady;
  }

  readIndex(done: (mark: Txnid | QuorateError) => void): void {
    if (this.#follower === null) done(notConnected());
    else this.#follower.readIndex(done);
  }

  /** The original's alive and ping channels: calls back once its upstream is heard of again. */
  ping(done: (error: QuorateError | null) => void): void {
    if (this.#follower === null) done(notConnected());
    else this.#follower.ping(done);
  }

  /** Another watcher wants to follow this one. */
  accept(pipe: PeerPipe): void {
    if (this.#follower === null) pipe.close(notConnected());
    else this.#follower.accept(pipe);
  }

  peers(): readonly PeerPressure[] {
    return this.#follower?.peers() ?? [];
  }

  resetConnections(): void {
    this.#follower?.resetConnections();
  }

  /** As its signal does. */
  stop(): void {
    this.#abort.abort();
    this.#follower?.stop();
  }

  async #live(): Promise<WatcherEnd> {
    const { signal } = this.#options;
    const stop = (): void => {
      this.stop();
    };
    signal.addEventListener("abort", stop, { once: true });
    try {
      return signal.aborted ? { kind: "stopped" } : await this.#watch();
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  async #watch(): Promise<WatcherEnd> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      const end = await this.#watchOnce();
      const wasReady = this.#follower?.wasReady ?? false;
      this.#follower = null;
      this.#options.onEnded?.(end, wasReady);
      switch (end.kind) {
        case "stopped":
        case "storeFailed":
        case "diverged":
          return end;
        case "handover":
        case "reset":
          this.#pauseMs = WATCHER_RETRY_MS;
          break;
        case "lost":
          this.#deps.logger.info("the upstream is lost to this watcher", {
            code: end.error.code,
            reason: end.error.message,
          });
          if (this.#options.hasAnother?.() !== true) await this.#pause();
          break;
        case "abdicated":
        case "superseded":
          await this.#pause();
      }
    }
    return { kind: "stopped" };
  }

  async #watchOnce(): Promise<RoleEnd> {
    const { findLeader, timings, onReady } = this.#options;
    const { signal } = this.#abort;
    let leader: NodeId;
    try {
      leader = await findLeader({ signal });
    } catch (error) {
      if (signal.aborted) return { kind: "stopped" };
      if (!(error instanceof QuorateError)) throw error;
      return { kind: "lost", error, isPeerGone: true };
    }
    if (signal.aborted) return { kind: "stopped" };
    const { handler, factory = defaultMsgFactory, ...deps } = this.#deps;
    const follower = new FollowerServer(
      { leader, kind: "watcher", timings },
      {
        ...deps,
        action: handler,
        factory,
        onEstablished: () => undefined,
        onPeerUnreachable: () => undefined,
        onReady: () => {
          this.#pauseMs = WATCHER_RETRY_MS;
          if (!this.#wasReady) onReady?.();
          this.#wasReady = true;
        },
      },
    );
    this.#follower = follower;
    follower.start();
    return follower.done;
  }

  /** Grown by jitter, so that many watchers do not return together. Ends with the signal. */
  #pause(): Promise<void> {
    const ms = this.#pauseMs * (1 + this.#deps.random.next() / 2);
    this.#pauseMs = Math.min(this.#pauseMs * 2, WATCHER_RETRY_MS_MAX);
    return pause(this.#deps.clock, ms, this.#abort.signal);
  }
}

function notConnected(): QuorateError {
  return new QuorateError("ERR_SERVER_NOT_READY", "the watcher has no upstream", {
    retryable: true,
  });
}

/** Watches whoever a solicit-only election site finds, until the signal or a failure ends it. */
export function runWatcherServerWithElection(
  options: Omit<WatcherServerOptions, "findLeader">,
  deps: WatcherServerDeps & { readonly site: ElectionSite },
): Promise<WatcherEnd> {
  const findLeader: WatcherServerOptions["findLeader"] = async ({ signal }) =>
    (await deps.site.startElection({ signal })).leader;
  return new WatcherServer({ ...options, findLeader }, deps).done;
}
