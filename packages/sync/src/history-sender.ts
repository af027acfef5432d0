import {
  assert,
  HISTORY_CHUNK_BYTES_MAX,
  HISTORY_CHUNKS_IN_FLIGHT_MAX,
  HISTORY_MESSAGES_IN_FLIGHT_MAX,
  minTxnid,
  OBSERVER_QUEUE_LAG_BYTES,
  QuorateError,
} from "@quorate/protocol";
import type {
  ActionHandler,
  LogPosition,
  MsgFactory,
  PeerMsg,
  PeerPipe,
  SnapshotSource,
  StateRows,
  Txnid,
} from "@quorate/protocol";
import type { HistoryPlan } from "./plan-history.js";

/** After so many passes over a log that grows as fast as it is sent, the live queue takes over. */
const PASSES_MAX = 8;

export interface HistorySenderDeps {
  readonly pipe: PeerPipe;
  readonly handler: ActionHandler;
  readonly factory: MsgFactory;
  /** Where the history ends now: the last proposed entry, for a watcher the last committed one. */
  historyEnd(): LogPosition;
  /** What comes after `historyEnd` is queued from now on. Called once, in one step with it. */
  startLiveQueue(): void;
}

/**
 * Sends one follower the history that it lacks.
 *
 * The plan is cut over the log plus the proposals on their way to disk, in one step with the
 * registration of the live queue (ZOOKEEPER-4785, G23): it ends at the last *proposed* entry and
 * the live stream starts with the next one. A long history is sent in passes first, so that the
 * live queue stays short. Chunks in flight are bounded, so heartbeats never wait behind more.
 */
export class HistorySender {
  readonly #deps: HistorySenderDeps;
  readonly #abort = new AbortController();
  /** Bytes of each message that was sent and not answered, in order. */
  readonly #underWay: number[] = [];
  #bytesUnderWay = 0;
  #sent = 0;
  #answered = 0;
  #wake: (() => void) | null = null;

  constructor(deps: HistorySenderDeps) {
    this.#deps = deps;
  }

  /** The follower took that many history messages. */
  credit(received: number): void {
    if (received < this.#answered || received > this.#sent) {
      throw new QuorateError("ERR_PROTOCOL_ORDER", "progress beyond what was sent");
    }
    for (const bytes of this.#underWay.splice(0, received - this.#answered)) {
      this.#bytesUnderWay -= bytes;
    }
    this.#answered = received;
    this.#wake?.();
  }

  stop(): void {
    this.#abort.abort();
    this.#wake?.();
  }

  /**
   * Resolves with the end of what was sent; undefined when stopped.
   * @throws (rejects) what the store reports.
   */
  async send(plan: HistoryPlan): Promise<LogPosition | undefined> {
    assert(plan.kind !== "diverged", "a diverged history cannot be sent");
    const { pipe, factory, handler } = this.#deps;
    if (plan.kind !== "snapshot") {
      if (plan.kind === "truncate") pipe.send(factory.createTruncate(plan.after));
      pipe.send(factory.createStreamBegin(plan.after));
      return this.#sendEntries(plan.after.txnid);
    }
    const source = await handler.openSnapshot();
    try {
      if (this.#isStopped() || !(await this.#sendSnapshot(source))) return undefined;
      // The open source pins the log above the snapshot until that, too, is sent.
      return await this.#sendEntries(source.info.position.txnid);
    } finally {
      source.close();
    }
  }

  async #sendEntries(from: Txnid): Promise<LogPosition | undefined> {
    const { historyEnd, startLiveQueue } = this.#deps;
    let at = from;
    for (let pass = 1; ; pass += 1) {
      const before = historyEnd();
      const bytes = await this.#sendPass(at, before.txnid);
      if (bytes === undefined) return undefined;
      at = before.txnid;
      if (bytes > OBSERVER_QUEUE_LAG_BYTES && pass < PASSES_MAX) continue;
      // One step: no proposal can come between the cut and the registration.
      const end = historyEnd();
      startLiveQueue();
      return (await this.#sendPass(at, end.txnid)) === undefined ? undefined : end;
    }
  }

  /** The bytes sent; undefined when stopped. */
  async #sendPass(after: Txnid, upTo: Txnid): Promise<number | undefined> {
    const { handler, factory } = this.#deps;
    let bytes = 0;
    if (after === upTo) return this.#isStopped() ? undefined : bytes;
    const signal = this.#abort.signal;
    for await (const batches of handler.getCommittedEntries(after, upTo, { signal })) {
      for (const batch of batches) {
        // What is applied here is committed, whether or not this leader is established: see
        // FollowerSyncMachine.
        const committed = minTxnid(handler.getCommittedPosition().txnid, batch.last);
        const message = factory.createLogEntry(batch, committed);
        if (!(await this.#sendWithinWindow(message, batch.bytes.length))) return undefined;
        bytes += batch.bytes.length;
      }
    }
    return this.#isStopped() ? undefined : bytes;
  }

  async #sendSnapshot(source: SnapshotSource): Promise<boolean> {
    const { pipe, factory } = this.#deps;
    pipe.send(factory.createSnapshotBegin(source.info));
    let rowCount = 0;
    let next = readOn(source);
    for (let index = 0; ; index += 1) {
      const rows = await next;
      if (rows.length === 0) break;
      next = readOn(source);
      rowCount += rows.length;
      const chunk = factory.createSnapshotChunk(index, rows);
      if (await this.#sendWithinWindow(chunk, HISTORY_CHUNK_BYTES_MAX)) continue;
      // It is not closed while it is read.
      await next.catch(() => undefined);
      return false;
    }
    if (this.#isStopped()) return false;
    pipe.send(factory.createSnapshotEnd(rowCount));
    pipe.send(factory.createStreamBegin(source.info.position));
    return true;
  }

  async #sendWithinWindow(message: PeerMsg, bytes: number): Promise<boolean> {
    while (!this.#hasRoomFor(bytes) && !this.#isStopped()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = null;
    }
    if (this.#isStopped()) return false;
    this.#deps.pipe.send(message);
    this.#sent += 1;
    this.#underWay.push(bytes);
    this.#bytesUnderWay += bytes;
    return true;
  }

  /**
   * Until the first answer the peer may still look for where its own log parts from this one, and
   * keeps what comes meanwhile: so few messages, however small.
   */
  #hasRoomFor(bytes: number): boolean {
    const messages = this.#underWay.length;
    if (messages < HISTORY_CHUNKS_IN_FLIGHT_MAX) return true;
    if (this.#answered === 0) return false;
    const bytesMax = HISTORY_CHUNKS_IN_FLIGHT_MAX * HISTORY_CHUNK_BYTES_MAX;
    return messages < HISTORY_MESSAGES_IN_FLIGHT_MAX && this.#bytesUnderWay + bytes <= bytesMax;
  }

  #isStopped(): boolean {
    return this.#abort.signal.aborted;
  }
}

/** One step ahead of what is sent. */
function readOn(source: SnapshotSource): Promise<StateRows> {
  const rows = source.read(HISTORY_CHUNK_BYTES_MAX);
  // A sender that is stopped does not ask what became of it; one that is not is told.
  rows.catch(() => undefined);
  return rows;
}
