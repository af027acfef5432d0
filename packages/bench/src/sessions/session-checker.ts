/** What a session asked for; the checker needs no more of it. */
export interface Asked {
  readonly xid: number;
  readonly kind: "get" | "set" | "create" | "exists";
  readonly path: string;
  /** Leaves a watch on the node's data. */
  readonly watch: boolean;
}

export interface Answered {
  readonly xid: number;
  readonly zxid: bigint;
  readonly err: number;
  /** Of the node, when the answer shows it. */
  readonly mzxid: bigint | null;
}

export interface Told {
  readonly path: string;
  /** -1 where events carry none: ZooKeeper before 3.9. */
  readonly zxid: bigint;
}

const NO_NODE = -101;
/** The first ones tell enough. */
const PROBLEMS_MAX = 50;

/**
 * Holds what one session sees against what ZooKeeper promises it, over all its connections. The
 * nodes it asks for are deleted by nobody, so that none that was seen may be gone.
 *
 * 1. Replies come in the order of the requests.
 * 2. The zxid of replies never goes back, nor does a node's.
 * 3. A read shows what the session wrote before it, and nothing of what it wrote behind it, nor
 *    anything newer than that.
 * 4. A watch that is set once fires once, and before the reply that shows the change.
 */
export class SessionChecker {
  readonly problems: string[] = [];
  readonly #name: string;
  #pending: Asked[] = [];
  #zxid = 0n;
  /** Of the newest reply to a read. */
  #readZxid = 0n;
  /** The newest change of each node that this session was shown, or made. */
  readonly #seen = new Map<string, bigint>();
  /** Armed watches, each with the change that its node showed when it was set. */
  readonly #watches = new Map<string, bigint>();

  constructor(name: string) {
    this.#name = name;
  }

  /** The greatest zxid seen: what a client says when it comes back. */
  get zxid(): bigint {
    return this.#zxid;
  }

  asked(request: Asked): void {
    this.#pending.push(request);
  }

  /** Null, and a problem, when nothing like it was asked for next. */
  answered(answer: Answered): Asked | null {
    const request = this.#pending.shift();
    if (request?.xid !== answer.xid) {
      this.#problem(`reply ${answer.xid} comes where ${request?.xid ?? "none"} is due`);
      return null;
    }
    if (answer.zxid < this.#zxid) {
      this.#problem(`the zxid goes back from ${this.#zxid} to ${answer.zxid}`);
    } else {
      this.#zxid = answer.zxid;
    }
    if (answer.err === NO_NODE && this.#seen.has(request.path)) {
      this.#problem(`${request.path} was seen and is gone`);
    }
    if (request.kind === "get" || request.kind === "exists") this.#readZxid = answer.zxid;
    if (answer.err === 0) this.#shown(request, answer);
    return request;
  }

  told({ path, zxid }: Told): void {
    if (!this.#watches.delete(path)) this.#problem(`an event of ${path}, where no watch is set`);
    // What a reply was true of includes every change up to its zxid, so its events are due before.
    if (zxid !== -1n && zxid <= this.#zxid) {
      this.#problem(`the event ${zxid} of ${path} comes after a reply at ${this.#zxid}`);
    }
  }

  /** The connection is gone: what was asked is unknown, and its watches are no more. */
  disconnected(): readonly Asked[] {
    const lost = this.#pending;
    this.#pending = [];
    this.#watches.clear();
    return lost;
  }

  #shown(request: Asked, { mzxid, zxid }: Answered): void {
    const { path, kind, watch } = request;
    const shown = mzxid ?? (kind === "create" ? zxid : null);
    if (shown === null) return;
    const isWrite = kind === "set" || kind === "create";
    if (isWrite && shown <= this.#readZxid) {
      this.#problem(`a read at ${this.#readZxid} came in front of the own ${kind} at ${shown}`);
    }
    if (shown > zxid) this.#problem(`${path} at ${shown} in a reply of ${zxid}`);
    const seen = this.#seen.get(path) ?? 0n;
    if (shown < seen) this.#problem(`${kind} of ${path} goes back from ${seen} to ${shown}`);
    else this.#seen.set(path, shown);
    const base = this.#watches.get(path);
    if (base !== undefined && shown > base) {
      this.#problem(`${path} shows ${shown} before the event of its watch, set at ${base}`);
    }
    if (watch) this.#watches.set(path, shown);
  }

  #problem(text: string): void {
    if (this.problems.length < PROBLEMS_MAX) this.problems.push(`${this.#name}: ${text}`);
  }
}
