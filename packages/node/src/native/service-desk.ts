import {
  ChurnMap,
  QuorateError,
  TXNID_ZERO,
  type AuthIdentity,
  type Clock,
  type NodeChangeKind,
  type Random,
  type Service,
  type Txnid,
} from "@quorate/protocol";
import type { NativeChange } from "@quorate/codec";
import { WatcherNumbers, WatchTable } from "@quorate/znode";
import { zkOptions, type Established, type ZkOptions } from "@quorate/zookeeper";
import { REMOVED_WATCHES_PER_TURN, WATCHED_PATH_CHARS_MAX, WATCHES_HELD_MAX } from "./limits.js";

/** One connection, or one session of this very process. */
export interface DeskMember {
  /** By these it may read what it watches. */
  readonly identities: readonly AuthIdentity[];
  /** While the change is applied: before any reply that saw it. */
  notify(change: NativeChange): void;
  /** Its session was closed or has expired. */
  sessionGone(): void;
  /** What it has here is worth nothing any more. */
  reset(reason: ResetReason): void;
}

/**
 * replaced: the state was, by a snapshot, and nobody can tell what watchers missed. moved: the
 * session is another connection's. stopped: the node does.
 */
export type ResetReason = "replaced" | "moved" | "stopped";

/** What ZooKeeper's clients are granted, these are as well. */
export type DeskOptions = Pick<
  ZkOptions,
  "sessionMsMin" | "sessionMsMax" | "superDigest" | "requiredSchemes"
>;

export interface DeskDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly options?: Partial<DeskOptions>;
}

/**
 * The sessions and watches of one node's native clients. It is there before the node's server is,
 * as the port is; until then nobody gets a session.
 */
export class ServiceDesk {
  readonly options: DeskOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly #watches = new WatchTable();
  readonly #numbers = new WatcherNumbers<DeskMember>(this.#watches);
  readonly #byMember = new Map<DeskMember, number>();
  readonly #bySession = new ChurnMap<bigint, DeskMember>();
  #service: Service | null = null;
  #hasTree = false;
  #newestTold: Txnid = TXNID_ZERO;
  #detach: () => void = () => undefined;
  #isTurnDue = false;

  constructor({ clock, random, options }: DeskDeps) {
    this.clock = clock;
    this.random = random;
    this.options = zkOptions(options);
  }

  /** `hasTree`: not over a handler of the host's own, which has none to serve. */
  open(service: Service, hasTree = true): void {
    this.#service = service;
    this.#hasTree = hasTree;
    this.#detach = service.attach({
      onNodeChange: (kind, path, txnid, mayRead) => this.#changed(kind, path, txnid, mayRead),
      onSessionCreated: () => undefined,
      onSessionMoved: ({ id, owner }) => {
        if (owner !== service.nodeId) this.#bySession.get(id)?.reset("moved");
      },
      onSessionTaken: (id) => this.#bySession.get(id)?.reset("moved"),
      onSessionClosed: (id) => this.#bySession.get(id)?.sessionGone(),
      onStateReplaced: () => this.#resetAll("replaced"),
      onServing: () => undefined,
    });
  }

  close(): void {
    this.#detach();
    this.#service = null;
    this.#resetAll("stopped");
  }

  /** For writes, which wait a little for a leader. @throws ERR_SERVER_NOT_READY before `open`. */
  get service(): Service {
    if (this.#service === null) throw notReady("the node is starting");
    return this.#service;
  }

  /** Where there is a tree, requests of all kinds are asked of this. */
  get tree(): Service | null {
    return this.#hasTree ? this.#service : null;
  }

  /** For reads. @throws ERR_SERVER_NOT_READY while it does not serve. */
  get serving(): Service {
    const { service } = this;
    if (!service.isServing) throw notReady("the node does not serve");
    return service;
  }

  /** The newest transaction of which everything is in the state and was told. */
  get newest(): Txnid {
    const applied = this.#service?.lastApplied ?? TXNID_ZERO;
    return applied > this.#newestTold ? applied : this.#newestTold;
  }

  touch(session: bigint): void {
    this.#service?.touch(session);
  }

  /** Who had the session before here has it no more. */
  sessionOpened({ session, password }: Established, member: DeskMember): void {
    this.#service?.takeOver(session, password);
    const older = this.#bySession.get(session);
    this.#bySession.set(session, member);
    if (older !== member) older?.reset("moved");
  }

  /** @throws ERR_SERVER_BUSY when there are too many. */
  watch(member: DeskMember, path: string, request: Parameters<WatchTable["add"]>[2]): void {
    const { size, pathChars } = this.#watches;
    if (size >= WATCHES_HELD_MAX || pathChars >= WATCHED_PATH_CHARS_MAX) {
      throw new QuorateError("ERR_SERVER_BUSY", "too many watches", { retryable: true });
    }
    let number = this.#byMember.get(member);
    if (number === undefined) {
      number = this.#numbers.draw(member);
      this.#byMember.set(member, number);
    }
    this.#watches.add(path, number, request);
  }

  hasWatch(member: DeskMember, path: string, type: Parameters<WatchTable["remove"]>[2]): boolean {
    const number = this.#byMember.get(member);
    return number !== undefined && this.#watches.contains(path, number, type);
  }

  /** False when there was none. */
  unwatch(member: DeskMember, path: string, type: Parameters<WatchTable["remove"]>[2]): boolean {
    const number = this.#byMember.get(member);
    return number !== undefined && this.#watches.remove(path, number, type);
  }

  /** It is gone; `session` goes on without a connection, for a while. */
  leave(member: DeskMember, session: bigint | null): void {
    if (session !== null && this.#bySession.get(session) === member) {
      this.#bySession.delete(session);
    }
    const number = this.#byMember.get(member);
    if (number === undefined) return;
    this.#byMember.delete(member);
    this.#numbers.retire(number);
    this.#takeDownSoon();
  }

  #changed(
    kind: NodeChangeKind,
    path: string,
    txnid: Txnid,
    mayRead: ((identities: readonly AuthIdentity[]) => boolean) | undefined,
  ): void {
    if (txnid > this.#newestTold) this.#newestTold = txnid;
    let change: NativeChange | null = null;
    this.#watches.trigger(kind, path, (number) => {
      const member = this.#numbers.watcherOf(number);
      if (member === null || mayRead?.(member.identities) === false) return;
      change ??= { id: 0, change: kind, path, txnid };
      member.notify(change);
    });
  }

  #takeDownSoon(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    this.clock.defer(() => {
      this.#isTurnDue = false;
      if (this.#numbers.takeDown(REMOVED_WATCHES_PER_TURN)) this.#takeDownSoon();
    });
  }

  #resetAll(reason: ResetReason): void {
    for (const member of new Set([...this.#byMember.keys(), ...this.#bySession.values()])) {
      member.reset(reason);
    }
  }
}

export function notReady(message: string): QuorateError {
  return new QuorateError("ERR_SERVER_NOT_READY", message, { retryable: true });
}
