import {
  assertNever,
  CLUSTER_NAME_BYTES_MAX,
  type ErrorCode,
  type NodeId,
} from "@quorate/protocol";
import {
  decoding,
  malformed,
  readBoolean,
  readBytes,
  readErrorCode,
  readErrorText,
  readNodeId,
  readText,
  readUint,
  writeErrorText,
} from "./fields.js";
import { pack, unpackBody } from "./packing.js";
import { HANDSHAKE_BYTES_MAX, NONCE_BYTES, PROOF_BYTES } from "./wire-limits.js";

export type HandshakeRole = "voter" | "watcher";

/** Dialler → listener, first: who calls, and whom it believes it calls. */
export interface HelloMsg {
  readonly kind: "hello";
  readonly cluster: string;
  readonly sender: NodeId;
  readonly target: NodeId;
  readonly role: HandshakeRole;
  readonly nonce: Uint8Array;
}

/** Listener → dialler: prove that you know the secret, if there is one. */
export interface ChallengeMsg {
  readonly kind: "challenge";
  readonly cluster: string;
  readonly sender: NodeId;
  readonly nonce: Uint8Array;
  readonly secured: boolean;
}

/** Dialler → listener: the proof; empty without a secret. */
export interface ProofMsg {
  readonly kind: "proof";
  readonly proof: Uint8Array;
}

/** Listener → dialler, last: accepted, with the listener's own proof. Peer frames follow. */
export interface WelcomeMsg {
  readonly kind: "welcome";
  readonly proof: Uint8Array;
}

/** Either way, instead of any of the above and before closing: why. */
export interface RefusalMsg {
  readonly kind: "refusal";
  readonly code: ErrorCode;
  readonly reason: string;
}

export type HandshakeMsg = HelloMsg | ChallengeMsg | ProofMsg | WelcomeMsg | RefusalMsg;

/** Numbers of their own, apart from those of peer messages. */
const HELLO = 101;
const CHALLENGE = 102;
const PROOF = 103;
const WELCOME = 104;
const REFUSAL = 105;
const roles: readonly HandshakeRole[] = ["voter", "watcher"];

export function encodeHandshake(message: HandshakeMsg): Uint8Array {
  return pack(toFields(message));
}

/** @throws ERR_PROTOCOL_VERSION for another version's frame, else ERR_PROTOCOL_DECODE. */
export function decodeHandshake(bytes: Uint8Array): HandshakeMsg {
  if (bytes.length > HANDSHAKE_BYTES_MAX) throw malformed("handshake length");
  return decoding("handshake", () => fromFields(unpackBody(bytes)));
}

function toFields(m: HandshakeMsg): readonly unknown[] {
  switch (m.kind) {
    case "hello":
      return [HELLO, m.cluster, m.sender, m.target, roles.indexOf(m.role), m.nonce];
    case "challenge":
      return [CHALLENGE, m.cluster, m.sender, m.nonce, m.secured];
    case "proof":
      return [PROOF, m.proof];
    case "welcome":
      return [WELCOME, m.proof];
    case "refusal":
      return [REFUSAL, m.code, writeErrorText(m.reason).slice(0, 200)];
    default:
      return assertNever(m, "handshake message");
  }
}

const arities: Readonly<Record<number, number>> = {
  [HELLO]: 6,
  [CHALLENGE]: 5,
  [PROOF]: 2,
  [WELCOME]: 2,
  [REFUSAL]: 3,
};

function fromFields(f: readonly unknown[]): HandshakeMsg {
  const number = readUint(f[0], REFUSAL, "handshake kind");
  if (f.length !== arities[number]) throw malformed("handshake arity");
  switch (number) {
    case HELLO:
      return {
        kind: "hello",
        cluster: readCluster(f[1]),
        sender: readNodeId(f[2]),
        target: readNodeId(f[3]),
        role: roles[readUint(f[4], 1, "role")] ?? "voter",
        nonce: readNonce(f[5]),
      };
    case CHALLENGE:
      return {
        kind: "challenge",
        cluster: readCluster(f[1]),
        sender: readNodeId(f[2]),
        nonce: readNonce(f[3]),
        secured: readBoolean(f[4], "secured"),
      };
    case PROOF:
      return { kind: "proof", proof: readProof(f[1]) };
    case WELCOME:
      return { kind: "welcome", proof: readProof(f[1]) };
    default:
      return { kind: "refusal", code: readErrorCode(f[1]), reason: readErrorText(f[2]) };
  }
}

function readCluster(value: unknown): string {
  return readText(value, CLUSTER_NAME_BYTES_MAX, "cluster");
}

function readNonce(value: unknown): Uint8Array {
  const nonce = readBytes(value, NONCE_BYTES, "nonce");
  if (nonce.length !== NONCE_BYTES) throw malformed("nonce");
  return nonce;
}

function readProof(value: unknown): Uint8Array {
  const proof = readBytes(value, PROOF_BYTES, "proof");
  if (proof.length !== 0 && proof.length !== PROOF_BYTES) throw malformed("proof");
  return proof;
}
