import {
  encodeCaller,
  OpCode,
  QuorateError,
  type AuthIdentity,
  type Txnid,
} from "@quorate/protocol";
import type {
  ArmedWatch,
  NativeChange,
  NativeWatchKind,
  NativeWatchType,
  OpenedSession,
  SessionOpening,
} from "@quorate/codec";
import {
  armedAgain,
  checkPath,
  encodeCloseSession,
  missedChange,
  type OneShotWatch,
} from "@quorate/znode";
import {
  createSession,
  Identities,
  negotiateTimeout,
  resumeSession,
  type Established,
} from "@quorate/zookeeper";
import { notReady, type DeskMember, type ResetReason, type ServiceDesk } from "./service-desk.js";

export interface MemberEvents {
  onChange(change: NativeChange): void;
  /** Its session was closed by somebody else, or has expired. */
  onSessionGone(error: QuorateError): void;
  onReset(reason: ResetReason): void;
}

/** Watches that are set again look at the tree as it is, whoever may read it: as in ZooKeeper. */
const SUPER = encodeCaller({ session: null, identities: [{ scheme: "super", id: "" }] });

/** Who one client is to its node: what it has proved, its session, and its watches. */
export class Member implements DeskMember {
  readonly #desk: ServiceDesk;
  readonly #events: MemberEvents;
  readonly #identities: Identities;
  #session: Established | null = null;
  /** Why nothing more is taken on: a session that was is no more. */
  #refusal: QuorateError | null = null;
  #isClosing = false;
  #hasWatched = false;

  /** The address is empty for one without any: the host's own program. */
  constructor(
    desk: ServiceDesk,
    origin: { readonly address: string; readonly proved: readonly AuthIdentity[] },
    events: MemberEvents,
  ) {
    this.#desk = desk;
    this.#events = events;
    this.#identities = new Identities(origin.address, origin.proved, desk.options.superDigest);
  }

  get identities(): readonly AuthIdentity[] {
    return this.#identities.list;
  }

  /** What goes before the content of each request to the tree. */
  get caller(): Uint8Array {
    return this.#identities.caller;
  }

  /** Why nothing else than proofs is taken on. */
  get refusal(): QuorateError | null {
    const { requiredSchemes } = this.#desk.options;
    if (this.#refusal !== null) return this.#refusal;
    return this.#identities.satisfies(requiredSchemes) ? null : authRequired(requiredSchemes);
  }

  get session(): bigint | null {
    return this.#session?.session ?? null;
  }

  /** Replies must be in one order with what is told of changes. */
  get isOrdered(): boolean {
    return this.#session !== null || this.#hasWatched;
  }

  /** A sign of life. */
  touch(): void {
    if (this.#session !== null && this.#refusal === null) this.#desk.touch(this.#session.session);
  }

  /** @throws ERR_SESSION_AUTH_FAILED. */
  authenticate(scheme: string, proof: Uint8Array): void {
    if (this.#identities.authenticate(scheme, proof)) return;
    const what = `authentication failed: ${JSON.stringify(scheme.slice(0, 50))}`;
    throw new QuorateError("ERR_SESSION_AUTH_FAILED", what);
  }

  /** Once. Whatever goes wrong: nothing else is taken on afterwards. */
  open(opening: SessionOpening, done: (result: OpenedSession | QuorateError) => void): void {
    const fail = (error: QuorateError): void => {
      this.#refusal = error;
      done(error);
    };
    if (this.#session !== null) {
      done(new QuorateError("ERR_SESSION_EXISTS", "this connection has a session"));
      return;
    }
    let service;
    try {
      ({ service } = this.#desk);
      this.#checkSeen(opening.seen);
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error;
      fail(error);
      return;
    }
    const settled = (result: Established | null | QuorateError): void => {
      if (this.#isClosing) return;
      if (result === null) fail(expired());
      else if (result instanceof QuorateError) fail(result);
      else done(this.#established(result));
    };
    const { options, random } = this.#desk;
    if (opening.kind === "new") {
      createSession({ service, random }, negotiateTimeout(opening.timeoutMs, options), settled);
    } else {
      const { id, password } = opening;
      const timeoutMs =
        opening.timeoutMs === null ? 0 : negotiateTimeout(opening.timeoutMs, options);
      service.takeOver(id, password);
      resumeSession(service, { id, timeoutMs, password }, settled);
    }
  }

  /** Ends the session, and its ephemerals with it. */
  end(done: (result: Txnid | QuorateError) => void): void {
    const { session } = this;
    if (session === null) {
      done(new QuorateError("ERR_ARG_VALUE", "this connection has no session"));
      return;
    }
    // That it is gone is no news then.
    this.#refusal = new QuorateError("ERR_SESSION_EXPIRED", "the session was closed");
    let service;
    try {
      ({ service } = this.#desk);
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error;
      this.#refusal = null;
      done(error);
      return;
    }
    service.submit(OpCode.closeSession, "", encodeCloseSession(session), (outcome) => {
      if (outcome.ok) done(outcome.txnid);
      else if (outcome.error.code === "ERR_SESSION_EXPIRED") done(this.#desk.newest);
      else {
        if (outcome.error.retryable) this.#refusal = null;
        done(outcome.error);
      }
    });
  }

  /** Whether there is such a node. @throws ERR_ARG_PATH, ERR_ZNODE_NO_NODE, ERR_SERVER_*. */
  watch(path: string, kind: NativeWatchKind): boolean {
    requirePath(path);
    const isThere = this.#statOf(path) !== null;
    if (!isThere && kind === "child") {
      throw new QuorateError("ERR_ZNODE_NO_NODE", `${path} does not exist`);
    }
    this.#hasWatched = true;
    this.#desk.watch(this, path, armedAgain(kind));
    return isThere;
  }

  /** Only looks whether there is one, or removes it. @throws ERR_ZNODE_NO_WATCHER. */
  unwatch(path: string, type: NativeWatchType, checkOnly: boolean): void {
    const isThere = checkOnly
      ? this.#desk.hasWatch(this, path, type)
      : this.#desk.unwatch(this, path, type);
    if (!isThere) throw new QuorateError("ERR_ZNODE_NO_WATCHER", `no such watch of ${path}`);
  }

  /**
   * Arms the watches of a client that has come again, or tells what it missed.
   * @throws ERR_SERVER_NOT_READY when this node has not seen what the client has.
   */
  rewatch(seen: Txnid, watches: readonly ArmedWatch[]): void {
    this.#checkSeen(seen);
    for (const { path } of watches) requirePath(path);
    this.#hasWatched = true;
    for (const { kind, path } of watches) {
      const missed = isOneShot(kind) ? missedChange(kind, this.#statOf(path), seen) : null;
      if (missed === null) this.#desk.watch(this, path, armedAgain(kind));
      else this.notify({ id: 0, change: missed, path, txnid: this.#desk.newest });
    }
  }

  /** The client is gone. Its session goes on for as long as it may be silent. */
  close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#desk.leave(this, this.session);
  }

  // ---- for the desk ----

  notify(change: NativeChange): void {
    this.#events.onChange(change);
  }

  sessionGone(): void {
    if (this.#refusal !== null) return;
    this.#refusal = expired();
    this.#events.onSessionGone(this.#refusal);
  }

  reset(reason: ResetReason): void {
    this.#events.onReset(reason);
  }

  #established(session: Established): OpenedSession {
    this.#session = session;
    this.#identities.useSession(session.session);
    this.#desk.sessionOpened(session, this);
    return { id: session.session, timeoutMs: session.timeoutMs, password: session.password };
  }

  #checkSeen(seen: Txnid): void {
    if (seen > this.#desk.newest) throw notReady("the client has seen more than this node");
  }

  /** Valid until the turn ends. */
  #statOf(path: string): Uint8Array | null {
    const result = this.#desk.serving.readNow(OpCode.exists, path, SUPER);
    if (result.ok) return result.content;
    if (result.code === "ERR_ZNODE_NO_NODE") return null;
    throw new QuorateError(result.code, result.message);
  }
}

function isOneShot(kind: NativeWatchKind): kind is OneShotWatch {
  return kind === "data" || kind === "exist" || kind === "child";
}

function requirePath(path: string): void {
  const problem = checkPath(path);
  if (problem !== null) throw new QuorateError(problem.code, problem.message);
}

/** Nobody may do anything who has proved nothing by one of these. */
export function authRequired(schemes: readonly string[]): QuorateError {
  const what = `this node asks for an identity of ${schemes.join(" or ")}`;
  return new QuorateError("ERR_SESSION_AUTH_REQUIRED", what);
}

function expired(): QuorateError {
  return new QuorateError("ERR_SESSION_EXPIRED", "the session has expired");
}
