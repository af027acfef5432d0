/**
 * The subject of a certificate as Java's X500Principal writes it, which is what the ACLs of
 * ZooKeeper's x509 scheme hold: RFC 2253, the last part first, and whatever has no keyword there
 * as its number with the value's bytes in hex.
 */
export function subjectOf(certificate: Uint8Array): string {
  const whole = new Der(certificate).enter();
  const parts = whole.enter();
  // The version is optional, and marked; serial number, algorithm, issuer and validity follow.
  if (parts.peekTag() === CONTEXT_0) parts.next();
  for (let i = 0; i < 4; i += 1) parts.next();
  const names: string[] = [];
  const subject = parts.enter();
  while (!subject.isAtEnd) {
    const set = subject.enter();
    const pairs: string[] = [];
    while (!set.isAtEnd) pairs.push(pairOf(set.enter()));
    names.unshift(pairs.join("+"));
  }
  return names.join(",");
}

const CONTEXT_0 = 0xa0;

/** Those of RFC 2253; Java writes no others there. */
const KEYWORDS: ReadonlyMap<string, string> = new Map([
  ["2.5.4.3", "CN"],
  ["2.5.4.6", "C"],
  ["2.5.4.7", "L"],
  ["2.5.4.8", "ST"],
  ["2.5.4.9", "STREET"],
  ["2.5.4.10", "O"],
  ["2.5.4.11", "OU"],
  ["0.9.2342.19200300.100.1.1", "UID"],
  ["0.9.2342.19200300.100.1.25", "DC"],
]);

/** By the tag of a kind of text, how it is read. */
const TEXTS: ReadonlyMap<number, (bytes: Uint8Array) => string> = new Map([
  [0x0c, (bytes) => Buffer.from(bytes).toString("utf8")],
  [0x13, (bytes) => Buffer.from(bytes).toString("latin1")],
  [0x14, (bytes) => Buffer.from(bytes).toString("latin1")],
  [0x16, (bytes) => Buffer.from(bytes).toString("latin1")],
  [0x1e, (bytes) => Buffer.from(bytes).swap16().toString("utf16le")],
]);

function pairOf(pair: Der): string {
  const oid = oidOf(pair.next().content);
  const { tag, content, whole } = pair.next();
  const keyword = KEYWORDS.get(oid);
  const read = TEXTS.get(tag);
  if (keyword === undefined || read === undefined) {
    return `${keyword ?? oid}=#${Buffer.from(whole).toString("hex")}`;
  }
  return `${keyword}=${escaped(read(content))}`;
}

function escaped(text: string): string {
  const marked = text.replace(/[,=+<>#;"\\]/g, "\\$&").replaceAll("\0", "\\00");
  const spaces = (found: string): string => "\\ ".repeat(found.length);
  return marked.replace(/^ +/, spaces).replace(/(?<!\\) +$/, spaces);
}

function oidOf(bytes: Uint8Array): string {
  const numbers: number[] = [];
  let number = 0;
  for (const byte of bytes) {
    number = number * 128 + (byte & 0x7f);
    if (byte >= 0x80) continue;
    if (numbers.length === 0) {
      const first = Math.min(2, Math.floor(number / 40));
      numbers.push(first, number - first * 40);
    } else numbers.push(number);
    number = 0;
  }
  return numbers.join(".");
}

interface DerValue {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Tag and length included. */
  readonly whole: Uint8Array;
}

/** Reads what OpenSSL has found to be well-formed already. */
class Der {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  peekTag(): number | undefined {
    return this.#bytes[this.#at];
  }

  enter(): Der {
    return new Der(this.next().content);
  }

  next(): DerValue {
    const start = this.#at;
    const tag = this.#byte();
    let length = this.#byte();
    if (length >= 0x80) {
      let count = length & 0x7f;
      for (length = 0; count > 0; count -= 1) length = length * 256 + this.#byte();
    }
    const from = this.#at;
    this.#at += length;
    if (this.#at > this.#bytes.length) throw new RangeError("a certificate ends early");
    const content = this.#bytes.subarray(from, this.#at);
    return { tag, content, whole: this.#bytes.subarray(start, this.#at) };
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new RangeError("a certificate ends early");
    this.#at += 1;
    return byte;
  }
}
