import {
  ChurnMap,
  type AuthIdentity,
  type Clock,
  type Logger,
  type Meter,
  type NodeChangeKind,
  type Random,
  type Service,
  type SessionOwner,
  type Txnid,
} from "@quorate/protocol";
import { WatcherNumbers, WatchTable } from "@quorate/znode";
import type { ByteChannel } from "./byte-channel.js";
import type { ConnectionHost } from "./connection/connection-host.js";
import type { Established } from "./connection/handshake.js";
import { Pace } from "./connection/pace.js";
import { ZkConnection } from "./connection/zk-connection.js";
import { JuteWriter } from "./jute/writer.js";
import { REMOVED_WATCHES_PER_TURN, SENDS_PER_TURN_MAX } from "./limits.js";
import { zkOptions, type ZkOptions } from "./options.js";
import { eventTypeOf, writeEvent } from "./requests/events.js";
import type { ServerFacts } from "./server-facts.js";
import { ServerStats } from "./stats.js";
import { monitorRows, type MonitorRow } from "./words/monitor.js";
import { WordAnswers } from "./words/word-answers.js";

export interface ZkFrontEndDeps {
  readonly service: Service;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
  readonly facts: ServerFacts;
  readonly options?: Partial<ZkOptions>;
}

export interface AcceptOptions {
  /** Bytes that were read from the channel already, to tell what kind of client this is. */
  readonly firstBytes?: Uint8Array;
  /** What the client's certificate proves: `x509` and its subject. */
  readonly identities?: readonly AuthIdentity[];
  readonly isSecure?: boolean;
}

/** ZooKeeper's clients of one node: their connections, sessions as connected here, and watches. */
export class ZkFrontEnd {
  readonly options: ZkOptions;
  readonly stats = new ServerStats();
  readonly #deps: ZkFrontEndDeps;
  readonly #host: ConnectionHost;
  readonly #pace: Pace;
  readonly #watches = new WatchTable();
  readonly #connections = new Set<ZkConnection>();
  readonly #bySession = new ChurnMap<bigint, ZkConnection>();
  readonly #byAddress = new Map<string, number>();
  readonly #watchers = new WatcherNumbers<ZkConnection>(this.#watches);
  readonly #detach: () => void;
  readonly #deferred: ZkConnection[] = [];
  #isTurnDue = false;
  #isServing: boolean;
  #unservedSince: number | null;
  #newestTold: Txnid;
  #outstanding = 0;
  #isClosed = false;

  constructor(deps: ZkFrontEndDeps) {
    this.#deps = deps;
    this.options = zkOptions(deps.options);
    this.#isServing = deps.service.isServing;
    this.#unservedSince = this.#isServing ? null : deps.clock.now();
    this.#newestTold = deps.service.lastApplied;
    this.#host = this.#hostOf(deps);
    this.#pace = new Pace(deps.clock);
    this.#detach = deps.service.attach({
      onNodeChange: (kind, path, txnid, mayRead) => this.#nodeChanged(kind, path, txnid, mayRead),
      onSessionCreated: () => undefined,
      onSessionMoved: ({ id, owner }) => this.#sessionMoved(id, owner),
      onSessionTaken: (id) => this.#bySession.get(id)?.drop("its client comes anew"),
      onSessionClosed: (id) => this.#bySession.get(id)?.sessionClosed(),
      onStateReplaced: () => this.#dropAll("the state was replaced"),
      onServing: (isServing) => {
        this.#isServing = isServing;
        this.#unservedSince = isServing ? null : deps.clock.now();
        for (const connection of [...this.#connections]) connection.servingChanged(isServing);
      },
    });
  }

  /** A client's connection. Closes it at once when there are too many. */
  accept(channel: ByteChannel, given: AcceptOptions = {}): void {
    const { connectionsMax, connectionsPerAddressMax } = this.options;
    const ofAddress = this.#byAddress.get(channel.remoteAddress) ?? 0;
    const isFull = connectionsMax > 0 && this.#connections.size >= connectionsMax;
    const isFullOfOne = connectionsPerAddressMax > 0 && ofAddress >= connectionsPerAddressMax;
    if (this.#isClosed || isFull || isFullOfOne) {
      this.#reject(channel, isFullOfOne ? "too many of this address" : "too many connections");
      return;
    }
    this.#byAddress.set(channel.remoteAddress, ofAddress + 1);
    const { identities = [], isSecure = false, firstBytes } = given;
    const paced = this.#pace.channel(channel);
    const connection = new ZkConnection(this.#host, paced, { identities, isSecure });
    this.#connections.add(connection);
    this.#deps.meter.gauge("zk_connections", this.#connections.size);
    if (firstBytes !== undefined) paced.arrived(firstBytes);
  }

  get connections(): ReadonlySet<ZkConnection> {
    return this.#connections;
  }

  get outstanding(): number {
    return this.#outstanding;
  }

  get watches(): WatchTable {
    return this.#watches;
  }

  /** The connection under whose number watches are kept; undefined when it is gone. */
  connectionOfWatcher(watcher: number): ZkConnection | undefined {
    return this.#watchers.watcherOf(watcher) ?? undefined;
  }

  get isServing(): boolean {
    return this.#isServing;
  }

  /** As `mntr`: names and values, now. */
  monitor(): readonly MonitorRow[] {
    return monitorRows(this, this.#deps);
  }

  /** Closes every connection and takes no more. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#detach();
    // What is answered already still leaves.
    for (const connection of [...this.#connections]) connection.finish("the node stops");
  }

  #hostOf(deps: ZkFrontEndDeps): ConnectionHost {
    const { service, clock, random, logger, meter } = deps;
    const words = new WordAnswers(this, deps);
    const isServing = (): boolean => this.#isServing;
    const unservedSince = (): number | null => this.#unservedSince;
    const outstanding = (): number => this.#outstanding;
    const newestTxnid = (): bigint => {
      const { lastApplied } = service;
      return lastApplied > this.#newestTold ? lastApplied : this.#newestTold;
    };
    return {
      service,
      clock,
      random,
      logger,
      meter,
      options: this.options,
      watches: this.#watches,
      stats: this.stats,
      get isServing() {
        return isServing();
      },
      get unservedSince() {
        return unservedSince();
      },
      get outstanding() {
        return outstanding();
      },
      get newestTxnid() {
        return newestTxnid();
      },
      changeOutstanding: (by) => {
        this.#outstanding += by;
      },
      defer: (connection) => this.#defer(connection),
      sessionOpened: (established, connection) => this.#sessionOpened(established, connection),
      watcherOf: (connection) => this.#watcherOf(connection),
      connectionClosed: (connection) => this.#connectionClosed(connection),
      answerWord: (word) => words.answer(word),
    };
  }

  #reject(channel: ByteChannel, reason: string): void {
    this.stats.connectionsRejected += 1;
    this.#deps.meter.count("zk_connections_rejected");
    this.#deps.logger.warn("refusing a client's connection", {
      address: channel.remoteAddress,
      reason,
    });
    channel.attach({
      onData: () => undefined,
      onDrain: () => undefined,
      onClosed: () => undefined,
    });
    channel.destroy();
  }

  /** While a transaction is applied: its events are written before any reply that saw it. */
  #nodeChanged(
    kind: NodeChangeKind,
    path: string,
    txnid: Txnid,
    mayRead: ((identities: readonly AuthIdentity[]) => boolean) | undefined,
  ): void {
    if (txnid > this.#newestTold) this.#newestTold = txnid;
    let frame: Uint8Array | null = null;
    this.#watches.trigger(kind, path, (watcher) => {
      const connection = this.#watchers.watcherOf(watcher);
      if (connection === null) return;
      if (mayRead !== undefined && !mayRead(connection.identities)) return;
      frame ??= eventFrame(txnid, kind, path);
      connection.notify(frame);
    });
  }

  #defer(connection: ZkConnection): void {
    if (connection.isDeferred) return;
    connection.isDeferred = true;
    this.#deferred.push(connection);
    this.#scheduleTurn();
  }

  #scheduleTurn(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    this.#deps.clock.defer(() => this.#turn());
  }

  #turn(): void {
    this.#isTurnDue = false;
    const due = this.#deferred.splice(0, SENDS_PER_TURN_MAX);
    if (this.#deferred.length > 0) this.#scheduleTurn();
    for (const connection of due) {
      connection.isDeferred = false;
      connection.turn();
    }
    this.#takeDownWatches();
  }

  #takeDownWatches(): void {
    if (this.#watchers.takeDown(REMOVED_WATCHES_PER_TURN)) this.#scheduleTurn();
  }

  #sessionMoved(session: bigint, owner: SessionOwner): void {
    if (owner === this.#deps.service.nodeId) return;
    this.#bySession.get(session)?.drop("its session has moved to another server");
  }

  #sessionOpened({ session, password }: Established, connection: ZkConnection): void {
    this.#deps.service.takeOver(session, password);
    const older = this.#bySession.get(session);
    this.#bySession.set(session, connection);
    older?.drop("its session has moved to a newer connection");
  }

  #watcherOf(connection: ZkConnection): number {
    if (connection.watcher === -1) connection.watcher = this.#watchers.draw(connection);
    return connection.watcher;
  }

  #connectionClosed(connection: ZkConnection): void {
    this.#connections.delete(connection);
    this.#deps.meter.gauge("zk_connections", this.#connections.size);
    const address = connection.remoteAddress;
    const left = (this.#byAddress.get(address) ?? 1) - 1;
    if (left === 0) this.#byAddress.delete(address);
    else this.#byAddress.set(address, left);
    if (this.#bySession.get(connection.session) === connection) {
      this.#bySession.delete(connection.session);
    }
    const { watcher } = connection;
    if (watcher === -1) return;
    this.#watchers.retire(watcher);
    this.#scheduleTurn();
  }

  #dropAll(reason: string): void {
    for (const connection of [...this.#connections]) connection.drop(reason);
  }
}

function eventFrame(txnid: Txnid, kind: NodeChangeKind, path: string): Uint8Array {
  const writer = new JuteWriter(64);
  writeEvent(writer, txnid, eventTypeOf(kind), path);
  // As sockets take it, so that none of them makes a view of its own.
  const { buffer, byteOffset, byteLength } = writer.bytes();
  return Buffer.from(buffer, byteOffset, byteLength);
}
