import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Clock, Logger, Meter, Random } from "@quorate/protocol";
import type { ZnodeMachine } from "@quorate/znode";
import { socketChannel, ZkFrontEnd, type MonitorRow, type ZkOptions } from "@quorate/zookeeper";
import type { NodeConfig } from "../config/config.js";
import type { ZookeeperConfig } from "../config/zookeeper.js";
import { certifiedOf } from "../tls/secure-port.js";
import type { ServerHandle } from "../server-handle.js";
import { ADMIN_COMMANDS, runAdminCommand, type AdminSubject } from "./admin-commands.js";
import { jsonText } from "./admin-json.js";
import { ensembleText } from "./ensemble-text.js";
import { NodeFacts } from "./node-facts.js";

export interface AdminAnswer {
  readonly type: string;
  readonly text: string;
}

export interface ZookeeperDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
  readonly startedAtWallTime: number;
}

/** Serves ZooKeeper's clients from the moment that there is a service; until then nobody does. */
export class ZookeeperHost {
  #subject: AdminSubject | null = null;
  /** Of the store that was opened last. */
  #machine: ZnodeMachine | null = null;

  /** Counts of this machine are told from now on. */
  watch(machine: ZnodeMachine): ZnodeMachine {
    this.#machine = machine;
    return machine;
  }

  open(config: NodeConfig, server: ServerHandle, deps: ZookeeperDeps): void {
    const { clock, random, meter, startedAtWallTime } = deps;
    const machine = (): ZnodeMachine | null => this.#machine;
    const facts = new NodeFacts(config, server, { machine, startedAtWallTime });
    const { service } = server;
    const frontEnd = new ZkFrontEnd({
      service,
      clock,
      random,
      logger: deps.logger.child({ component: "zookeeper" }),
      meter,
      facts,
      options: { ...optionsOf(config.zookeeper), ensembleText: ensembleText(config.members) },
    });
    this.#subject = {
      config,
      frontEnd,
      service,
      facts,
      status: () => server.status(),
      wallTime: () => clock.wallTime(),
    };
  }

  /** As ZooKeeper's AdminServer answers a command; without a name, with the list of them. */
  command(name: string | null): AdminAnswer {
    if (name !== null) {
      const text = `${jsonText(runAdminCommand(name, this.#subject))}\n`;
      return { type: "application/json", text };
    }
    const links = ADMIN_COMMANDS.map((each) => `<a href="/commands/${each}">${each}</a>\n<br/>\n`);
    return { type: "text/html; charset=utf-8", text: links.join("") };
  }

  /** What ZooKeeper would count; null while nobody can be served. */
  monitor(): readonly MonitorRow[] | null {
    return this.#subject?.frontEnd.monitor() ?? null;
  }

  /** False while nobody can serve it. */
  accept(socket: Socket, firstBytes: Uint8Array): boolean {
    if (this.#subject === null) return false;
    this.#subject.frontEnd.accept(socketChannel(socket), {
      firstBytes,
      identities: certifiedOf(socket, this.#subject.config.tls?.superUser ?? null),
      isSecure: socket instanceof TLSSocket,
    });
    return true;
  }

  close(): void {
    this.#subject?.frontEnd.close();
  }
}

export function optionsOf(config: ZookeeperConfig): Partial<ZkOptions> {
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
