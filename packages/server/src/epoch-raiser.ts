import type { Leader } from "@quorate/broadcast";
import {
  EPOCH_FLOOR_JUMP_MAX,
  EPOCH_FLOOR_MAX,
  QuorateError,
  type Epoch,
  type Logger,
  type RequestMsg,
} from "@quorate/protocol";

/** u32 floor | u8 flags (1: however far it is). */
export const RAISE_EPOCH_BYTES = 5;
const FLAG_FORCE = 1;

export interface EpochRaiserDeps {
  readonly epoch: Epoch;
  readonly logger: Logger;
  /** The term is to end, and the next epoch of this leader to be above the floor. */
  onRaise(floor: number): void;
}

/**
 * Takes raiseEpoch. The answer is the present epoch; when that is not above the floor, the term
 * ends once what was begun is finished, as if a voter had promised the floor already. Another
 * leader may come next, which knows nothing of it: whoever needs it asks until the answer is above.
 *
 * Invariant 1: nothing but the way of drawing a greater epoch, which takes a quorum as ever.
 */
export class EpochRaiser {
  readonly #deps: EpochRaiserDeps;

  constructor(deps: EpochRaiserDeps) {
    this.#deps = deps;
  }

  take(answers: Leader["answers"], fid: string, { reqId, content }: RequestMsg): void {
    const { epoch, logger } = this.#deps;
    const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
    const refuse = (code: "ERR_ARG_VALUE" | "ERR_ARG_EPOCH", message: string): void =>
      answers.refuse(fid, reqId, new QuorateError(code, message));
    if (content.length !== RAISE_EPOCH_BYTES) {
      refuse("ERR_ARG_VALUE", "malformed content: raiseEpoch");
      return;
    }
    const floor = view.getUint32(0);
    const isForced = view.getUint8(4) === FLAG_FORCE;
    if (floor > EPOCH_FLOOR_MAX) {
      refuse("ERR_ARG_EPOCH", `no epoch is raised above ${EPOCH_FLOOR_MAX}: none would be left`);
      return;
    }
    if (floor - epoch > EPOCH_FLOOR_JUMP_MAX && !isForced) {
      const message = `${floor} is more than ${EPOCH_FLOOR_JUMP_MAX} epochs above ${epoch}`;
      refuse("ERR_ARG_EPOCH", `${message}; epochs never go back, so this has to be forced`);
      return;
    }
    const answer = new Uint8Array(4);
    new DataView(answer.buffer).setUint32(0, epoch);
    answers.answer(fid, reqId, answer);
    if (floor < epoch) return;
    logger.warn("the term ends: the next epoch is to be above a floor", { epoch, floor });
    this.#deps.onRaise(floor);
  }
}
