import type { Socket } from "node:net";
import { socketChannel, ZkFrontEnd, type ZkFrontEndDeps, type ZkOptions } from "@quorate/zookeeper";
import type { ZookeeperConfig } from "../config/zookeeper.js";

/** Serves ZooKeeper's clients from the moment that there is a service; until then nobody does. */
export class ZookeeperHost {
  #frontEnd: ZkFrontEnd | null = null;

  get frontEnd(): ZkFrontEnd | null {
    return this.#frontEnd;
  }

  open(deps: Omit<ZkFrontEndDeps, "options">, config: ZookeeperConfig): void {
    this.#frontEnd = new ZkFrontEnd({ ...deps, options: optionsOf(config) });
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
