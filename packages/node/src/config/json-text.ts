import type { Located, Origin, Scalar } from "./located.js";

/** Deeper nesting is refused: no setting needs it, and the parser recurses. */
const DEPTH_MAX = 32;

/** Says where and what, and never quotes the text, which may hold a secret. */
export class TextError extends Error {
  constructor(
    readonly line: number,
    readonly column: number,
    readonly what: string,
  ) {
    super(`line ${line}, column ${column}: ${what}`);
  }
}

/**
 * Parses JSON, keeping the line of every value. `JSON.parse` keeps none, does not always say where
 * it stopped, and takes the last of two equal keys in silence; otherwise this accepts and yields
 * exactly what that does.
 * @throws TextError.
 */
export function parseJson(text: string, originOf: (line: number) => Origin): Located {
  return new JsonText(text, originOf).parse();
}

const SPACE = /[ \t\r\n]*/y;
// One character at a time: a repeated group of repeated characters would backtrack for ever.
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

class JsonText {
  readonly #text: string;
  readonly #originOf: (line: number) => Origin;
  #at = 0;
  /** Lines are counted as the reading goes on. */
  #line = 1;
  #lineStart = 0;
  #counted = 0;

  constructor(text: string, originOf: (line: number) => Origin) {
    this.#text = text;
    this.#originOf = originOf;
  }

  parse(): Located {
    const value = this.#value(0);
    this.#take(SPACE);
    if (this.#at < this.#text.length) throw this.#error("nothing may follow the value");
    return value;
  }

  #value(depth: number): Located {
    this.#take(SPACE);
    if (depth > DEPTH_MAX) throw this.#error("it is nested too deeply");
    const origin = this.#originOf(this.#lineNow());
    const next = this.#text[this.#at];
    if (next === "{") return { kind: "object", fields: this.#fields(depth), origin };
    if (next === "[") return { kind: "list", items: this.#items(depth), origin };
    const token = next === '"' ? this.#string() : this.#take(SCALAR);
    if (token === "") throw this.#error("a value is expected");
    return { kind: "scalar", value: JSON.parse(token) as Scalar, origin };
  }

  #fields(depth: number): ReadonlyMap<string, Located> {
    const fields = new Map<string, Located>();
    const lines = new Map<string, number>();
    this.#at += 1;
    if (this.#skips("}")) return fields;
    do {
      this.#take(SPACE);
      if (this.#text[this.#at] !== '"') throw this.#error("a key in quotes is expected");
      const line = this.#lineNow();
      const start = this.#at;
      const key = JSON.parse(this.#string()) as string;
      const before = lines.get(key);
      if (before !== undefined) {
        this.#at = start;
        throw this.#error(`the key ${JSON.stringify(key)} is given before, in line ${before}`);
      }
      lines.set(key, line);
      if (!this.#skips(":")) throw this.#error("a colon is expected");
      fields.set(key, this.#value(depth + 1));
    } while (this.#skips(","));
    if (!this.#skips("}")) throw this.#error("a comma or } is expected");
    return fields;
  }

  #items(depth: number): readonly Located[] {
    const items: Located[] = [];
    this.#at += 1;
    if (this.#skips("]")) return items;
    do items.push(this.#value(depth + 1));
    while (this.#skips(","));
    if (!this.#skips("]")) throw this.#error("a comma or ] is expected");
    return items;
  }

  #string(): string {
    const token = this.#take(STRING);
    if (token === "") throw this.#error("this string does not end, or holds a wrong character");
    return token;
  }

  #skips(character: string): boolean {
    this.#take(SPACE);
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const token = pattern.exec(this.#text)?.[0] ?? "";
    this.#at += token.length;
    return token;
  }

  #lineNow(): number {
    for (const match of this.#text.slice(this.#counted, this.#at).matchAll(/\r\n|\r|\n/g)) {
      this.#line += 1;
      this.#lineStart = this.#counted + match.index + match[0].length;
    }
    this.#counted = this.#at;
    return this.#line;
  }

  #error(what: string): TextError {
    const line = this.#lineNow();
    return new TextError(line, Math.max(1, this.#at - this.#lineStart + 1), what);
  }
}
