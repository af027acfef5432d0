import { createHmac } from "node:crypto";
import { errorCodeOf, QuorateError } from "@quorate/protocol";
import {
  encodeOperate,
  NATIVE_OP_CHALLENGE,
  NATIVE_OP_OPERATE,
  operatorTranscript,
} from "@quorate/codec";
import { realAmbient } from "./ambient.js";
import type { Answer } from "./call.js";
import { Carrier } from "./carrier.js";
import { checkServers } from "./check-options.js";
import { REQUEST_TIMEOUT_MS } from "./limits.js";
import { nodeSockets } from "./node-client.js";
import { Standing } from "./standing.js";

export { checkServers };

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
  readonly #carrier: Carrier;
  readonly #secret: string | null;
  readonly #timeoutMs: number;
  /** Of the connection that there was last. */
  #nonce: Promise<Uint8Array> | null = null;

  /** @throws ERR_ARG_VALUE on an empty or unreadable server list. */
  constructor({ servers, secret, timeoutMs = REQUEST_TIMEOUT_MS }: OperatorOptions) {
    checkServers(servers);
    this.#carrier = new Carrier(servers, nodeSockets(), realAmbient, new Standing(null), {
      onConnected: () => undefined,
      onSuspended: () => undefined,
      onLost: () => undefined,
    });
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
    this.#carrier.end(new QuorateError("ERR_CLIENT_CLOSED", "the client was closed"));
  }

  #operate({ op, key, content, isWrite }: OperatorCall, proof: Uint8Array): Promise<Answer> {
    const request = { op: NATIVE_OP_OPERATE, key, content: encodeOperate({ op, proof, content }) };
    return this.#carrier.call(request, {
      isWrite,
      linearizable: !isWrite,
      timeoutMs: this.#timeoutMs,
      signal: undefined,
    });
  }

  async #challenge(): Promise<Uint8Array> {
    try {
      const request = { op: NATIVE_OP_CHALLENGE, key: "", content: NOTHING };
      const { content } = await this.#carrier.call(request, {
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
