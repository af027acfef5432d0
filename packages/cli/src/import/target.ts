import { setTimeout as sleep } from "node:timers/promises";
import { OperatorClient, type OperatorOptions } from "@quorate/client/operator";
import { errorCodeOf, OpCode, QuorateError, type ErrorCode } from "@quorate/protocol";
import {
  decodeAclResult,
  decodeGetResult,
  encodeImport,
  type AclResult,
  type GetResult,
} from "@quorate/znode";
import { EPOCH_MS_MAX, TARGET_BUSY_MS_MAX, TARGET_RETRY_MS } from "./limits.js";

const NOTHING = new Uint8Array(0);

/** After these the same may be asked again: an import that is sent twice is the same import. */
const PASSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "ERR_SERVER_BUSY",
  "ERR_SERVER_NOT_READY",
  "ERR_SERVER_NOT_LEADING",
  "ERR_SERVER_CLOSED",
  "ERR_CLIENT_OUTCOME_UNKNOWN",
  "ERR_CLIENT_TIMEOUT",
  "ERR_CLIENT_UNREACHABLE",
]);

/** The ensemble that takes the nodes on, as its operator asks it. */
export class Target {
  readonly #client: OperatorClient;

  constructor(options: OperatorOptions) {
    this.#client = new OperatorClient(options);
  }

  /** Null when there is no such node. */
  async get(path: string): Promise<(GetResult & AclResult) | null> {
    try {
      const [got, acl] = await Promise.all([
        this.#call(OpCode.get, path, NOTHING, false),
        this.#call(OpCode.getAcl, path, NOTHING, false),
      ]);
      return { ...decodeAclResult(acl), ...decodeGetResult(got) };
    } catch (error) {
      if (errorCodeOf(error) === "ERR_ZNODE_NO_NODE") return null;
      throw error;
    }
  }

  /** Gives how many were not there before, as far as the answers came. */
  async import(packed: readonly Uint8Array[]): Promise<number> {
    const answer = await this.#call(OpCode.importNodes, "", encodeImport(packed), true);
    return new DataView(answer.buffer, answer.byteOffset).getUint32(0);
  }

  /**
   * Asks until the ensemble's epoch is above the floor, whoever leads. Gives the epoch.
   * @throws (rejects) ERR_ARG_EPOCH for one that is too far ahead; ERR_CLIENT_TIMEOUT.
   */
  async raiseEpoch(floor: number, isForced: boolean): Promise<number> {
    const content = new Uint8Array(5);
    new DataView(content.buffer).setUint32(0, floor);
    content[4] = isForced ? 1 : 0;
    const deadline = Date.now() + EPOCH_MS_MAX;
    for (;;) {
      const answer = await this.#call(OpCode.raiseEpoch, "", content, true);
      const epoch = new DataView(answer.buffer, answer.byteOffset).getUint32(0);
      if (epoch > floor) return epoch;
      if (Date.now() > deadline) {
        const message = `the epoch of the ensemble did not rise above ${floor}`;
        throw new QuorateError("ERR_CLIENT_TIMEOUT", message);
      }
      await sleep(TARGET_RETRY_MS);
    }
  }

  close(): void {
    this.#client.close();
  }

  async #call(op: number, key: string, content: Uint8Array, isWrite: boolean): Promise<Uint8Array> {
    const deadline = Date.now() + TARGET_BUSY_MS_MAX;
    for (;;) {
      try {
        return (await this.#client.call({ op, key, content, isWrite })).content;
      } catch (error) {
        const code = errorCodeOf(error);
        if (code === undefined || !PASSING.has(code) || Date.now() > deadline) throw error;
      }
      await sleep(TARGET_RETRY_MS);
    }
  }
}
