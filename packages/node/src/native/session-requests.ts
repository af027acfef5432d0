import { QuorateError, TXNID_ZERO, type Txnid } from "@quorate/protocol";
import {
  decodeRewatch,
  decodeSessionOpening,
  decodeUnwatch,
  decodeWatch,
  encodeOpenedSession,
  encodeWatched,
  NATIVE_OP_AUTH,
  NATIVE_OP_REWATCH,
  NATIVE_OP_SESSION,
  NATIVE_OP_SESSION_END,
  NATIVE_OP_UNWATCH,
  NATIVE_OP_WATCH,
  type NativeReply,
  type NativeRequest,
} from "@quorate/codec";
import type { Member } from "./member.js";
import type { ServiceDesk } from "./service-desk.js";

const NO_CONTENT = new Uint8Array(0);

export interface SessionRequestsDeps {
  readonly member: Member;
  readonly desk: ServiceDesk;
  reply(reply: NativeReply): void;
  /** Nothing more is taken on until it is called with false. */
  hold(isHeld: boolean): void;
}

export function isSessionRequest(op: number): boolean {
  return op >= NATIVE_OP_SESSION && op <= NATIVE_OP_REWATCH;
}

/** Whether it has its turn behind the writes that were asked for before it, as a read. */
export function isInTurn(op: number): boolean {
  return op === NATIVE_OP_WATCH || op === NATIVE_OP_UNWATCH;
}

/** Carries out what a connection asks about its session, its identities and its watches. */
export class SessionRequests {
  readonly #deps: SessionRequestsDeps;

  constructor(deps: SessionRequestsDeps) {
    this.#deps = deps;
  }

  take(request: NativeRequest): void {
    const { id } = request;
    try {
      this.#carryOut(request);
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error;
      this.#deps.reply({ id, ok: false, error });
    }
  }

  #carryOut({ id, op, key, content }: NativeRequest): void {
    const { member, desk } = this.#deps;
    switch (op) {
      case NATIVE_OP_SESSION:
        this.#open(id, content);
        return;
      case NATIVE_OP_SESSION_END:
        this.#end(id);
        return;
      case NATIVE_OP_AUTH:
        member.authenticate(key, content);
        this.#done(id, TXNID_ZERO, NO_CONTENT);
        return;
      case NATIVE_OP_WATCH: {
        const isThere = member.watch(key, decodeWatch(content));
        this.#done(id, desk.newest, encodeWatched(isThere));
        return;
      }
      case NATIVE_OP_UNWATCH: {
        const { type, checkOnly } = decodeUnwatch(content);
        member.unwatch(key, type, checkOnly);
        this.#done(id, TXNID_ZERO, NO_CONTENT);
        return;
      }
      default: {
        const { seen, watches } = decodeRewatch(content);
        member.rewatch(seen, watches);
        this.#done(id, desk.newest, NO_CONTENT);
        // Many of them may have come at once, and others wait for the event loop.
        this.#deps.hold(true);
        desk.clock.defer(() => this.#deps.hold(false));
      }
    }
  }

  #open(id: number, content: Uint8Array): void {
    const opening = decodeSessionOpening(content);
    const own =
      opening.kind === "new" ? opening : { ...opening, password: opening.password.slice() };
    this.#holding((finish) => {
      this.#deps.member.open(own, (result) => {
        finish(() => {
          if (result instanceof QuorateError) this.#deps.reply({ id, ok: false, error: result });
          else this.#done(id, this.#deps.desk.newest, encodeOpenedSession(result));
        });
      });
    });
  }

  #end(id: number): void {
    this.#holding((finish) => {
      this.#deps.member.end((result) => {
        finish(() => {
          if (result instanceof QuorateError) this.#deps.reply({ id, ok: false, error: result });
          else this.#done(id, result, NO_CONTENT);
        });
      });
    });
  }

  /** Nothing more is taken on until it finishes, as it does by a defect, too. Answers once. */
  #holding(start: (finish: (answer: () => void) => void) => void): void {
    let isFinished = false;
    const finish = (answer: () => void): void => {
      if (isFinished) return;
      isFinished = true;
      try {
        answer();
      } finally {
        this.#deps.hold(false);
      }
    };
    this.#deps.hold(true);
    try {
      start(finish);
    } catch (error) {
      finish(() => undefined);
      throw error;
    }
  }

  #done(id: number, txnid: Txnid, content: Uint8Array): void {
    this.#deps.reply({ id, ok: true, txnid, content });
  }
}
