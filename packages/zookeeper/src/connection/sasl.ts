import type { Random } from "@quorate/protocol";
import type { ZkOptions } from "../options.js";
import { DigestMd5Exchange } from "../sasl/digest-md5.js";
import { ZkError } from "../zk-errors.js";
import type { Identities } from "./identities.js";

/** As ZooKeeper's servers and clients name themselves to each other, wherever they are. */
const SERVICE = "zookeeper";
const SERVER_NAME = "zk-sasl-md5";

const NONCE_WORDS = 4;

export interface SaslAnswer {
  readonly err: number;
  readonly token: Uint8Array | null;
  /** Why the connection ends with it; null when it goes on. */
  readonly failure: string | null;
}

export type SaslOptions = Pick<ZkOptions, "saslUsers" | "saslSuperUser" | "requiredSchemes">;

/** One connection's login by SASL: once, with a nonce of its own. */
export class SaslLogin {
  readonly #options: SaslOptions;
  readonly #identities: Identities;
  readonly #random: Random;
  #exchange: DigestMd5Exchange | null = null;

  constructor(options: SaslOptions, identities: Identities, random: Random) {
    this.#options = options;
    this.#identities = identities;
    this.#random = random;
  }

  take(token: Uint8Array): SaslAnswer {
    // As a ZooKeeper that was given no login configuration: no token, and no error.
    if (this.#options.saslUsers.size === 0) return { err: ZkError.ok, token: null, failure: null };
    this.#exchange ??= new DigestMd5Exchange({
      service: SERVICE,
      serverName: SERVER_NAME,
      users: this.#options.saslUsers,
      nonce: nonceOf(this.#random),
    });
    const step = this.#exchange.step(token);
    if (step.kind === "failed") return this.#failed(step.reason);
    if (step.kind === "done" && !this.#add(step.user)) return this.#failed("too many identities");
    return { err: ZkError.ok, token: step.token, failure: null };
  }

  #add(user: string): boolean {
    const isSuper = user === this.#options.saslSuperUser;
    if (isSuper && !this.#identities.add({ scheme: "super", id: "" })) return false;
    return this.#identities.add({ scheme: "sasl", id: user });
  }

  /** Where SASL is a must, as there: the client is told that it needs it. */
  #failed(failure: string): SaslAnswer {
    const isRequired = this.#options.requiredSchemes.includes("sasl");
    return { err: isRequired ? ZkError.authRequired : ZkError.authFailed, token: null, failure };
  }
}

/** 256 bits, printable. */
function nonceOf(random: Random): string {
  const bytes = Buffer.alloc(NONCE_WORDS * 8);
  for (let word = 0; word < NONCE_WORDS; word += 1) {
    bytes.writeBigUInt64BE(random.nextUint64(), word * 8);
  }
  return bytes.toString("base64");
}
