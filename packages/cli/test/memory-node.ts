import { Readable } from "node:stream";
import {
  epochOf,
  makeTxnid,
  OpCode,
  QuorateError,
  silentLogger,
  toEpoch,
  toNodeId,
  type NodeId,
  type Service,
  toTxnid,
  type Txnid,
} from "@quorate/protocol";
import {
  buildConfig,
  runNode,
  type ExitReason,
  type NodeParts,
  type NodeStatus,
  type RunningNode,
  type ServerHandle,
} from "@quorate/node";
import { MemoryCommittedLog } from "@quorate/testkit";
import { ZnodeMachine } from "@quorate/znode";
import type { Io } from "../src/io.js";

/** A server of one, in memory: the shipped tree without an ensemble below it. */
export class MemoryServer implements ServerHandle {
  readonly service = memoryService(this, () => this.#tree);
  readonly committed = new MemoryCommittedLog(3);
  waitingFor: readonly NodeId[] = [];
  readonly #tree = new ZnodeMachine();
  #last: Txnid = toTxnid(3n << 32n);
  #finish: (reason: ExitReason) => void = () => undefined;
  readonly done = new Promise<ExitReason>((resolve) => (this.#finish = resolve));
  /** Set to have every write end so. */
  writeError: QuorateError | null = null;
  isStuckInStop = false;

  submit(op: number, key: string, content: Uint8Array) {
    if (this.writeError !== null) return Promise.reject(this.writeError);
    if (op === OpCode.raiseEpoch) return Promise.resolve(this.#raiseEpoch(content));
    const txnid = toTxnid(this.#last + 1n);
    const prepared = this.#tree.prepare(op, key, content, { txnid, wallTimeMs: 1000 });
    if (!prepared.ok) {
      const details = prepared.at === undefined ? {} : { at: prepared.at };
      return Promise.reject(new QuorateError(prepared.code, prepared.message, { details }));
    }
    this.#last = txnid;
    const answer = this.#tree.apply({ ...prepared, txnid, fid: "1", reqId: 0n });
    this.committed.append([prepared]);
    return Promise.resolve({ txnid, content: answer });
  }

  /** Answers as the next leader does, at once. */
  #raiseEpoch(content: Uint8Array) {
    const floor = new DataView(content.buffer, content.byteOffset).getUint32(0);
    if (epochOf(this.#last) <= floor) this.#last = makeTxnid(floor + 1, 0);
    const answer = new Uint8Array(4);
    new DataView(answer.buffer).setUint32(0, epochOf(this.#last));
    return { txnid: this.#last, content: answer };
  }

  read(op: number, key: string, content: Uint8Array) {
    const result = this.#tree.read(op, key, content);
    return result.ok
      ? Promise.resolve(result.content)
      : Promise.reject(new QuorateError(result.code, result.message));
  }

  status(): NodeStatus {
    return {
      id: toNodeId(1),
      role: "leading",
      leader: toNodeId(1),
      epoch: toEpoch(3),
      lastLogged: this.#last,
      lastCommitted: this.#last,
      lastApplied: this.#last,
      digest: this.#tree.digest(),
      standing: "member",
      ready: true,
      waitingFor: this.waitingFor,
    };
  }

  ping(): Promise<void> {
    return Promise.resolve();
  }

  resetConnections(): void {
    // There are none.
  }

  pressure() {
    return { pendingRequests: 0, oldestWriteMs: 0, peers: [] };
  }

  fail(error: QuorateError): void {
    this.#finish({ kind: "failed", error });
  }

  stop(): Promise<void> {
    if (!this.isStuckInStop) this.#finish({ kind: "stopped" });
    return Promise.resolve();
  }
}

/** The service of a node that always leads alone. */
function memoryService(server: MemoryServer, tree: () => ZnodeMachine): Service {
  return {
    nodeId: toNodeId(1),
    isServing: true,
    get lastApplied() {
      return server.status().lastApplied;
    },
    get sessionCount() {
      return tree().sessions.count;
    },
    attach(listener) {
      tree().attach(listener);
      return () => tree().attach(null);
    },
    readNow: (op, key, content) => tree().read(op, key, content),
    submit(op, key, content, complete) {
      server.submit(op, key, content).then(
        (outcome) => complete({ ok: true, ...outcome }),
        (error: unknown) => {
          if (error instanceof QuorateError) complete({ ok: false, error });
          else throw error;
        },
      );
    },
    catchUp: (done) => void setImmediate(done, null),
    session: (id) => tree().sessions.get(id),
    takeOver: () => undefined,
    touch: () => undefined,
  };
}

export function memoryParts(server: MemoryServer): NodeParts {
  return {
    startServer: () => Promise.resolve(server),
    createOpenStore: () => () => Promise.reject(new Error("no store here")),
    logger: { ...silentLogger, close: () => Promise.resolve() },
  };
}

export interface MemoryNode extends AsyncDisposable {
  readonly node: RunningNode;
  readonly server: MemoryServer;
  readonly url: string;
}

export async function startMemoryNode(
  peers: readonly Record<string, unknown>[] = [],
): Promise<MemoryNode> {
  const host = { electionAddr: "0", messageAddr: "0", requestAddr: "0" };
  const config = buildConfig({ nodeId: 1, dataDir: "unused", host, peers });
  const server = new MemoryServer();
  const node = await runNode(config, memoryParts(server));
  return {
    node,
    server,
    url: `127.0.0.1:${node.requestAddress.port}`,
    [Symbol.asyncDispose]: () => node.stop(),
  };
}

/** Keeps what a command printed, and gives it signals. */
export class TestIo implements Io {
  stdin: Readable;
  readonly env: Readonly<Record<string, string | undefined>>;
  isTerminal = false;
  terminal: Io["terminal"] = null;
  readonly self = [process.execPath, "no-such-file"] as const;
  readonly #out: Uint8Array[] = [];
  errText = "";
  #onSignal: (() => void) | null = null;

  constructor(env: Record<string, string> = {}, stdin = "") {
    this.env = env;
    this.stdin = Readable.from(stdin === "" ? [] : [Buffer.from(stdin)]);
  }

  out(text: string | Uint8Array): void {
    this.#out.push(Buffer.from(text));
  }

  err(text: string): void {
    this.errText += text;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#out);
  }

  get text(): string {
    return this.bytes.toString();
  }

  onStopSignal(callback: () => void): () => void {
    this.#onSignal = callback;
    return () => (this.#onSignal = null);
  }

  get awaitsSignal(): boolean {
    return this.#onSignal !== null;
  }

  signal(): void {
    this.#onSignal?.();
  }
}
