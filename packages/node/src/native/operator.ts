import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { isOperatorOpCode, QuorateError } from "@quorate/protocol";
import {
  decodeOperate,
  OPERATOR_NONCE_BYTES,
  operatorTranscript,
  type NativeRequest,
} from "@quorate/codec";
import { isZnodeRead } from "@quorate/znode";
import { isLoopback } from "../config/address.js";

/** What a connection's rights rest on, besides its address. */
export interface OperatorRule {
  readonly secret: string | null;
  /** The client's certificate is the superuser's. */
  readonly isSuper: boolean;
}

/**
 * One connection's way to prove that the ensemble's operator is at its other end: by the secret
 * that the nodes share, or by the superuser's certificate. A node without a secret is reachable
 * from its own machine only, as its peers are; then whoever is there is the operator.
 */
export class Operator {
  readonly #secret: string | null;
  readonly #isSuper: boolean;
  readonly #isLocal: boolean;
  #nonce: Uint8Array | null = null;

  constructor({ secret, isSuper }: OperatorRule, remoteAddress: string) {
    this.#secret = secret;
    this.#isSuper = isSuper;
    this.#isLocal = isLoopback(remoteAddress);
  }

  /** The same for as long as the connection lives. */
  challenge(): Uint8Array {
    this.#nonce ??= randomBytes(OPERATOR_NONCE_BYTES);
    return this.#nonce;
  }

  /** What is to be done in the operator's name, or why it is not. */
  open(request: NativeRequest): NativeRequest | QuorateError {
    const asked = decodeOperate(request.content);
    if (asked === null)
      return new QuorateError("ERR_PROTOCOL_DECODE", "malformed content: operate");
    const { op, content, proof } = asked;
    if (!isOperatorOpCode(op) && !isZnodeRead(op)) {
      return new QuorateError("ERR_SERVER_UNSUPPORTED", `operation ${op} is not an operator's`);
    }
    const inner = { ...request, op, content };
    return this.#isProved(inner, proof) ? inner : operatorOnly();
  }

  #isProved({ op, key, content }: NativeRequest, proof: Uint8Array): boolean {
    if (this.#isSuper) return true;
    if (this.#secret === null) return this.#isLocal;
    if (this.#nonce === null) return false;
    const wanted = createHmac("sha256", this.#secret)
      .update(operatorTranscript(this.#nonce, { op, key, content }))
      .digest();
    return proof.length === wanted.length && timingSafeEqual(proof, wanted);
  }
}

export function operatorOnly(): QuorateError {
  return new QuorateError(
    "ERR_SERVER_OPERATOR_ONLY",
    "only the ensemble's operator may: prove it with the secret, or ask from the node's machine",
  );
}
