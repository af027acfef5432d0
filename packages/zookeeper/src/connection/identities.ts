import { createHash } from "node:crypto";
import { CALLER_IDENTITIES_MAX, encodeCaller, type AuthIdentity } from "@quorate/protocol";

/** What one connection has proved, and the bytes in which it says so with each request. */
export class Identities {
  #list: readonly AuthIdentity[];
  readonly #certified: readonly AuthIdentity[];
  readonly #superDigest: string | null;
  readonly #address: string;
  #session: bigint | null = null;
  #caller: Uint8Array | null = null;

  /** `address` may be empty: none. `certified` are those of the client's certificate. */
  constructor(address: string, certified: readonly AuthIdentity[], superDigest: string | null) {
    this.#address = address;
    this.#certified = certified;
    this.#superDigest = superDigest;
    // As ZooKeeper: a connection has its address, and its certificate, without asking.
    const ofAddress = address === "" ? [] : [{ scheme: "ip", id: address }];
    this.#list = [...ofAddress, ...certified];
  }

  get list(): readonly AuthIdentity[] {
    return this.#list;
  }

  /** The encoded caller, the same bytes until something changes. */
  get caller(): Uint8Array {
    this.#caller ??= encodeCaller({ session: this.#session, identities: this.#list });
    return this.#caller;
  }

  /** Whether one of the schemes is proved, if any is asked for. */
  satisfies(schemes: readonly string[]): boolean {
    return schemes.length === 0 || this.#list.some(({ scheme }) => schemes.includes(scheme));
  }

  useSession(session: bigint): void {
    this.#session = session;
    this.#caller = null;
  }

  /** ZooKeeper's addauth. False when it proves nothing. */
  authenticate(scheme: string | null, auth: Uint8Array | null): boolean {
    switch (scheme) {
      case "digest":
        return auth !== null && this.#digest(auth);
      case "ip":
        return this.#address !== "" && this.add({ scheme: "ip", id: this.#address });
      case "x509":
        return this.#certified.length > 0 && this.#certified.every((one) => this.add(one));
      default:
        return false;
    }
  }

  /** False when there is no room for another. */
  add(identity: AuthIdentity): boolean {
    const { scheme, id } = identity;
    if (this.#list.some((one) => one.scheme === scheme && one.id === id)) return true;
    if (this.#list.length >= CALLER_IDENTITIES_MAX || Buffer.byteLength(id) > ID_BYTES_MAX) {
      return false;
    }
    this.#list = [...this.#list, { scheme, id }];
    this.#caller = null;
    return true;
  }

  /** `user:password`; as there, a text without a colon is all user. */
  #digest(auth: Uint8Array): boolean {
    const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(auth);
    const hash = createHash("sha1").update(text, "utf8").digest("base64");
    const [user = ""] = text.split(":", 1);
    const id = `${user}:${hash}`;
    const isSuper = this.#superDigest !== null && id === this.#superDigest;
    if (isSuper && !this.add({ scheme: "super", id: "" })) return false;
    return this.add({ scheme: "digest", id });
  }
}

/** As encodeCaller has it. */
const ID_BYTES_MAX = 4096;

/** The part of an identity that names somebody, as whoAmI shows it. */
export function userOf({ scheme, id }: AuthIdentity): string {
  if (scheme === "super") return "";
  return scheme === "digest" ? (id.split(":", 1)[0] ?? "") : id;
}
