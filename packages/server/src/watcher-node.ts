import { createElectionSite, type ElectionSite } from "@quorate/election";
import type { NodeId, Service, Txnid } from "@quorate/protocol";
import type { CommittedLog } from "./applied-feed.js";
import { electionStateOf } from "./election-state.js";
import { NodeCore, type CoreDeps, type CoreOptions } from "./node-core.js";
import type { ExitReason, NodeStatus, ReadOptions, Server, ServerPressure } from "./server.js";
import { notReadyError } from "./service/refusals.js";
import { WatcherServer, type WatcherEnd } from "./watcher-server.js";

/**
 * The life of a node without a vote: it looks for whoever leads, by ballots that only ask, watches
 * for as long as it can, and looks again. It serves its own clients, and promises nothing.
 */
export class WatcherNode implements Server {
  readonly done: Promise<ExitReason>;
  readonly #options: CoreOptions;
  readonly #deps: CoreDeps;
  readonly #core: NodeCore;
  #site: ElectionSite | null = null;
  #watcher: WatcherServer | null = null;
  /** How many of the configured upstreams were tried since one of them, or the leader, served. */
  #tried = 0;

  constructor(options: CoreOptions, deps: CoreDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#core = new NodeCore(options, deps);
    this.done = this.#core.done;
  }

  async start(): Promise<void> {
    const core = this.#core;
    await core.open();
    const { nodeId, cluster, quorum, timings } = this.#options;
    const { clock, random, logger, messenger, factory } = this.#deps;
    const site = createElectionSite(
      { nodeId, cluster, quorum, timings, solicitOnly: true },
      {
        clock,
        random,
        logger,
        messenger,
        factory,
        state: () => electionStateOf(core.action, core.peerStatus),
      },
    );
    this.#site = site;
    this.#deps.listener.onPipe((pipe) => {
      if (this.#watcher === null) pipe.close(notReadyError());
      else this.#watcher.accept(pipe);
    });
    this.#live(site).then(
      (reason) => this.#exit(reason),
      (error: unknown) => {
        throw error;
      },
    );
  }

  get committed(): CommittedLog {
    return this.#core.committed;
  }

  get service(): Service {
    return this.#core.service;
  }

  status(): NodeStatus {
    return this.#core.status();
  }

  pressure(): ServerPressure {
    return this.#core.pressure();
  }

  submit(
    op: number,
    key: string,
    content: Uint8Array,
  ): Promise<{ readonly txnid: Txnid; readonly content: Uint8Array }> {
    return this.#core.submit(op, key, content);
  }

  read(op: number, key: string, content: Uint8Array, options?: ReadOptions): Promise<Uint8Array> {
    return this.#core.read(op, key, content, options);
  }

  ping(): Promise<void> {
    return this.#core.ping();
  }

  resetConnections(): void {
    this.#core.role?.resetConnections();
  }

  stop(): Promise<void> {
    return this.#core.stop();
  }

  async #live(site: ElectionSite): Promise<ExitReason> {
    const core = this.#core;
    for (;;) {
      const end = await this.#watch(site);
      switch (end.kind) {
        case "stopped":
          return { kind: "stopped" };
        case "diverged":
          this.#deps.logger.error("this node's history contradicts the ensemble's", {}, end.error);
          return { kind: "failed", error: end.error };
        case "storeFailed": {
          const exit = await core.storeFailed(end.error);
          if (exit !== undefined) return exit;
        }
      }
    }
  }

  #watch(site: ElectionSite): Promise<WatcherEnd> {
    const core = this.#core;
    const { timings } = this.#options;
    const { signal } = core;
    const watcher: WatcherServer = new WatcherServer(
      {
        timings,
        signal,
        findLeader: async () => {
          core.enter("electing", null, watcher);
          // What the last attempt wrote is answered, so that the next one knows where it stands.
          await core.barrier();
          const upstream = await this.#nextUpstream(site);
          core.enter("watching", upstream, watcher);
          return upstream;
        },
        hasAnother: () => this.#tried > 0,
        onEnded: (_end, wasReady) => {
          if (wasReady) this.#tried = 0;
          core.action.abandonReads();
          core.enter("electing", null, watcher);
        },
      },
      {
        ...this.#deps,
        handler: core.action,
        requests: core.requests,
        touches: core.inner.touches,
        onServing: () => core.inner.servingChanged(),
      },
    );
    this.#watcher = watcher;
    return watcher.done;
  }

  /** The configured ones in their order, then whoever leads. */
  async #nextUpstream(site: ElectionSite): Promise<NodeId> {
    const { upstreams = [] } = this.#options;
    const upstream = upstreams[this.#tried];
    this.#tried = upstream === undefined ? 0 : this.#tried + 1;
    return upstream ?? (await site.startElection({ signal: this.#core.signal })).leader;
  }

  async #exit(reason: ExitReason): Promise<void> {
    this.#site?.close();
    this.#deps.listener.onPipe(null);
    await this.#core.exit(reason);
  }
}
