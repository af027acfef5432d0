/** Directives of one token by their names in small letters; a value is one character per byte. */
export type Directives = ReadonlyMap<string, string>;

/** `name=value` or `name="value"`, where a backslash stands before what it quotes. */
const TOKEN = String.raw`[!#$%&'*+.^\x60|~\w-]+`;
const SPACE = String.raw`[ \t\r\n]*`;
const QUOTED = String.raw`"((?:[^"\\]|\\[^])*)"`;
const DIRECTIVE = new RegExp(
  String.raw`[\s,]*(${TOKEN})${SPACE}=${SPACE}(?:${QUOTED}|(${TOKEN}))${SPACE}(?=,|$)`,
  "y",
);
const REST = /[\s,]*$/y;

/** Of which a second one makes the whole invalid. What nobody knows is ignored, however often. */
const ONCE = new Set([
  ...["username", "realm", "nonce", "cnonce", "nc", "qop", "digest-uri", "response"],
  ...["maxbuf", "charset", "cipher", "authzid"],
]);

/**
 * Reads what a client answers (RFC 2831, 2.1.2): directives parted by commas. Null when it is not
 * of that form, or says a thing twice that has a meaning. The text is one character per byte.
 */
export function directivesOf(text: string): Directives | null {
  const directives = new Map<string, string>();
  let at = 0;
  for (;;) {
    REST.lastIndex = at;
    if (REST.test(text)) return directives;
    DIRECTIVE.lastIndex = at;
    const found = DIRECTIVE.exec(text);
    if (found === null) return null;
    const [whole, name = "", quoted, plain = ""] = found;
    const key = name.toLowerCase();
    if (directives.has(key) && ONCE.has(key)) return null;
    directives.set(key, quoted === undefined ? plain : quoted.replace(/\\([^])/g, "$1"));
    at += whole.length;
  }
}

/** A value in quotes, as a challenge has it. */
export function quoted(value: string): string {
  return `"${value.replace(/["\\]/g, "\\$&")}"`;
}
