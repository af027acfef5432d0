import {
  fidOf,
  type QuorateError,
  type AbortMsg,
  type ActionHandler,
  type MsgFactory,
  type NodeId,
  type ResponseMsg,
  type Txnid,
} from "@quorate/protocol";
import type { PeerList } from "./peer-list.js";
import { RefusalQueue } from "./refusal-queue.js";

export interface AnswersDeps {
  readonly handler: ActionHandler;
  readonly factory: MsgFactory;
  readonly peers: PeerList;
  readIndex(done: (mark: Txnid | QuorateError) => void): void;
  /** Something was answered, or may be at the end of this turn. */
  onChange(): void;
}

/** What the leader tells those that asked, on this node and on others, beside commits. */
export class Answers {
  readonly #fid: string;
  readonly #deps: AnswersDeps;
  readonly #refusals = new RefusalQueue();

  constructor(self: NodeId, deps: AnswersDeps) {
    this.#fid = fidOf(self);
    this.#deps = deps;
  }

  /** No refusal waits. */
  get isEmpty(): boolean {
    return this.#refusals.isEmpty;
  }

  /** To a request that is not logged. */
  answer(fid: string, reqId: bigint, content: Uint8Array): void {
    this.send(this.#deps.factory.createResponse(fid, reqId, "", content));
  }

  /** At once. */
  refuse(fid: string, reqId: bigint, error: QuorateError): void {
    const { code, message, details } = error;
    const at = typeof details["at"] === "number" ? details["at"] : -1;
    this.send(this.#deps.factory.createAbort(fid, reqId, code, message, at));
  }

  /**
   * A refusal tells its client something about the state, so it must be as true as a read: the
   * transactions that it was judged against are committed, and a round sent after the request
   * proved that this leader still led. (ZooKeeper sends an error transaction through the quorum
   * for the same reason.)
   */
  refuseInOrder(fid: string, reqId: bigint, error: QuorateError, judgedAt: Txnid): void {
    this.#deps.readIndex((proof) => {
      if (typeof proof !== "bigint") {
        this.refuse(fid, reqId, proof);
        return;
      }
      this.#refusals.add({
        judgedAt,
        deliver: () => {
          this.refuse(fid, reqId, error);
        },
        giveUp: (reason) => {
          this.refuse(fid, reqId, reason);
        },
      });
      this.#deps.onChange();
    });
  }

  /** Refusals that rest on nothing above the mark, which was announced before. */
  deliver(announcedMark: Txnid): void {
    this.#refusals.deliver(announcedMark);
  }

  /** The role ends: these drew no txnid and left no trace, they are refused and not unknown. */
  giveUp(error: QuorateError): void {
    this.#refusals.giveUp(error);
  }

  send(answer: AbortMsg | ResponseMsg): void {
    const { fid, reqId, error } = answer;
    const { handler, peers } = this.#deps;
    if (fid !== this.#fid) {
      for (const pipe of peers.towards(fid)) pipe.send(answer);
    } else if (answer.kind === "abort") {
      handler.abort(fid, reqId, answer.code, error, answer.at);
    } else {
      handler.respond(fid, reqId, error, answer.content);
    }
    this.#deps.onChange();
  }
}
