import { createElectionSite, type ElectionSite } from "@quorate/election";
import type { Txnid } from "@quorate/protocol";
import type { CommittedLog } from "./applied-feed.js";
import { NodeCore, type CoreDeps, type CoreOptions } from "./node-core.js";
import type { ExitReason, NodeStatus, ReadOptions, Server } from "./server.js";
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
      { clock, random, logger, messenger, factory, state: () => core.electionState() },
    );
    this.#site = site;
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

  status(): NodeStatus {
    return this.#core.status();
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
          const { leader } = await site.startElection({ signal });
          core.enter("watching", leader, watcher);
          return leader;
        },
        onEnded: () => {
          core.action.abandonReads();
          core.enter("electing", null, watcher);
        },
      },
      { ...this.#deps, handler: core.action, requests: core.requests },
    );
    return watcher.done;
  }

  async #exit(reason: ExitReason): Promise<void> {
    this.#site?.close();
    await this.#core.exit(reason);
  }
}
