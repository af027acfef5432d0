import {
  fidOf,
  type QuorateError,
  type AbortMsg,
  type ActionHandler,
  type AnswerMsg,
  type MsgFactory,
  type NodeId,
  type ResponseMsg,
  type Txnid,
} from "@quorate/protocol";
import { HeldRefusals } from "./held-refusals.js";
import type { PeerList } from "./peer-list.js";
import { RefusalProofs } from "./refusal-proofs.js";

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
  readonly #proofs: RefusalProofs;
  /** Of this node's own clients. */
  readonly held: HeldRefusals;
  #announcedMark: Txnid;

  constructor(self: NodeId, announcedMark: Txnid, deps: AnswersDeps) {
    this.#fid = fidOf(self);
    this.#deps = deps;
    this.#announcedMark = announcedMark;
    this.held = new HeldRefusals(deps.handler);
    this.#proofs = new RefusalProofs({
      ...deps,
      tell: (fid, reqId) => {
        if (fid === this.#fid) this.held.proven(reqId, this.#announcedMark);
        else this.#sendAway({ kind: "refusalsProven", fid, reqId });
      },
    });
  }

  /** No refusal waits for a proof that is not another's commit. */
  get isEmpty(): boolean {
    return this.#proofs.isEmpty;
  }

  /** To a request that is not logged. */
  answer(fid: string, reqId: bigint, content: Uint8Array): void {
    this.send(this.#deps.factory.createResponse(fid, reqId, "", content));
  }

  /** At once. */
  refuse(fid: string, reqId: bigint, error: QuorateError): void {
    this.send(this.#abort(fid, reqId, error));
  }

  /**
   * A refusal tells its client something about the state, so it must be as true as a read: the
   * transactions that it was judged against are committed, and a quorum followed this leader after
   * the request. (ZooKeeper sends an error transaction through the quorum for the same reason.) It
   * leaves now, before whatever is proposed next, and is held where it was asked for until its
   * place behind `after`. Places never go back.
   */
  refuseInOrder(fid: string, reqId: bigint, error: QuorateError, after: Txnid): void {
    const refusal = { ...this.#abort(fid, reqId, error, after), after };
    this.#proofs.refused(fid, reqId, after);
    if (fid === this.#fid) this.held.add(refusal);
    else this.#sendAway(refusal);
    this.#deps.onChange();
  }

  /** Commits here, each refusal of this node's in its place. */
  commit(mark: Txnid): void {
    this.#deps.handler.commit(mark, this.held);
    this.held.releaseBefore(mark);
  }

  /** Once all that waited is proposed: has proven what no proposal follows. */
  prove(lastProposed: Txnid): void {
    this.#proofs.prove(lastProposed);
  }

  /** Tells of refusals that rest on nothing above the mark, which was announced before. */
  deliver(announcedMark: Txnid): void {
    this.#announcedMark = announcedMark;
    this.#proofs.deliver(announcedMark);
  }

  send(answer: AbortMsg | ResponseMsg): void {
    const { fid, reqId, error } = answer;
    const { handler } = this.#deps;
    if (fid !== this.#fid) {
      this.#sendAway(answer);
    } else if (answer.kind === "abort") {
      handler.abort(fid, reqId, answer.code, error, answer.at);
    } else {
      handler.respond(fid, reqId, error, answer.content);
    }
    this.#deps.onChange();
  }

  #abort(fid: string, reqId: bigint, error: QuorateError, after?: Txnid): AbortMsg {
    const { code, message, details } = error;
    const at = typeof details["at"] === "number" ? details["at"] : -1;
    return this.#deps.factory.createAbort(fid, reqId, code, message, at, after);
  }

  #sendAway(answer: AnswerMsg): void {
    for (const pipe of this.#deps.peers.towards(answer.fid)) pipe.send(answer);
  }
}
