import { createHash, timingSafeEqual } from "node:crypto";
import { directivesOf, quoted, type Directives } from "./directives.js";

/** Bytes of a client's token: RFC 2831 allows no more. */
export const SASL_TOKEN_BYTES_MAX = 4096;

/** Whom a server says it is, and whose names it knows. */
export interface DigestMd5Options {
  /** The first part of the URI that a client must have meant. */
  readonly service: string;
  /** The second part, and the only realm. */
  readonly serverName: string;
  /** Passwords by name. */
  readonly users: ReadonlyMap<string, string>;
  /** Nobody can guess it, and no other exchange has it. Printable, without quotes. */
  readonly nonce: string;
  /** Default: the platform's; null where that has none. */
  readonly md5?: Md5 | null;
}

type Md5 = (bytes: Uint8Array) => Buffer;

/** The platform's MD5, or null where it has none: in FIPS mode. Then nobody can log in. */
function platformMd5(): Md5 | null {
  const md5: Md5 = (bytes) => createHash("md5").update(bytes).digest();
  try {
    md5(Buffer.alloc(0));
    return md5;
  } catch (error) {
    // OpenSSL says so in several ways, and none of them leaves anything to try.
    if (error instanceof Error) return null;
    throw error;
  }
}

export type SaslStep =
  | { readonly kind: "challenge"; readonly token: Uint8Array }
  /** The client is who it says it is; the token proves to it that the server knows that, too. */
  | { readonly kind: "done"; readonly token: Uint8Array; readonly user: string }
  | { readonly kind: "failed"; readonly reason: string };

const NO_MD5 = "this server has no MD5 (FIPS mode)";

type State = "new" | "challenged" | "over";

/**
 * The server's side of one exchange by SASL's mechanism DIGEST-MD5 (RFC 2831), as ZooKeeper's
 * servers have it: authentication alone (`qop=auth`), one realm, no second exchange with the same
 * nonce. Pure: the nonce is an input.
 */
export class DigestMd5Exchange {
  readonly #options: DigestMd5Options;
  readonly #md5: Md5 | null;
  #state: State = "new";

  constructor(options: DigestMd5Options) {
    this.#options = options;
    this.#md5 = options.md5 === undefined ? platformMd5() : options.md5;
  }

  /** Takes the client's next token. What the first one says is not looked at, as there. */
  step(token: Uint8Array): SaslStep {
    const state = this.#state;
    this.#state = "over";
    if (token.length > SASL_TOKEN_BYTES_MAX) return failed("the token is too long");
    if (state === "over") return failed("the exchange is over");
    if (this.#md5 === null) return failed(NO_MD5);
    if (state === "challenged") return this.#judge(token, this.#md5);
    this.#state = "challenged";
    const { serverName, nonce } = this.#options;
    // Without a `qop`, as there: that offers authentication alone.
    const text =
      `realm=${quoted(serverName)},nonce=${quoted(nonce)},` + "charset=utf-8,algorithm=md5-sess";
    return { kind: "challenge", token: Buffer.from(text, "latin1") };
  }

  #judge(token: Uint8Array, md5: Md5): SaslStep {
    const directives = directivesOf(Buffer.from(token).toString("latin1"));
    if (directives === null) return failed("the token cannot be read");
    const problem = problemOf(directives, this.#options);
    if (problem !== null) return failed(problem);
    const isUtf8 = directives.has("charset");
    const user = textOf(directives.get("username") ?? "", isUtf8);
    if (user === null) return failed("the name is not UTF-8");
    const password = this.#options.users.get(user);
    // A name that nobody has takes as long as one with another password.
    const digests = digestsOf(directives, { user, password: password ?? "", isUtf8, md5 });
    const isRight = isEqual(directives.get("response") ?? "", digests.response);
    if (password === undefined || !isRight) return failed("unknown name or wrong password");
    const answer = `rspauth=${digests.rspauth}`;
    return { kind: "done", token: Buffer.from(answer, "latin1"), user };
  }
}

function failed(reason: string): SaslStep {
  return { kind: "failed", reason };
}

/** What is wrong with an answer besides its proof. */
function problemOf(
  directives: Directives,
  { nonce, service, serverName }: DigestMd5Options,
): string | null {
  for (const name of ["username", "nonce", "cnonce", "nc", "digest-uri", "response"]) {
    if (!directives.has(name)) return `the token has no ${name}`;
  }
  if (!isEqual(directives.get("nonce") ?? "", nonce)) return "the nonce is another one";
  if (directives.get("nc") !== "00000001") return "the nonce was used before";
  if (directives.get("realm") !== serverName) return "there is no such realm";
  if ((directives.get("qop") ?? "auth") !== "auth") return "only authentication is offered";
  if ((directives.get("charset") ?? "utf-8") !== "utf-8") return "unknown charset";
  const uri = (directives.get("digest-uri") ?? "").toLowerCase();
  // The name of a replicated service could follow. ZooKeeper's servers know none.
  if (uri !== `${service}/${serverName}`.toLowerCase()) return "it is meant for another server";
  return null;
}

interface Claim {
  readonly user: string;
  readonly password: string;
  readonly isUtf8: boolean;
  readonly md5: Md5;
}

/** What proves the client's knowledge of the password, and the server's (RFC 2831, 2.1.2.1). */
function digestsOf(
  directives: Directives,
  { user, password, isUtf8, md5 }: Claim,
): { readonly response: string; readonly rspauth: string } {
  const raw = (name: string): string => directives.get(name) ?? "";
  const realm = textOf(raw("realm"), isUtf8) ?? raw("realm");
  const colon = Buffer.from(":");
  const names = [user, realm, password].map((text) => hashedBytesOf(text, isUtf8));
  const [userBytes = colon, realmBytes = colon, passwordBytes = colon] = names;
  const secret = md5(Buffer.concat([userBytes, colon, realmBytes, colon, passwordBytes]));
  const authzid = directives.has("authzid") ? `:${raw("authzid")}` : "";
  const rest = Buffer.from(`:${raw("nonce")}:${raw("cnonce")}${authzid}`, "latin1");
  const ha1 = md5(Buffer.concat([secret, rest])).toString("hex");
  const proof = (method: string): string => {
    const ha2 = md5(Buffer.from(`${method}:${raw("digest-uri")}`, "latin1")).toString("hex");
    const text = `${ha1}:${raw("nonce")}:${raw("nc")}:${raw("cnonce")}:auth:${ha2}`;
    return md5(Buffer.from(text, "latin1")).toString("hex");
  };
  return { response: proof("AUTHENTICATE"), rspauth: proof("") };
}

/** One character per byte, or what these bytes are in UTF-8; null when they are not. */
function textOf(raw: string, isUtf8: boolean): string | null {
  if (!isUtf8) return raw;
  try {
    return utf8.decode(Buffer.from(raw, "latin1"));
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const BEYOND_LATIN1 = /[^\u0000-\u00ff]/;

/**
 * What fits ISO 8859-1 is hashed in it, whatever the token is written in. What does not fit can
 * only have been meant in UTF-8.
 */
function hashedBytesOf(text: string, isUtf8: boolean): Buffer {
  return Buffer.from(text, isUtf8 && BEYOND_LATIN1.test(text) ? "utf8" : "latin1");
}

/** Takes as long for any two of a length. */
function isEqual(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given, "latin1"), Buffer.from(expected, "latin1")];
  return a.length === b.length && timingSafeEqual(a, b);
}
