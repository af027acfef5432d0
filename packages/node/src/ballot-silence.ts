import type { BallotDatagram, Clock, Logger, NodeId, PeerMessenger } from "@quorate/protocol";
import { formatAddress } from "./config/address.js";
import type { NodeConfig } from "./config/config.js";

/** Peers that live send their ballots several times in this span. */
const SILENCE_MS = 3000;
/** Between two looks. */
const LOOK_MS = 1000;
/** Between two warnings. */
const WARNING_MS = 30_000;

const HINT =
  "election ports are UDP here (TCP in ZooKeeper): let UDP through between the nodes, or compare " +
  "`cluster` and the secret: the others' logs say `dropped a ballot datagram` with why";

interface SilenceDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  isElecting(): boolean;
}

/**
 * A messenger that notices when nobody can be heard. Ballots that a firewall drops leave no trace:
 * the node would elect for ever, and its log would say nothing.
 */
export class AttentiveMessenger implements PeerMessenger {
  readonly #inner: PeerMessenger;
  readonly #config: Pick<NodeConfig, "nodeId" | "host" | "peers" | "voters">;
  readonly #deps: SilenceDeps;
  readonly #heardAt = new Map<NodeId, number>();
  #electingSince: number | null = null;
  #warnedAt = -Infinity;
  #timer: { cancel(): void };

  constructor(
    inner: PeerMessenger,
    config: Pick<NodeConfig, "nodeId" | "host" | "peers" | "voters">,
    deps: SilenceDeps,
  ) {
    this.#inner = inner;
    this.#config = config;
    this.#deps = deps;
    this.#timer = deps.clock.setTimer(LOOK_MS, () => this.#look());
  }

  send(to: NodeId, datagram: BallotDatagram): void {
    this.#inner.send(to, datagram);
  }

  onDatagram(receiver: ((datagram: BallotDatagram) => void) | null): void {
    if (receiver === null) {
      this.#inner.onDatagram(null);
      return;
    }
    this.#inner.onDatagram((datagram) => {
      this.#heardAt.set(datagram.sender, this.#deps.clock.now());
      receiver(datagram);
    });
  }

  close(): Promise<void> {
    this.#timer.cancel();
    return this.#inner.close();
  }

  #look(): void {
    this.#timer = this.#deps.clock.setTimer(LOOK_MS, () => this.#look());
    const now = this.#deps.clock.now();
    if (!this.#deps.isElecting()) {
      this.#electingSince = null;
      return;
    }
    this.#electingSince ??= now;
    if (now - this.#electingSince < SILENCE_MS || now - this.#warnedAt < WARNING_MS) return;
    const { nodeId, voters, peers, host } = this.#config;
    const others = voters.filter((voter) => voter !== nodeId);
    const silent = others.filter(
      (voter) => now - (this.#heardAt.get(voter) ?? -Infinity) > SILENCE_MS,
    );
    const heard = voters.length - silent.length;
    // A node that votes counts itself; a watcher needs one that tells it who leads.
    const isEnough = others.length < voters.length ? heard * 2 > voters.length : heard > 0;
    if (isEnough) return;
    this.#warnedAt = now;
    this.#deps.logger.warn(
      silent.length === others.length
        ? "no vote arrives from any other node"
        : "votes arrive from too few nodes for a quorum",
      {
        silent: peers
          .filter(({ id }) => silent.includes(id))
          .map(({ id, election }) => `${id} at udp ${formatAddress(election)}`),
        boundTo: `udp ${formatAddress(host.election)}`,
        hint: HINT,
      },
    );
  }
}
