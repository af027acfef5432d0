import type { Socket } from "node:net";
import type { Clock, Logger, Meter, Random } from "@quorate/protocol";
import type { ZnodeMachine } from "@quorate/znode";
import { socketChannel, ZkFrontEnd, type ZkOptions } from "@quorate/zookeeper";
import type { NodeConfig } from "../config/config.js";
import type { ZookeeperConfig } from "../config/zookeeper.js";
import type { ServerHandle } from "../server-handle.js";
import { NodeFacts } from "./node-facts.js";

export interface ZookeeperDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
  readonly startedAtWallTime: number;
}

/** Serves ZooKeeper's clients from the moment that there is a service; until then nobody does. */
export class ZookeeperHost {
  #frontEnd: ZkFrontEnd | null = null;
  /** Of the store that was opened last. */
  #machine: ZnodeMachine | null = null;

  get frontEnd(): ZkFrontEnd | null {
    return this.#frontEnd;
  }

  /** Counts of this machine are told from now on. */
  watch(machine: ZnodeMachine): ZnodeMachine {
    this.#machine = machine;
    return machine;
  }

  open(config: NodeConfig, server: ServerHandle, deps: ZookeeperDeps): void {
    const { clock, random, meter, startedAtWallTime } = deps;
    this.#frontEnd = new ZkFrontEnd({
      service: server.service,
      clock,
      random,
      logger: deps.logger.child({ component: "zookeeper" }),
      meter,
      facts: new NodeFacts(config, server, { machine: () => this.#machine, startedAtWallTime }),
      options: optionsOf(config.zookeeper),
    });
  }

  /** False while nobody can serve it. */
  accept(socket: Socket, firstBytes: Uint8Array): boolean {
    if (this.#frontEnd === null) return false;
    this.#frontEnd.accept(socketChannel(socket), { firstBytes });
    return true;
  }

  close(): void {
    this.#frontEnd?.close();
  }
}

function optionsOf(config: ZookeeperConfig): Partial<ZkOptions> {
  return {
    tickMs: config.tickMs,
    sessionMsMin: config.minSessionTimeoutMs,
    sessionMsMax: config.maxSessionTimeoutMs,
    packetBytesMax: config.juteMaxBuffer,
    connectionsPerAddressMax: config.maxClientCnxns,
    connectionsMax: config.maxCnxns,
    outstandingMax: config.globalOutstandingLimit,
    superDigest: config.superDigest,
    requiredSchemes: config.requiredSchemes,
    isReadOnlyEnabled: config.readOnlyMode,
    words: config.fourLetterWords,
  };
}
