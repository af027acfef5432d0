import { decodeHandshake, encodeHandshake, type HandshakeRole } from "@quorate/codec";
import { QuorateError, type ErrorCode, type NodeId } from "@quorate/protocol";
import { handshakeProof, isSameProof, makeNonce } from "./authentication.js";

/** What a step of the handshake asks for: bytes to send, then whether it is over. */
export interface HandshakeStep {
  readonly send: Uint8Array | null;
  /** Set when both sides have accepted each other. */
  readonly peer: NodeId | null;
  /** Set when it failed: the connection ends after `send`. */
  readonly error: QuorateError | null;
}

export interface HandshakeIdentity {
  readonly nodeId: NodeId;
  readonly cluster: string;
  readonly secret?: string | undefined;
}

/** Whom a listener lets in. */
export interface Admission {
  readonly voters: ReadonlySet<NodeId>;
  /** Nodes outside of `voters` may come as watchers. */
  readonly allowsWatchers: boolean;
}

/** The codes that a refusal may carry; any other becomes ERR_PROTOCOL_HANDSHAKE. */
const refusalCodes: ReadonlySet<ErrorCode> = new Set([
  "ERR_PROTOCOL_CLUSTER",
  "ERR_PROTOCOL_VERSION",
  "ERR_PROTOCOL_SECRET",
  "ERR_PROTOCOL_UNKNOWN_NODE",
  "ERR_PROTOCOL_OVERFLOW",
  "ERR_PROTOCOL_DECODE",
  "ERR_SERVER_DUPLICATE_ID",
  "ERR_SERVER_CLOSED",
]);

const refused = (code: ErrorCode, reason: string): QuorateError => new QuorateError(code, reason);

function sendOnly(send: Uint8Array): HandshakeStep {
  return { send, peer: null, error: null };
}

/** Ends with the reason, told to the other side first so that it fails with the same code. */
export function refuseWith(error: QuorateError): HandshakeStep {
  const refusal = { kind: "refusal", code: error.code, reason: error.message } as const;
  return { send: encodeHandshake(refusal), peer: null, error };
}

function refusedByPeer(code: ErrorCode, reason: string): HandshakeStep {
  const known = refusalCodes.has(code) ? code : "ERR_PROTOCOL_HANDSHAKE";
  return {
    send: null,
    peer: null,
    error: new QuorateError(known, `the peer refused: ${reason}`, { details: { code } }),
  };
}

function guarded(step: () => HandshakeStep): HandshakeStep {
  try {
    return step();
  } catch (error) {
    if (error instanceof QuorateError) return refuseWith(error);
    throw error;
  }
}

/**
 * The side that answers: hello → challenge → proof → welcome. The dialler proves itself first, so
 * that a stranger learns nothing that he could test guesses of the secret against.
 */
export class ListenerHandshake {
  readonly #own: HandshakeIdentity;
  readonly #admission: Admission;
  #hello: Uint8Array | null = null;
  #challenge: Uint8Array | null = null;
  #peer: NodeId | null = null;

  constructor(own: HandshakeIdentity, admission: Admission) {
    this.#own = own;
    this.#admission = admission;
  }

  receive(bytes: Uint8Array): HandshakeStep {
    return guarded(() => {
      const message = decodeHandshake(bytes);
      if (message.kind === "refusal") return refusedByPeer(message.code, message.reason);
      if (message.kind === "hello" && this.#hello === null) {
        this.#admit(message);
        this.#hello = bytes;
        this.#peer = message.sender;
        this.#challenge = encodeHandshake({
          kind: "challenge",
          cluster: this.#own.cluster,
          sender: this.#own.nodeId,
          nonce: makeNonce(),
          secured: this.#own.secret !== undefined,
        });
        return sendOnly(this.#challenge);
      }
      if (message.kind === "proof" && this.#hello !== null && this.#challenge !== null) {
        return this.#welcome(message.proof, { hello: this.#hello, challenge: this.#challenge });
      }
      throw refused("ERR_PROTOCOL_HANDSHAKE", `unexpected ${message.kind}`);
    });
  }

  #admit(hello: {
    readonly cluster: string;
    readonly sender: NodeId;
    readonly target: NodeId;
    readonly role: HandshakeRole;
  }): void {
    const { nodeId, cluster } = this.#own;
    if (hello.cluster !== cluster) {
      throw refused("ERR_PROTOCOL_CLUSTER", `node ${nodeId} belongs to another cluster`);
    }
    if (hello.sender === nodeId) {
      throw refused("ERR_SERVER_DUPLICATE_ID", `node id ${nodeId} is taken by the node called`);
    }
    if (hello.target !== nodeId) {
      throw refused(
        "ERR_PROTOCOL_HANDSHAKE",
        `node ${hello.target} was called, node ${nodeId} answers`,
      );
    }
    const { voters, allowsWatchers } = this.#admission;
    const isVoter = voters.has(hello.sender);
    // A watcher under a voter's id is a configuration that two nodes read differently.
    const isAdmitted = hello.role === "voter" ? isVoter : allowsWatchers && !isVoter;
    if (!isAdmitted) {
      throw refused(
        "ERR_PROTOCOL_UNKNOWN_NODE",
        `node ${nodeId} does not know node ${hello.sender} as a ${hello.role}`,
      );
    }
  }

  #welcome(
    proof: Uint8Array,
    transcript: { readonly hello: Uint8Array; readonly challenge: Uint8Array },
  ): HandshakeStep {
    const { secret } = this.#own;
    if (!isSameProof(proof, handshakeProof("dialler", secret, transcript))) {
      throw refused("ERR_PROTOCOL_SECRET", "the dialler's secret is wrong or missing");
    }
    const own = handshakeProof("listener", secret, transcript);
    const send = encodeHandshake({ kind: "welcome", proof: own });
    return { send, peer: this.#peer, error: null };
  }
}

/** The side that calls. */
export class DiallerHandshake {
  readonly #own: HandshakeIdentity;
  readonly #target: NodeId;
  readonly #hello: Uint8Array;
  #challenge: Uint8Array | null = null;

  constructor(own: HandshakeIdentity, target: NodeId, role: HandshakeRole) {
    this.#own = own;
    this.#target = target;
    this.#hello = encodeHandshake({
      kind: "hello",
      cluster: own.cluster,
      sender: own.nodeId,
      target,
      role,
      nonce: makeNonce(),
    });
  }

  start(): HandshakeStep {
    return sendOnly(this.#hello);
  }

  receive(bytes: Uint8Array): HandshakeStep {
    return guarded(() => {
      const message = decodeHandshake(bytes);
      if (message.kind === "refusal") return refusedByPeer(message.code, message.reason);
      if (message.kind === "challenge" && this.#challenge === null) {
        this.#checkChallenge(message);
        this.#challenge = bytes;
        const transcript = { hello: this.#hello, challenge: bytes };
        const proof = handshakeProof("dialler", this.#own.secret, transcript);
        return sendOnly(encodeHandshake({ kind: "proof", proof }));
      }
      if (message.kind === "welcome" && this.#challenge !== null) {
        const transcript = { hello: this.#hello, challenge: this.#challenge };
        const expected = handshakeProof("listener", this.#own.secret, transcript);
        if (!isSameProof(message.proof, expected)) {
          throw refused("ERR_PROTOCOL_SECRET", "the listener's secret is wrong or missing");
        }
        return { send: null, peer: this.#target, error: null };
      }
      throw refused("ERR_PROTOCOL_HANDSHAKE", `unexpected ${message.kind}`);
    });
  }

  #checkChallenge(challenge: {
    readonly cluster: string;
    readonly sender: NodeId;
    readonly secured: boolean;
  }): void {
    const { cluster, nodeId, secret } = this.#own;
    if (challenge.cluster !== cluster) {
      throw refused("ERR_PROTOCOL_CLUSTER", "the node called belongs to another cluster");
    }
    if (challenge.sender === nodeId) {
      throw refused("ERR_SERVER_DUPLICATE_ID", `the node called has this node's id ${nodeId}`);
    }
    if (challenge.sender !== this.#target) {
      throw refused(
        "ERR_PROTOCOL_HANDSHAKE",
        `node ${this.#target} was called, node ${challenge.sender} answers`,
      );
    }
    if (challenge.secured !== (secret !== undefined)) {
      throw refused("ERR_PROTOCOL_SECRET", "only one of the two nodes has a secret");
    }
  }
}
