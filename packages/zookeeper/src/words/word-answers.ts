import { OpCode, encodeCaller, type Clock, type Service } from "@quorate/protocol";
import { decodePaths, type WatchTable } from "@quorate/znode";
import type { ZkConnection } from "../connection/zk-connection.js";
import { WORD_BYTES_MAX, WORD_RESERVE_BYTES } from "../limits.js";
import type { ZkOptions } from "../options.js";
import type { ServerFacts } from "../server-facts.js";
import type { ServerStats } from "../stats.js";
import { connectionLine, fraction, hex, javaDate } from "./formats.js";
import { monitorRows } from "./monitor.js";
import { TextLines } from "./text-lines.js";

/** What the words tell of the front end. */
export interface WordSubject {
  readonly options: ZkOptions;
  readonly stats: ServerStats;
  readonly connections: ReadonlySet<ZkConnection>;
  readonly outstanding: number;
  readonly watches: WatchTable;
  readonly isServing: boolean;
  connectionOfWatcher(watcher: number): ZkConnection | undefined;
}

const NOT_SERVING = "This ZooKeeper instance is not currently serving requests";
/** ZooKeeper's default; there is no trace to be masked here. */
const TRACE_MASK = "306";

/** The answers to four-letter words, in ZooKeeper's own format. */
export class WordAnswers {
  readonly #subject: WordSubject;
  readonly #service: Service;
  readonly #clock: Clock;
  readonly #facts: ServerFacts;
  readonly #allowed: ReadonlySet<string>;
  readonly #areAllAllowed: boolean;

  constructor(
    subject: WordSubject,
    deps: { readonly service: Service; readonly clock: Clock; readonly facts: ServerFacts },
  ) {
    const { words, isReadOnlyEnabled } = subject.options;
    this.#subject = subject;
    this.#service = deps.service;
    this.#clock = deps.clock;
    this.#facts = deps.facts;
    // As there: its own scripts need the first, and its read-only clients the second.
    this.#allowed = new Set(["srvr", ...(isReadOnlyEnabled ? ["isro"] : []), ...words]);
    this.#areAllAllowed = words.includes("*");
  }

  answer(word: string): Uint8Array {
    const lines = new TextLines(WORD_BYTES_MAX);
    if (!this.#areAllAllowed && !this.#allowed.has(word)) {
      lines.line(`${word} is not executed because it is not in the whitelist.`);
    } else {
      this.#run(word, lines);
    }
    return lines.bytes();
  }

  #run(word: string, lines: TextLines): void {
    switch (word) {
      case "ruok":
        lines.text("imok");
        return;
      case "gtmk":
        lines.text(TRACE_MASK);
        return;
      case "stmk":
        lines.text(TRACE_MASK);
        return;
      case "envi":
        lines.line("Environment:");
        for (const [name, value] of this.#facts.environment()) lines.line(`${name}=${value}`);
        return;
      case "isro":
        lines.text(this.#mayServe ? (this.#subject.isServing ? "rw" : "ro") : "null");
        return;
      case "hash":
        if (!this.#mayServe) lines.text(NOT_SERVING);
        else
          for (const [txnid, digest] of this.#facts.digests())
            lines.line(`${hex(txnid)}: ${digest}`);
        return;
      default:
        if (this.#mayServe) this.#runServing(word, lines);
        else lines.line(NOT_SERVING);
    }
  }

  get #mayServe(): boolean {
    return this.#subject.isServing || this.#subject.options.isReadOnlyEnabled;
  }

  #runServing(word: string, lines: TextLines): void {
    switch (word) {
      case "conf":
        this.#conf(lines);
        return;
      case "cons":
        for (const one of this.#subject.connections) lines.line(connectionLine(one, false));
        lines.line("");
        return;
      case "crst":
        for (const one of this.#subject.connections) one.stats.reset();
        lines.line("Connection stats reset.");
        return;
      case "dirs": {
        const { data, log } = this.#facts.directoryBytes();
        lines.line(`datadir_size: ${data}`);
        lines.line(`logdir_size: ${log}`);
        return;
      }
      case "dump":
        this.#dump(lines);
        return;
      case "mntr":
        this.#mntr(lines);
        return;
      case "srst":
        this.#subject.stats.reset();
        lines.line("Server stats reset.");
        return;
      case "srvr":
      case "stat":
        this.#srvr(lines, word === "stat");
        return;
      default:
        this.#watches(word, lines);
    }
  }

  #conf(lines: TextLines): void {
    const { options } = this.#subject;
    for (const [name, value] of this.#facts.configuration()) lines.line(`${name}=${value}`);
    lines.line(`tickTime=${options.tickMs}`);
    lines.line(`maxClientCnxns=${options.connectionsPerAddressMax}`);
    lines.line(`minSessionTimeout=${options.sessionMsMin}`);
    lines.line(`maxSessionTimeout=${options.sessionMsMax}`);
    lines.line(`serverId=${this.#service.nodeId}`);
    if (options.ensembleText === "") return;
    lines.line("membership: ");
    lines.text(options.ensembleText);
  }

  #srvr(lines: TextLines, withClients: boolean): void {
    const { stats, connections, outstanding, isServing } = this.#subject;
    lines.line(`Zookeeper version: ${this.#facts.version}`);
    if (!isServing) lines.line("READ-ONLY mode; serving only read-only clients");
    if (withClients) {
      lines.line("Clients:");
      // What monitoring reads is behind them.
      lines.list(briefLines(connections), WORD_RESERVE_BYTES);
      lines.line("");
    }
    const { min, mean, max } = stats.latency;
    lines.line(`Latency min/avg/max: ${Math.round(min)}/${fraction(mean)}/${Math.round(max)}`);
    lines.line(`Received: ${stats.packetsReceived}`);
    lines.line(`Sent: ${stats.packetsSent}`);
    lines.line(`Connections: ${connections.size}`);
    lines.line(`Outstanding: ${outstanding}`);
    lines.line(`Zxid: 0x${hex(this.#service.lastApplied)}`);
    lines.line(`Mode: ${isServing ? this.#facts.mode() : "read-only"}`);
    lines.line(`Node count: ${this.#facts.znodeCount()}`);
  }

  #mntr(lines: TextLines): void {
    const deps = { service: this.#service, clock: this.#clock, facts: this.#facts };
    for (const [name, value] of monitorRows(this.#subject, deps)) {
      // A double there.
      const isFraction = name === "avg_latency" && typeof value === "number";
      lines.line(`zk_${name}\t${isFraction ? fraction(value) : value}`);
    }
  }

  #dump(lines: TextLines): void {
    const sessions = [...this.#facts.sessions()].sort((a, b) => (a.id < b.id ? -1 : 1));
    lines.line("SessionTracker dump:");
    lines.line(`Global Sessions(${sessions.length}):`);
    for (const { id, timeoutMs } of sessions) lines.line(`0x${hex(id)}\t${timeoutMs}ms`);
    lines.line("ephemeral nodes dump:");
    const owners = sessions
      .map(({ id }) => [id, this.#ephemeralsOf(id)] as const)
      .filter(([, paths]) => paths.length > 0);
    lines.line(`Sessions with Ephemerals (${owners.length}):`);
    for (const [id, paths] of owners) {
      lines.line(`0x${hex(id)}:`);
      for (const path of paths) lines.line(`\t${path}`);
    }
    this.#dumpConnections(lines);
  }

  #ephemeralsOf(session: bigint): readonly string[] {
    const caller = encodeCaller({ session, identities: [] });
    const result = this.#service.readNow(OpCode.getEphemerals, "/", caller);
    return result.ok ? decodePaths(result.content) : [];
  }

  /** Grouped by when each would be closed if nothing more were heard, in ticks as there. */
  #dumpConnections(lines: TextLines): void {
    const { connections, options } = this.#subject;
    const now = this.#clock.now();
    const sets = new Map<number, ZkConnection[]>();
    for (const one of connections) {
      const dueMs = this.#clock.wallTime() + (one.heardAt + one.sessionTimeoutMs - now);
      const due = Math.ceil(dueMs / options.tickMs) * options.tickMs;
      sets.set(due, [...(sets.get(due) ?? []), one]);
    }
    lines.line("Connections dump:");
    lines.line(`Connections Sets (${sets.size})/(${connections.size}):`);
    for (const [due, members] of [...sets].sort(([a], [b]) => a - b)) {
      lines.line(`${members.length} expire at ${javaDate(due)}:`);
      for (const { remoteAddress, remotePort, session } of members) {
        lines.line(`\tip: /${remoteAddress}:${remotePort} sessionId: 0x${hex(session)}`);
      }
    }
  }

  #watches(word: string, lines: TextLines): void {
    const { watches } = this.#subject;
    if (word === "wchs") {
      const { watchers, paths, total } = watches.dataSummary();
      lines.line(`${watchers} connections watching ${paths} paths`);
      lines.text(`Total watches:${total}`);
    } else {
      this.#watchList(word === "wchp", lines);
    }
    lines.line("");
  }

  #watchList(isByPath: boolean, lines: TextLines): void {
    const { watches } = this.#subject;
    for (const [head, items] of isByPath ? watches.byPath() : watches.byWatcher()) {
      if (lines.isFull) return;
      if (typeof head === "string") {
        lines.line(head);
        for (const watcher of items) lines.line(`\t0x${this.#sessionOf(watcher)}`);
      } else {
        lines.line(`0x${this.#sessionOf(head)}`);
        for (const path of items) lines.line(`\t${path}`);
      }
    }
  }

  #sessionOf(watcher: number | string): string {
    const connection =
      typeof watcher === "number" ? this.#subject.connectionOfWatcher(watcher) : undefined;
    return hex(connection?.session ?? 0n);
  }
}

function* briefLines(connections: Iterable<ZkConnection>): Iterable<string> {
  for (const one of connections) yield connectionLine(one, true);
}
