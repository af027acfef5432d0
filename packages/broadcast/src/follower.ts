import { assertNever, fidOf, PENDING_READS_MAX, QuorateError } from "@quorate/protocol";
import type {
  ActionHandler,
  AnswerMsg,
  LogPosition,
  MsgFactory,
  PeerMsg,
  PeerPipe,
  PeerRole,
  RequestMsg,
  Txnid,
} from "@quorate/protocol";
import { FollowerMachine, type FollowerEffect } from "./follower-machine.js";
import { HeldRefusals, isPlaced } from "./held-refusals.js";

export interface FollowerDeps {
  readonly pipe: PeerPipe;
  readonly handler: ActionHandler;
  readonly factory: MsgFactory;
  /**
   * An answer to another node, for which this one relays. False when it never did: then the answer
   * costs the pipe.
   */
  onForeignAnswer?(message: AnswerMsg): boolean;
  /** Committed state has reached at least what the leader established. Once. */
  onReady(): void;
}

/** A synchronised follower or watcher, over the pipe on which it synchronised. */
export class Follower {
  readonly #deps: FollowerDeps;
  readonly #machine: FollowerMachine;
  readonly #fid: string;
  readonly #held: HeldRefusals;
  readonly #reads = new Map<number, (mark: Txnid | QuorateError) => void>();
  #lastReadId = 0;
  #isTerminated = false;

  constructor(kind: Exclude<PeerRole, "leader">, received: LogPosition, deps: FollowerDeps) {
    this.#deps = deps;
    this.#fid = fidOf(deps.handler.getNodeId());
    this.#held = new HeldRefusals(deps.handler);
    this.#machine = new FollowerMachine({
      isWatcher: kind === "watcher",
      received,
      commitMark: deps.handler.getLastCommittedTxid(),
    });
  }

  /** @throws ERR_PROTOCOL_ORDER when the leader broke the protocol. */
  onMessage(message: PeerMsg): void {
    if (this.#isTerminated) return;
    for (const effect of this.#machine.step({ kind: "messageReceived", message })) {
      this.#run(effect);
    }
  }

  onPersisted(lastLogged: LogPosition): void {
    if (this.#isTerminated) return;
    for (const effect of this.#machine.step({ kind: "persisted", upTo: lastLogged.txnid })) {
      this.#run(effect);
    }
  }

  /** Forwards a request of this node's client to the leader. False after the role ended. */
  forwardRequest(request: RequestMsg): boolean {
    if (this.#isTerminated) return false;
    this.#deps.pipe.send(request);
    return true;
  }

  /** Hands on what a node further down asks. False after the role ended. */
  relayRequest(fid: string, { reqId, op, key, content }: Omit<RequestMsg, "kind">): boolean {
    if (this.#isTerminated) return false;
    this.#deps.pipe.send({ kind: "relayedRequest", fid, reqId, op, key, content });
    return true;
  }

  /** Asks the leader for the mark that a linearizable read must wait for. */
  readIndex(done: (mark: Txnid | QuorateError) => void): void {
    if (this.#isTerminated) {
      done(ended());
      return;
    }
    if (this.#reads.size >= PENDING_READS_MAX) {
      done(new QuorateError("ERR_SERVER_BUSY", "too many reads wait", { retryable: true }));
      return;
    }
    this.#lastReadId += 1;
    this.#reads.set(this.#lastReadId, done);
    this.#deps.pipe.send({ kind: "readIndexRequest", readId: this.#lastReadId });
  }

  /** Idempotent. What was forwarded and not answered is the owner's to judge. */
  terminate(): void {
    if (this.#isTerminated) return;
    this.#isTerminated = true;
    this.#held.giveUp();
    for (const done of this.#reads.values()) done(ended());
    this.#reads.clear();
  }

  #run(effect: FollowerEffect): void {
    const { handler, pipe, factory } = this.#deps;
    switch (effect.kind) {
      case "logProposal":
        handler.logProposal(effect.batch);
        return;
      case "sendAccept":
        pipe.send(factory.createAccept(effect.txnid, this.#fid));
        return;
      case "commit":
        handler.commit(effect.upTo, this.#held);
        this.#held.releaseBefore(effect.upTo);
        return;
      case "ready":
        this.#deps.onReady();
        return;
      case "deliver":
        this.#deliver(effect.message);
        return;
      default:
        assertNever(effect, "effect");
    }
  }

  #deliver(message: PeerMsg): void {
    const { handler } = this.#deps;
    if (isAnswer(message) && message.fid !== this.#fid) {
      if (this.#deps.onForeignAnswer?.(message) === true) return;
      // Of the leader's routing, not of this node's bookkeeping: it costs the pipe.
      throw new QuorateError("ERR_PROTOCOL_ORDER", `an answer to node ${message.fid}`);
    }
    if (message.kind === "abort") {
      if (isPlaced(message)) this.#held.add(message);
      else handler.abort(message.fid, message.reqId, message.code, message.error, message.at);
    } else if (message.kind === "refusalsProven") {
      this.#held.proven(message.reqId, this.#machine.commitMark);
    } else if (message.kind === "response") {
      handler.respond(message.fid, message.reqId, message.error, message.content);
    } else if (message.kind === "readIndexReply") {
      const done = this.#reads.get(message.readId);
      this.#reads.delete(message.readId);
      done?.(message.txnid);
    }
  }
}

function isAnswer(message: PeerMsg): message is AnswerMsg {
  const { kind } = message;
  return kind === "abort" || kind === "response" || kind === "refusalsProven";
}

function ended(): QuorateError {
  return new QuorateError("ERR_SERVER_NOT_READY", "the leader is lost", { retryable: true });
}
