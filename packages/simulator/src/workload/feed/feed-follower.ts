import {
  errorCodeOf,
  parseTxnid,
  QuorateError,
  TXNID_ZERO,
  type AuthIdentity,
  type CommittedEvent,
  type NodeId,
  type Txnid,
} from "@quorate/protocol";
import { FeedWitness } from "../../checkers/service/feed-witness.js";
import type { RandomStream } from "../../engine/random-stream.js";
import type { FollowHandle } from "../../world/simulated-server.js";
import type { World } from "../../world/world.js";

const LATENCY_MS = [0.5, 8] as const;
const RETRY_MS = [20, 400] as const;
/** For so long it stays with one node, if that lives. */
const STAYS_MS = [2000, 15_000] as const;
/** Then it is away, sometimes for so long that what it missed lies in the store alone. */
const AWAY_MS = [10, 6000] as const;

export interface FeedFollowerOptions {
  readonly name: string;
  /** What it proves; null: the node's own program. */
  readonly identities: readonly AuthIdentity[] | null;
  readonly prefix: string;
}

interface Subscription {
  readonly node: NodeId;
  readonly incarnation: number;
  handle: FollowHandle | null;
  /** When what was sent last arrives: nothing overtakes it. */
  arrivesMs: number;
}

/** Follows the log from its begin, at one node after the other, each behind what it has seen. */
export class FeedFollower {
  readonly name: string;
  readonly #world: World;
  readonly #options: FeedFollowerOptions;
  readonly #random: RandomStream;
  readonly #witness: FeedWitness;
  #cursor: Txnid = TXNID_ZERO;
  #subscription: Subscription | null = null;

  constructor(world: World, options: FeedFollowerOptions) {
    const { name, identities, prefix } = options;
    const { violations, coverage, service } = world;
    this.name = name;
    this.#world = world;
    this.#options = options;
    this.#random = world.random.split(`follower ${name}`);
    this.#witness = new FeedWitness(`follower ${name}`, {
      model: service.model,
      violations,
      identities: identities && new Set(identities.map(({ scheme, id }) => `${scheme}:${id}`)),
      prefix,
      onWithheld: () => coverage.event("change kept from a follower by an ACL"),
    });
  }

  /** All up to here was told. */
  get cursor(): bigint {
    return this.#cursor;
  }

  start(): void {
    for (const { id, host } of this.#world.servers) {
      host.onEnd(() => {
        if (this.#subscription?.node === id) this.#leave(RETRY_MS);
      });
    }
    this.#later(RETRY_MS, () => this.#subscribe());
  }

  #subscribe(): void {
    const { id, host, server } = this.#random.pick(this.#world.servers);
    const follow = server?.follow;
    if (follow === undefined) {
      this.#later(RETRY_MS, () => this.#subscribe());
      return;
    }
    const { incarnation } = host;
    const subscription: Subscription = { node: id, incarnation, handle: null, arrivesMs: 0 };
    this.#subscription = subscription;
    const { prefix, identities } = this.#options;
    const after = this.#cursor;
    this.#enter(subscription, () => {
      try {
        subscription.handle = follow(
          { prefix, after, identities },
          {
            deliver: (upTo, events) =>
              this.#hear(subscription, () => this.#told(subscription, upTo, events)),
            end: (error) => this.#hear(subscription, () => this.#ended(error)),
          },
        );
      } catch (error) {
        // Anything else is a defect of the node.
        if (!(error instanceof QuorateError)) throw error;
        this.#hear(subscription, () => this.#ended(error));
      }
    });
    this.#later(STAYS_MS, () => {
      if (this.#subscription !== subscription) return;
      this.#enter(subscription, () => subscription.handle?.close());
      this.#leave(AWAY_MS);
    });
  }

  #told(subscription: Subscription, upTo: Txnid, events: readonly CommittedEvent[]): void {
    this.#witness.told(this.#cursor, upTo, events);
    this.#cursor = upTo;
    if (events.length > 0) this.#world.coverage.event("change told to a follower");
    if (events.some(({ operations }) => operations.some(({ kind }) => kind === "setAcl"))) {
      this.#world.coverage.event("setAcl told to a follower");
    }
    this.#enter(subscription, () => subscription.handle?.taken(upTo));
  }

  #ended(error: QuorateError): void {
    if (errorCodeOf(error) === "ERR_CLIENT_COMPACTED") {
      this.#world.coverage.event("follower behind the log's begin");
      this.#cursor = parseTxnid(String(error.details["oldest"]));
    }
    this.#leave(RETRY_MS);
  }

  #leave(awayMs: readonly [number, number]): void {
    this.#subscription = null;
    this.#later(awayMs, () => this.#subscribe());
  }

  /** What the node says arrives later, in order, and only as long as the two are connected. */
  #hear(subscription: Subscription, run: () => void): void {
    const { scheduler } = this.#world;
    const atMs = scheduler.nowMs + this.#random.between(...LATENCY_MS);
    subscription.arrivesMs = Math.max(subscription.arrivesMs, atMs);
    scheduler.after(subscription.arrivesMs - scheduler.nowMs, "feed", () => {
      if (this.#subscription === subscription) run();
    });
  }

  #enter({ node, incarnation }: Subscription, run: () => void): void {
    const { host } = this.#world.node(node);
    this.#later(LATENCY_MS, () => host.enter(incarnation, run));
  }

  #later(ms: readonly [number, number], run: () => void): void {
    this.#world.scheduler.after(this.#random.between(...ms), "follower", run);
  }
}
