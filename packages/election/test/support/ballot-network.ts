import {
  EPOCH_ZERO,
  majorityQuorum,
  silentLogger,
  toIdentity,
  TXNID_ZERO,
  toNodeId,
  type BallotDatagram,
  type Logger,
  type NodeId,
  type PeerMessenger,
  type Random,
} from "@quorate/protocol";
import {
  createElectionSite,
  type ElectionResult,
  type ElectionSite,
  type ElectionSiteOptions,
  type ElectionState,
} from "../../src/index.js";
import { seededRandom, VirtualClock } from "./virtual-clock.js";

export const TIMINGS: ElectionSiteOptions["timings"] = {
  followerTimeoutMs: 1500,
  ballotResendMs: 50,
  ballotResendMsMax: 500,
  finalizeWaitMs: 50,
};

export interface Flight {
  readonly number: number;
  readonly atMs: number;
  readonly to: NodeId;
  readonly datagram: BallotDatagram;
}

/** What becomes of one datagram: how many copies arrive, each after how many ms. */
export type Fate = (flight: Flight) => readonly number[];

export interface TestNode {
  readonly id: NodeId;
  state: ElectionState;
  site: ElectionSite;
  result: ElectionResult | null;
  error: unknown;
  isRunning: boolean;
}

export const member: ElectionState = {
  status: "electing",
  standing: "member",
  identity: toIdentity("00".repeat(16)),
  currentEpoch: EPOCH_ZERO,
  lastLogged: TXNID_ZERO,
  lastCommitted: TXNID_ZERO,
};

/** Election sites in one process, over a network whose every datagram has a decided fate. */
export class BallotNetwork {
  readonly clock = new VirtualClock();
  readonly nodes = new Map<number, TestNode>();
  readonly random: Random;
  /** Loss-free, 1 ms, until told otherwise. */
  fate: Fate = () => [1];
  /** Told of every result, before the node's status follows from it. */
  onResult: (node: TestNode, result: ElectionResult) => void = () => undefined;
  /** Every warning ever logged. */
  readonly warnings: { readonly id: NodeId; readonly atMs: number; readonly data: unknown }[] = [];
  /** Every error ever logged. */
  readonly errors: { readonly id: NodeId; readonly data: unknown }[] = [];
  /** Every datagram ever sent. */
  sent: Flight[] = [];
  readonly voters: readonly NodeId[];
  readonly #timings: ElectionSiteOptions["timings"];
  readonly #receivers = new Map<NodeId, (datagram: BallotDatagram) => void>();

  constructor(options: {
    voters: readonly number[];
    seed?: number;
    timings?: Partial<ElectionSiteOptions["timings"]>;
  }) {
    this.#timings = { ...TIMINGS, ...options.timings };
    this.voters = options.voters.map(toNodeId);
    this.random = seededRandom(options.seed ?? 1);
  }

  /** Opens a site with a new boot id; whatever ran under this id is gone without a word. */
  boot(
    id: number,
    state: Partial<ElectionState> = {},
    solicitOnly = false,
    cluster = "test",
  ): TestNode {
    const nodeId = toNodeId(id);
    const old = this.nodes.get(id);
    old?.site.close();
    const node: TestNode = {
      id: nodeId,
      state: { ...member, ...state },
      site: createElectionSite(
        {
          nodeId,
          cluster,
          quorum: majorityQuorum(this.voters),
          solicitOnly,
          timings: this.#timings,
        },
        {
          clock: this.clock,
          random: this.random,
          logger: this.#logger(nodeId),
          messenger: this.#messenger(nodeId),
          state: () => node.state,
        },
      ),
      result: null,
      error: null,
      isRunning: false,
    };
    this.nodes.set(id, node);
    return node;
  }

  #logger(id: NodeId): Logger {
    const logger: Logger = {
      ...silentLogger,
      error: (_message, data) => {
        this.errors.push({ id, data });
      },
      warn: (_message, data) => {
        this.warnings.push({ id, atMs: this.clock.now(), data });
      },
      child: () => logger,
    };
    return logger;
  }

  node(id: number): TestNode {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  /** Starts an election; its end sets the node's status as a coordinator would. */
  start(id: number, options: { signal?: AbortSignal; autoRole?: boolean } = {}): void {
    const node = this.node(id);
    const { site } = node;
    const { autoRole = true, ...rest } = options;
    node.state = { ...node.state, status: "electing" };
    node.result = null;
    node.error = null;
    node.isRunning = true;
    site.startElection(rest).then(
      (result) => {
        if (node.site !== site) return;
        this.onResult(node, result);
        node.isRunning = false;
        node.result = result;
        const status = result.leader === node.id ? "leading" : "following";
        if (autoRole) node.state = { ...node.state, status };
      },
      (error: unknown) => {
        if (node.site !== site) return;
        node.isRunning = false;
        node.error = error;
      },
    );
  }

  /** Delivers one datagram now. */
  deliver(flight: Flight): void {
    this.#receivers.get(flight.to)?.(flight.datagram);
  }

  leaders(): (number | null)[] {
    return [...this.nodes.values()].map((node) => node.result?.leader ?? null);
  }

  /** The most datagrams sent within any window that starts with a sending. */
  worstBurst(windowMs: number): number {
    let first = 0;
    let worst = 0;
    this.sent.forEach((flight, index) => {
      while ((this.sent[first]?.atMs ?? 0) < flight.atMs - windowMs) first += 1;
      worst = Math.max(worst, index - first + 1);
    });
    return worst;
  }

  #messenger(self: NodeId): PeerMessenger {
    return {
      send: (to, datagram) => {
        const flight = { number: this.sent.length + 1, atMs: this.clock.now(), to, datagram };
        this.sent.push(flight);
        for (const ms of this.fate(flight)) {
          this.clock.setTimer(ms, () => this.deliver(flight));
        }
      },
      onDatagram: (receiver) => {
        if (receiver === null) this.#receivers.delete(self);
        else this.#receivers.set(self, receiver);
      },
      close: async () => Promise.resolve(),
    };
  }
}
