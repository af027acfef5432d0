import type { ElectionSite } from "@quorate/election";
import { QuorateError, type NodeId, type Random } from "@quorate/protocol";
import { pause } from "./pause.js";
import type { RoleEnd } from "./role.js";
import {
  runWatcherServerWithRequest,
  type RunFollowerDeps,
  type RunFollowerOptions,
} from "./run-servers.js";

/** First and last pause between two attempts to watch (the original's 1 s and 30 s). */
export const WATCHER_RETRY_MS = 1000;
export const WATCHER_RETRY_MS_MAX = 30_000;

export interface WatcherServerOptions extends Omit<RunFollowerOptions, "leader"> {
  /** Asked before each attempt: who leads now? */
  findLeader(options: { readonly signal: AbortSignal }): Promise<NodeId>;
}

export interface WatcherServerDeps extends RunFollowerDeps {
  readonly random: Random;
}

/** Why a watcher ended for good. */
export type WatcherEnd = Extract<RoleEnd, { kind: "stopped" | "storeFailed" | "diverged" }>;

/**
 * A node without a vote: watches whoever leads, and looks again, ever less often, when it is lost.
 * It promises nothing, counts nowhere and receives committed entries only.
 */
export class WatcherServer {
  readonly done: Promise<WatcherEnd>;
  readonly #options: WatcherServerOptions;
  readonly #deps: WatcherServerDeps;
  #isReady = false;
  #pauseMs = WATCHER_RETRY_MS;
  #wasAnnounced = false;

  constructor(options: WatcherServerOptions, deps: WatcherServerDeps) {
    this.#options = options;
    this.#deps = deps;
    this.done = this.#live();
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  async #live(): Promise<WatcherEnd> {
    const { signal } = this.#options;
    while (!signal.aborted) {
      const end = await this.#watchOnce();
      this.#isReady = false;
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
        case "abdicated":
        case "superseded":
          this.#deps.logger.info("the leader is lost to this watcher", { end: end.kind });
          await this.#pause();
      }
    }
    return { kind: "stopped" };
  }

  async #watchOnce(): Promise<RoleEnd> {
    const { findLeader, timings, signal, onReady } = this.#options;
    let leader: NodeId;
    try {
      leader = await findLeader({ signal });
    } catch (error) {
      if (signal.aborted) return { kind: "stopped" };
      if (!(error instanceof QuorateError)) throw error;
      return { kind: "lost", error, isPeerGone: true };
    }
    return runWatcherServerWithRequest(
      {
        leader,
        timings,
        signal,
        onReady: () => {
          this.#isReady = true;
          this.#pauseMs = WATCHER_RETRY_MS;
          if (!this.#wasAnnounced) onReady?.();
          this.#wasAnnounced = true;
        },
      },
      this.#deps,
    );
  }

  /** Grown by jitter, so that many watchers do not return together. Ends with the signal. */
  #pause(): Promise<void> {
    const ms = this.#pauseMs * (1 + this.#deps.random.next() / 2);
    this.#pauseMs = Math.min(this.#pauseMs * 2, WATCHER_RETRY_MS_MAX);
    return pause(this.#deps.clock, ms, this.#options.signal);
  }
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
