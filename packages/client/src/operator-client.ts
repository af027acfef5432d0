import { createHmac } from "node:crypto";
import { errorCodeOf } from "@quorate/protocol";
import {
  encodeOperate,
  NATIVE_OP_CHALLENGE,
  NATIVE_OP_OPERATE,
  operatorTranscript,
} from "@quorate/codec";
import { realAmbient } from "./ambient.js";
import type { Answer } from "./call.js";
import { REQUEST_TIMEOUT_MS } from "./limits.js";
import { nodeSockets } from "./node-client.js";
import { Session } from "./session.js";

export interface OperatorOptions {
  /** `host:port` of the request ports of any nodes of one ensemble. */
  readonly servers: readonly string[];
  /** The ensemble's; null when it has none. */
  readonly secret: string | null;
  /** For one call, waiting for a connection included. Default 5000. */
  readonly timeoutMs?: number;
}

export interface OperatorCall {
  readonly op: number;
  readonly key: string;
  readonly content: Uint8Array;
  readonly isWrite: boolean;
}

const NOTHING = new Uint8Array(0);

/**
 * Asks in the name of the ensemble's operator, whom no ACL holds back: it knows the secret, or runs
 * on the machine of a node without one. Answers and refusals are those of a client.
 */
export class OperatorClient {
  readonly #session: Session;
  readonly #secret: string | null;
  readonly #timeoutMs: number;
  /** Of the connection that there was last. */
  #nonce: Promise<Uint8Array> | null = null;

  constructor({ servers, secret, timeoutMs = REQUEST_TIMEOUT_MS }: OperatorOptions) {
    this.#session = new Session(servers, nodeSockets(), realAmbient);
    this.#secret = secret;
    this.#timeoutMs = timeoutMs;
  }

  /** @throws (rejects) as a client's calls do; ERR_SERVER_OPERATOR_ONLY. */
  async call(call: OperatorCall): Promise<Answer> {
    if (this.#secret === null) return this.#operate(call, NOTHING);
    const nonce = (this.#nonce ??= this.#challenge());
    try {
      return await this.#operate(call, proofOf(this.#secret, await nonce, call));
    } catch (error) {
      if (errorCodeOf(error) !== "ERR_SERVER_OPERATOR_ONLY") throw error;
    }
    // The connection may be another than the one that the nonce was of.
    if (this.#nonce === nonce) this.#nonce = this.#challenge();
    const fresh = await (this.#nonce ?? this.#challenge());
    return this.#operate(call, proofOf(this.#secret, fresh, call));
  }

  close(): void {
    this.#session.close();
  }

  #operate({ op, key, content, isWrite }: OperatorCall, proof: Uint8Array): Promise<Answer> {
    return this.#session.call(NATIVE_OP_OPERATE, key, encodeOperate({ op, proof, content }), {
      isWrite,
      linearizable: !isWrite,
      timeoutMs: this.#timeoutMs,
      signal: undefined,
    });
  }

  async #challenge(): Promise<Uint8Array> {
    try {
      const { content } = await this.#session.call(NATIVE_OP_CHALLENGE, "", NOTHING, {
        isWrite: false,
        linearizable: false,
        timeoutMs: this.#timeoutMs,
        signal: undefined,
      });
      return content;
    } catch (error) {
      this.#nonce = null;
      throw error;
    }
  }
}

function proofOf(secret: string, nonce: Uint8Array, call: OperatorCall): Uint8Array {
  return createHmac("sha256", secret).update(operatorTranscript(nonce, call)).digest();
}
