import {
  assert,
  DEFAULT_TIMINGS,
  InvariantError,
  majorityQuorum,
  type NodeId,
  type PeerMsg,
  type QuorumVerifier,
  type Timings,
} from "@quorate/protocol";
import { ApplyChecker } from "../checkers/apply-checker.js";
import { BoundsChecker } from "../checkers/bounds-checker.js";
import { CommitChecker } from "../checkers/commit-checker.js";
import { DiskChecker } from "../checkers/disk-checker.js";
import { LeaseChecker } from "../checkers/lease-checker.js";
import { MessageChecker } from "../checkers/message-checker.js";
import { Violations } from "../checkers/violations.js";
import { Coverage } from "../coverage.js";
import { NodeHost } from "../engine/node-host.js";
import { RandomStream } from "../engine/random-stream.js";
import { Scheduler } from "../engine/scheduler.js";
import { DatagramNetwork, type DatagramFault } from "../network/datagram-network.js";
import { LinkMap } from "../network/link-map.js";
import type { PipeEnd, PipeObserver } from "../network/pipe-end.js";
import { PipeNetwork } from "../network/pipe-network.js";
import { LevelObserver, levelLimits } from "./observe-levels.js";
import { observeMessage } from "./observe-message.js";
import { ServiceObservers } from "./service-observers.js";
import { SimNode } from "./sim-node.js";
import type { Composition } from "./simulated-server.js";
import { textOf } from "./text-of.js";

export interface WorldOptions {
  readonly seed: number;
  /** Voters. */
  readonly nodes: readonly NodeId[];
  /** Follow without a vote, and serve. */
  readonly watchers: readonly NodeId[];
  /** Whom the watchers follow in place of the leader, if it does not lead itself. */
  readonly upstreams: readonly NodeId[];
  readonly checkpointBytes: number;
  readonly retainedTailBytes: number;
  readonly pipeQueueBytesMax: number;
}

const DATAGRAM_FAULTS = {
  drop: "F1 drop",
  duplicate: "F2 duplicate",
  reorder: "F3 reorder",
  corrupt: "F5 corrupt",
  replay: "F13 replay",
  spoof: "F13 spoof",
} as const satisfies Record<DatagramFault, string>;

/** A run is two minutes long: a leader looks more often than once. */
const NODE_EXPIRY_MS = 2000;
/** How often the leases are looked at. */
const LEASE_LOOK_MS = 20;

/** Machines, disks, network, and checkers around them: everything of a run but its script. */
export class World {
  readonly options: WorldOptions;
  readonly composition: Composition;
  readonly timings: Timings = { ...DEFAULT_TIMINGS, nodeExpiryMs: NODE_EXPIRY_MS };
  readonly random: RandomStream;
  readonly scheduler = new Scheduler();
  readonly coverage = new Coverage();
  readonly quorum: QuorumVerifier;
  readonly links: LinkMap;
  readonly datagrams: DatagramNetwork;
  readonly pipes: PipeNetwork;
  readonly violations: Violations;
  readonly disks: DiskChecker;
  readonly commits: CommitChecker;
  readonly messages: MessageChecker;
  readonly applies: ApplyChecker;
  readonly bounds: BoundsChecker;
  readonly leases: LeaseChecker;
  readonly service: ServiceObservers;
  /** Directed faults wait for certain messages. */
  readonly messageListeners = new Set<(pipe: PipeEnd, message: PeerMsg) => void>();
  /** A directed fault wants its clients to hurry, or to write as little as they can. */
  pace: "drawn" | "busy" | "quiet" = "drawn";
  /** A directed fault wants values of this size. */
  valueBytes: number | null = null;
  readonly #nodes = new Map<NodeId, SimNode>();

  constructor(options: WorldOptions, composition: Composition) {
    this.options = options;
    this.composition = composition;
    this.random = new RandomStream(options.seed);
    const { scheduler } = this;
    this.violations = new Violations(
      () => scheduler.nowMs,
      ({ checker, text }) => {
        this.line(0, "violation", `${checker}: ${text}`);
        scheduler.stop();
      },
    );
    this.quorum = majorityQuorum(options.nodes);
    const everybody = [...options.nodes, ...options.watchers];
    this.disks = new DiskChecker(everybody, this.violations);
    this.commits = new CommitChecker(this.disks, this.quorum, this.violations);
    this.disks.setCommitted((position) => this.commits.includes(position));
    this.messages = new MessageChecker(this.disks, this.commits, this.violations, options.watchers);
    this.service = new ServiceObservers(this);
    this.applies = new ApplyChecker(this.disks, this.commits, this.violations);
    this.applies.onNext = (entry) => this.service.model.apply(entry);
    this.bounds = new BoundsChecker(levelLimits(options.nodes.length), this.violations);
    this.links = new LinkMap(everybody);
    this.leases = new LeaseChecker(this.links, this.quorum, this.timings, this.violations);
    const { codec } = composition;
    const network = { scheduler, links: this.links, codec };
    this.datagrams = new DatagramNetwork(
      { ...network, random: this.random.split("datagrams") },
      {
        onFault: (kind) => this.coverage.fault(DATAGRAM_FAULTS[kind]),
        onDatagramSent: (from, _to, { vote }) => this.messages.vote(from, vote),
      },
    );
    this.pipes = new PipeNetwork(
      { ...network, random: this.random.split("pipes"), observer: this.#pipeObserver() },
      { queueBytesMax: options.pipeQueueBytesMax },
    );
    this.commits.onEstablished((node, epoch) => {
      if (this.commits.leaderCount > 1) this.coverage.event("leader change");
      this.service.established(node);
      this.line(node, "established", `leader of epoch ${epoch}`);
    });
    for (const id of everybody) this.#addNode(id);
  }

  /** Voters. */
  get nodes(): readonly SimNode[] {
    return this.options.nodes.map((id) => this.node(id));
  }

  get watchers(): readonly SimNode[] {
    return this.options.watchers.map((id) => this.node(id));
  }

  /** All that serve clients. */
  get servers(): readonly SimNode[] {
    return [...this.nodes, ...this.watchers];
  }

  node(id: NodeId): SimNode {
    const node = this.#nodes.get(id);
    assert(node !== undefined, "the node is part of the world", { id });
    return node;
  }

  /** The node that leads, as far as anybody can tell from outside: the newest one that says so. */
  leader(): SimNode | null {
    let best: SimNode | null = null;
    let bestEpoch = -1;
    for (const node of this.nodes) {
      const status = node.status();
      if (status === null || status.role !== "leader" || status.epoch <= bestEpoch) continue;
      best = node;
      bestEpoch = status.epoch;
    }
    return best;
  }

  /** Looks at what is not seen in messages, again and again. */
  watchLeases(): void {
    for (const { host, server } of this.nodes) {
      const status = server?.status();
      this.leases.look(host, status?.role === "leader" && status.isReady);
    }
    this.scheduler.after(LEASE_LOOK_MS, "leases", () => this.watchLeases());
  }

  line(node: number, kind: string, text: string): void {
    this.scheduler.trace.line(this.scheduler.nowMs, node, kind, text);
  }

  /** Null when all nodes agree under one leader; else what is missing. */
  missingForConvergence(): string | null {
    const leader = this.leader();
    if (leader === null) return "no leader";
    const want = leader.status();
    for (const node of this.servers) {
      const have = node.status();
      if (have === null || want === null) return `n${node.id} is down`;
      if (have.role === "electing" || !have.isReady) return `n${node.id} does not serve`;
      if (node !== leader && have.role === "leader") return "two leaders";
      const isSame =
        have.lastCommitted === want.lastCommitted &&
        have.digestAt === want.digestAt &&
        have.digest === want.digest;
      if (!isSame) return `n${node.id} differs from n${leader.id}`;
    }
    return null;
  }

  #addNode(id: NodeId): void {
    const random = this.random.split(`node ${id}`);
    const host = new NodeHost(id, this.scheduler, random, {
      onUncaught: (failed, error) => this.#onUncaught(failed, error),
    });
    this.pipes.addHost(host);
    this.#nodes.set(id, new SimNode(this, host, random));
  }

  #onUncaught(host: NodeHost, error: unknown): void {
    const details = error instanceof InvariantError ? error.details : {};
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.violations.report("uncaught", `n${host.id}: ${text} ${textOf(details)}`);
  }

  #pipeObserver(): PipeObserver {
    const levels = new LevelObserver(this.bounds);
    return {
      onMessageSent: (pipe, message) => {
        observeMessage(this, pipe, message);
        this.service.sent(pipe, message);
        levels.sent(pipe, message);
        for (const hear of [...this.messageListeners]) hear(pipe, message);
        this.messages.sent(pipe.host.id, pipe.peer, pipe.pipeId, message);
      },
      onMessagesReceived: (pipe, messages) => {
        levels.received(pipe, messages);
        this.service.received(pipe, messages);
        for (const message of messages) {
          this.messages.received(pipe.host.id, pipe.peer, pipe.pipeId, message);
          const isVoter = this.quorum.voterIds.includes(pipe.peer);
          if (message.kind === "newLeaderAck" && isVoter) this.leases.acknowledged(pipe.host);
        }
      },
      onOverflow: () => this.coverage.event("pipe overflow"),
    };
  }
}
