import {
  BatchBuilder,
  defaultMsgFactory,
  entriesOf,
  fidOf,
  makeTxnid,
  positionOf,
  QuorateError,
  toEpoch,
  LOG_START,
  type DurableStore,
  type EntryBatch,
  type NodeId,
  type PeerMsg,
  type PeerPipe,
  type Txnid,
} from "@quorate/protocol";
import type { ServerOptions, ServerPorts, SimulatedServer, StartServer } from "../src/index.js";

/** What is wrong with it, on purpose. */
export type Defect =
  "none" | "acceptBeforePersist" | "commitAlone" | "staleReads" | "applyTwice" | "neverTells";

const EPOCH = toEpoch(1);

/**
 * The smallest server that a calm world cannot tell from the real one: the first node leads for
 * ever. It exists to show that the checkers see a defect, and see none where there is none.
 */
export function primaryBackup(defect: Defect): StartServer {
  return (options, ports) => new PrimaryBackup(options, ports, defect);
}

interface Waiting {
  resolve(answer: { txnid: Txnid; content: Uint8Array }): void;
  reject(error: QuorateError): void;
}

class PrimaryBackup implements SimulatedServer {
  readonly done = new Promise<string>(() => undefined);
  readonly #options: ServerOptions;
  readonly #ports: ServerPorts;
  readonly #defect: Defect;
  readonly #machine;
  readonly #builder: BatchBuilder;
  readonly #log: EntryBatch[] = [];
  readonly #accepted = new Map<NodeId, Txnid>();
  readonly #pipes = new Map<NodeId, PeerPipe>();
  readonly #waiting = new Map<bigint, Waiting>();
  readonly #reads = new Map<number, () => void>();
  #store: DurableStore | null = null;
  #upstream: PeerPipe | null = null;
  #committed = 0n as Txnid;
  #applied = 0;
  #nextReqId = 1n;
  #isReady = false;

  constructor(options: ServerOptions, ports: ServerPorts, defect: Defect) {
    this.#options = options;
    this.#ports = ports;
    this.#defect = defect;
    this.#machine = ports.createStateMachine();
    this.#builder = new BatchBuilder(ports.chainHash);
    void this.#start();
  }

  get #isLeader(): boolean {
    return this.#options.nodeId === this.#options.voters[0];
  }

  status() {
    const end = this.#log.at(-1)?.last ?? LOG_START.txnid;
    const applied = this.#log[this.#applied - 1]?.last ?? LOG_START.txnid;
    return {
      role: this.#isLeader ? ("leader" as const) : ("follower" as const),
      isReady: this.#isReady,
      epoch: 1,
      lastLogged: end,
      lastCommitted: this.#committed,
      digest: this.#machine.digest(),
      digestAt: applied,
    };
  }

  submit(op: number, key: string, content: Uint8Array) {
    return new Promise<{ txnid: Txnid; content: Uint8Array }>((resolve, reject) => {
      if (!this.#isReady) {
        reject(new QuorateError("ERR_SERVER_NOT_READY", "not ready"));
        return;
      }
      if (this.#defect === "neverTells") {
        reject(new QuorateError("ERR_CLIENT_OUTCOME_UNKNOWN", "not telling"));
        return;
      }
      const reqId = this.#nextReqId;
      this.#nextReqId += 1n;
      this.#waiting.set(reqId, { resolve, reject });
      const request = defaultMsgFactory.createRequest(reqId, op, key, content);
      if (this.#isLeader) this.#propose(this.#options.nodeId, request);
      else this.#upstream?.send(request);
    });
  }

  async read(op: number, key: string, content: Uint8Array, o: { linearizable: boolean }) {
    if (!this.#isReady) throw new QuorateError("ERR_SERVER_NOT_READY", "not ready");
    if (o.linearizable && !this.#isLeader && this.#defect !== "staleReads") {
      const readId = this.#reads.size + 1;
      await new Promise<void>((resolve) => {
        this.#reads.set(readId, resolve);
        this.#upstream?.send({ kind: "readIndexRequest", readId });
      });
    }
    const result = this.#machine.read(op, key, content);
    if (!result.ok) throw new QuorateError(result.code, result.message);
    return result.content;
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  async #start(): Promise<void> {
    const store = await this.#ports.openStore();
    this.#store = store;
    let isPromised: () => void = () => undefined;
    const promised = new Promise<void>((resolve) => {
      isPromised = resolve;
    });
    store.attach({
      onPersisted: (upTo, lastLogged) => {
        if (upTo >= 2) isPromised();
        this.#persisted(lastLogged.txnid);
      },
      onFailed: (error) => {
        throw error;
      },
    });
    const leader = this.#options.voters[0] as NodeId;
    store.setAcceptedEpoch({ epoch: EPOCH, leader });
    store.setCurrentEpoch(EPOCH);
    await promised;
    if (this.#isLeader) {
      this.#ports.listener.onPipe((pipe) => this.#serve(pipe));
      return;
    }
    const { signal } = new AbortController();
    this.#upstream = await this.#ports.connector.connect(leader, { signal });
    this.#upstream.attach({
      onMessages: (messages) => messages.forEach((message) => this.#hear(message)),
      onClose: () => undefined,
    });
  }

  #serve(pipe: PeerPipe): void {
    this.#pipes.set(pipe.peer, pipe);
    pipe.attach({
      onMessages: (messages) => messages.forEach((message) => this.#answer(pipe, message)),
      onClose: () => undefined,
    });
    pipe.send(defaultMsgFactory.createNewLeader(EPOCH, LOG_START));
    this.#isReady = this.#pipes.size === this.#options.voters.length - 1;
    if (this.#isReady) for (const each of this.#pipes.values()) each.send(beat);
  }

  #answer(pipe: PeerPipe, message: PeerMsg): void {
    if (message.kind === "request") this.#propose(pipe.peer, message);
    else if (message.kind === "accept") this.#count(pipe.peer, message.txnid);
    else if (message.kind === "readIndexRequest") {
      const { readId } = message;
      pipe.send({ kind: "readIndexReply", readId, txnid: this.#committed });
    }
  }

  #propose(origin: NodeId, request: Extract<PeerMsg, { kind: "request" }>): void {
    const txnid = makeTxnid(1, this.#log.length + 1);
    const context = { txnid, wallTimeMs: this.#ports.clock.wallTime() };
    const prepared = this.#machine.prepare(request.op, request.key, request.content, context);
    if (!prepared.ok) {
      this.#abort(origin, request.reqId, prepared);
      return;
    }
    this.#builder.add(origin, request.reqId, prepared.op, prepared.key, prepared.content);
    const previous = this.#log.at(-1);
    const batch = this.#builder.finish(
      txnid,
      previous === undefined ? LOG_START : positionOf(previous),
    );
    this.#log.push(batch);
    this.#store?.append([batch], this.#committed);
    for (const pipe of this.#pipes.values()) pipe.send(defaultMsgFactory.createProposal(batch));
  }

  #abort(
    origin: NodeId,
    reqId: bigint,
    { code, message }: { code: QuorateError["code"]; message: string },
  ): void {
    const pipe = this.#pipes.get(origin);
    if (pipe === undefined) {
      this.#waiting.get(reqId)?.reject(new QuorateError(code, message));
    } else {
      pipe.send(defaultMsgFactory.createAbort(fidOf(origin), reqId, code, message));
    }
  }

  #hear(message: PeerMsg): void {
    switch (message.kind) {
      case "newLeader":
        this.#upstream?.send(defaultMsgFactory.createNewLeaderAck(EPOCH));
        return;
      case "heartbeat":
        this.#isReady = true;
        return;
      case "proposal":
        this.#log.push(message.batch);
        this.#store?.append([message.batch], this.#committed);
        if (this.#defect === "acceptBeforePersist") this.#persisted(message.batch.last);
        return;
      case "commit":
        this.#commit(message.txnid);
        return;
      case "abort":
        this.#waiting.get(message.reqId)?.reject(new QuorateError(message.code, message.error));
        return;
      case "readIndexReply":
        this.#reads.get(message.readId)?.();
        return;
      default:
    }
  }

  #persisted(txnid: Txnid): void {
    if (txnid === LOG_START.txnid) return;
    if (this.#isLeader) this.#count(this.#options.nodeId, txnid);
    else this.#upstream?.send(defaultMsgFactory.createAccept(txnid, fidOf(this.#options.nodeId)));
  }

  #count(node: NodeId, txnid: Txnid): void {
    this.#accepted.set(node, txnid);
    const sorted = [...this.#accepted.values()].sort((a, b) => (a < b ? 1 : -1));
    const place = this.#defect === "commitAlone" ? 0 : Math.floor(this.#options.voters.length / 2);
    const mark = sorted[place];
    if (mark === undefined || mark <= this.#committed) return;
    this.#commit(mark);
    const announce = (): void => {
      for (const pipe of this.#pipes.values()) pipe.send(defaultMsgFactory.createCommit(mark));
    };
    if (this.#defect === "staleReads") this.#ports.clock.setTimer(300, announce);
    else announce();
  }

  #commit(mark: Txnid): void {
    this.#committed = mark;
    for (;;) {
      const batch = this.#log[this.#applied];
      if (batch === undefined || batch.last > mark) return;
      this.#applied += 1;
      for (const entry of entriesOf(batch)) {
        const content = this.#machine.apply(entry);
        if (this.#defect === "applyTwice" && this.#applied === 50) this.#machine.apply(entry);
        if (entry.fid !== fidOf(this.#options.nodeId)) continue;
        this.#waiting.get(entry.reqId)?.resolve({ txnid: entry.txnid, content });
      }
    }
  }
}

const beat = defaultMsgFactory.createHeartbeat(1, false);
