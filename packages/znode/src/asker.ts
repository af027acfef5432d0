import {
  callerBytes,
  callerSession,
  decodeCaller,
  QuorateError,
  type AuthIdentity,
} from "@quorate/protocol";
import { grants, Perms } from "./acl.js";
import { STORED_OPEN_ACL, type StoredAcl } from "./acl-table.js";

const NOBODY: readonly AuthIdentity[] = [];

/** Who asks, read from the start of a request's content as far as it is needed. */
export class Asker {
  readonly #content: Uint8Array;
  /** Where the request itself begins; -1 when there is no readable caller before it. */
  readonly bodyAt: number;
  readonly session: bigint | null;
  #identities: readonly AuthIdentity[] | null = null;

  constructor(content: Uint8Array) {
    this.#content = content;
    this.bodyAt = callerBytes(content);
    this.session = this.bodyAt === -1 ? null : callerSession(content);
  }

  get identities(): readonly AuthIdentity[] {
    this.#identities ??= this.#read();
    return this.#identities;
  }

  /** Most nodes are open to everybody: then nobody is asked who they are. */
  may(perms: number, acl: StoredAcl): boolean {
    if (acl === STORED_OPEN_ACL && (perms & Perms.all) !== 0) return true;
    return grants(acl.entries, perms, this.identities);
  }

  #read(): readonly AuthIdentity[] {
    try {
      return decodeCaller(this.#content).identities;
    } catch (error) {
      // Text that is not UTF-8 proves nothing.
      if (error instanceof QuorateError) return NOBODY;
      throw error;
    }
  }
}
