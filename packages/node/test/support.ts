import {
  QuorateError,
  silentMeter,
  toEpoch,
  toNodeId,
  toTxnid,
  TXNID_ZERO,
  type Clock,
  type LogData,
  type Logger,
  type Service,
  type Txnid,
} from "@quorate/protocol";
import { vi } from "vitest";
import { WebSocket } from "ws";
import {
  decodeNativeReplies,
  encodeNativeRequests,
  NATIVE_ANSWER_BYTES_MAX,
  NATIVE_SUBPROTOCOL,
  type NativeChange,
  type NativeEvents,
  type NativeReply,
  type NativeRequest,
} from "@quorate/codec";
import { idleService, MemoryCommittedLog } from "@quorate/testkit";
import { createRandom } from "@quorate/transport";
import { operationsOf, readersOf } from "@quorate/znode";
import { Feed } from "../src/feed/feed.js";
import { buildConfig, type NodeConfig } from "../src/config/config.js";
import { openNativePort, type NativePort, type NativePortDeps } from "../src/native/native-port.js";
import { ServiceDesk } from "../src/native/service-desk.js";
import type { ExitReason, NodeStatus, ServerHandle } from "../src/server-handle.js";
import type { VitalsDocument } from "../src/vitals.js";

/** No wait of these tests takes so long on the slowest of machines. */
const UNTIL_MS_MAX = 20_000;

export const realClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  setTimer(ms, callback) {
    const timer = setTimeout(callback, ms);
    return { cancel: () => clearTimeout(timer) };
  },
  defer: (callback) => void setImmediate(callback),
};

/** A real clock whose timers run only when told to. */
export class SteppedClock implements Clock {
  readonly #timers = new Set<() => void>();
  now = realClock.now;
  wallTime = realClock.wallTime;
  defer = realClock.defer;

  setTimer(_ms: number, callback: () => void): { cancel(): void } {
    this.#timers.add(callback);
    return { cancel: () => void this.#timers.delete(callback) };
  }

  runTimers(): void {
    const due = [...this.#timers];
    this.#timers.clear();
    for (const callback of due) callback();
  }
}

export class RecordingLogger implements Logger {
  readonly lines: string[] = [];

  error = (message: string): void => void this.lines.push(message);
  warn = (message: string): void => void this.lines.push(message);
  info = (message: string): void => void this.lines.push(message);
  debug = (_message: string, _data?: LogData): void => undefined;
  child = (): Logger => this;
}

export const FakeOp = { write: 1, refuse: 2, read: 4, big: 8, stuck: 3 } as const;

/** Stands in for a server: writes count up, some answers are held back until told. */
export class FakeServer implements ServerHandle {
  readonly service: Service = {
    ...idleService,
    submit: (op, key, content, complete) => {
      this.submit(op, key, content).then(
        (answer) => complete({ ok: true, ...answer }),
        (error: QuorateError) => complete({ ok: false, error }),
      );
    },
  };
  readonly submitted: { readonly op: number; readonly key: string; readonly bytes: number }[] = [];
  readonly reads: { readonly key: string; readonly linearizable: boolean }[] = [];
  readonly #stuck: (() => void)[] = [];
  #finish: (reason: ExitReason) => void = () => undefined;
  #applied: Txnid = toTxnid(7n << 32n);
  ready = true;
  stops = 0;
  readonly done = new Promise<ExitReason>((resolve) => (this.#finish = resolve));
  readonly committed = new MemoryCommittedLog();

  submit(op: number, key: string, content: Uint8Array) {
    this.submitted.push({ op, key, bytes: content.length });
    if (op === FakeOp.refuse) {
      return Promise.reject(new QuorateError("ERR_ZNODE_NODE_EXISTS", `${key} exists`));
    }
    if (op === FakeOp.stuck) {
      return new Promise<{ txnid: Txnid; content: Uint8Array }>((resolve) => {
        this.#stuck.push(() => resolve(this.#apply(content)));
      });
    }
    if (op === 99) return Promise.reject(new TypeError("a bug"));
    return Promise.resolve(this.#apply(content));
  }

  read(op: number, key: string, content: Uint8Array, options: { linearizable?: boolean } = {}) {
    this.reads.push({ key, linearizable: options.linearizable ?? false });
    const length = key === "/over" ? NATIVE_ANSWER_BYTES_MAX + 1 : NATIVE_ANSWER_BYTES_MAX / 3;
    return Promise.resolve(op === FakeOp.big ? new Uint8Array(length) : content);
  }

  status(): NodeStatus {
    return {
      id: toNodeId(1),
      role: "leading",
      leader: toNodeId(1),
      epoch: toEpoch(7),
      lastLogged: this.#applied,
      lastCommitted: this.#applied,
      lastApplied: this.#applied,
      digest: 0xabcn,
      standing: "member",
      ready: this.ready,
      waitingFor: [],
    };
  }

  pressure() {
    return { pendingRequests: this.#stuck.length, oldestWriteMs: 250, peers: [] };
  }

  stop(): Promise<void> {
    this.stops += 1;
    this.#finish({ kind: "stopped" });
    return Promise.resolve();
  }

  ping(): Promise<void> {
    return Promise.resolve();
  }

  resetConnections(): void {
    // There are none.
  }

  fail(error: QuorateError): void {
    this.#finish({ kind: "failed", error });
  }

  get stuckCount(): number {
    return this.#stuck.length;
  }

  release(): void {
    for (const run of this.#stuck.splice(0)) run();
  }

  #apply(content: Uint8Array): { txnid: Txnid; content: Uint8Array } {
    this.#applied = toTxnid(this.#applied + 1n);
    return { txnid: this.#applied, content };
  }
}

export function testConfig(extra: Record<string, unknown> = {}): NodeConfig {
  const at = { electionAddr: "0", messageAddr: "0", requestAddr: "0" };
  return buildConfig({ nodeId: 1, dataDir: "unused", host: at, ...extra });
}

/** What a port needs of the two. */
export function serverOf(server: FakeServer, feed: Feed): NativePortDeps["server"] {
  return {
    submit: (...args) => server.submit(...args),
    read: (...args) => server.read(...args),
    status: () => server.status(),
    subscribe: (...args) => feed.subscribe(...args),
  };
}

export const noVitals = (): VitalsDocument => ({
  logCommitMs: null,
  loopDelayMs: { p99: 0, max: 0 },
});

export interface PortSetup extends AsyncDisposable {
  readonly port: NativePort;
  readonly server: FakeServer;
  readonly feed: Feed;
  readonly logger: RecordingLogger;
  readonly clock: SteppedClock;
  readonly desk: ServiceDesk;
  readonly url: string;
}

export async function openTestPort(extra: Record<string, unknown> = {}): Promise<PortSetup> {
  const server = new FakeServer();
  const logger = new RecordingLogger();
  const clock = new SteppedClock();
  const feed = new Feed({
    log: server.committed,
    entries: { operationsOf, readersOf },
    isServing: () => server.ready,
    clock,
    logger,
    meter: silentMeter,
  });
  const desk = new ServiceDesk({ clock, random: createRandom() });
  const port = await openNativePort(testConfig(extra), {
    server: serverOf(server, feed),
    vitals: noVitals,
    metrics: () => Promise.resolve({ type: "text/plain", text: "quorate_up 1\n" }),
    desk,
    isRead: (op) => op === FakeOp.read || op === FakeOp.big,
    clock,
    logger,
    meter: silentMeter,
  });
  return {
    port,
    server,
    feed,
    logger,
    clock,
    desk,
    url: `127.0.0.1:${port.address.port}`,
    async [Symbol.asyncDispose]() {
      const closed = port.close();
      clock.runTimers();
      await closed;
    },
  };
}

/** Resolves once `condition` holds: a look each millisecond leaves the processor to the others. */
export async function until(condition: () => boolean): Promise<void> {
  await vi.waitUntil(condition, { interval: 1, timeout: UNTIL_MS_MAX });
}

/** A bare client: sends what it is told, keeps what it hears. */
export class RawClient implements Disposable {
  readonly replies: NativeReply[] = [];
  readonly events: NativeEvents[] = [];
  readonly changes: NativeChange[] = [];
  /** Replies and changes as they came. */
  readonly heard: (NativeReply | NativeChange)[] = [];
  frames = 0;
  closeCode: number | null = null;
  pings = 0;
  readonly socket: WebSocket;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data: Buffer) => {
      this.frames += 1;
      for (const message of decodeNativeReplies(data)) {
        if ("events" in message) this.events.push(message);
        else this.heard.push(message);
        if ("events" in message) continue;
        if ("change" in message) this.changes.push(message);
        else this.replies.push(message);
      }
    });
    socket.on("ping", () => (this.pings += 1));
    socket.on("close", (code) => (this.closeCode = code));
    socket.on("error", () => undefined);
  }

  static async connect(url: string, autoPong = true): Promise<RawClient> {
    const socket = new WebSocket(`ws://${url}`, NATIVE_SUBPROTOCOL, { autoPong });
    const client = new RawClient(socket);
    await new Promise((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    return client;
  }

  send(...requests: readonly (Partial<NativeRequest> & { readonly id: number })[]): void {
    const full = requests.map((request) => ({
      op: FakeOp.write,
      key: "/a",
      content: new Uint8Array(1),
      linearizable: false,
      ...request,
    }));
    this.socket.send(encodeNativeRequests(full));
  }

  [Symbol.dispose](): void {
    this.socket.terminate();
  }
}

export { TXNID_ZERO };
