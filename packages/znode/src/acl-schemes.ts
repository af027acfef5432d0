/**
 * What the schemes of an ACL's ids mean: which ids are well-formed, and whom an id stands for. As
 * ZooKeeper's providers do it, oddities included: a stored ACL must mean here what it means there.
 */
export interface AclScheme {
  /** Whether the id may stand in an ACL. */
  isValid(id: string): boolean;
  /** Whether who proved `identity` is meant by the ACL's `id`. */
  matches(identity: string, id: string): boolean;
  /** Whether the scheme proves who somebody is, so that `auth` stands for it. */
  readonly isAuthenticated: boolean;
}

const equal = (identity: string, id: string): boolean => identity === id;

const schemes: ReadonlyMap<string, AclScheme> = new Map<string, AclScheme>([
  ["ip", { isValid: (id) => rangeOf(id) !== null, matches: isInRange, isAuthenticated: false }],
  ["digest", { isValid: isDigestId, matches: equal, isAuthenticated: true }],
  ["x509", { isValid: isDistinguishedName, matches: equal, isAuthenticated: true }],
  ["sasl", { isValid: isPrincipal, matches: isSaslUser, isAuthenticated: true }],
]);

/** The user `super` is everybody, within this scheme. */
function isSaslUser(identity: string, id: string): boolean {
  return identity === id || identity === "super";
}

/** Undefined for `world`, `auth` and `super`, which are none, and for what is unknown. */
export function schemeOf(name: string): AclScheme | undefined {
  return schemes.get(name);
}

interface Range {
  readonly address: Uint8Array;
  readonly bits: number;
}

/** "10.0.0.0/8", "::1". Null when it is none. */
function rangeOf(text: string): Range | null {
  const slash = text.indexOf("/");
  const address = addressOf(slash === -1 ? text : text.slice(0, slash));
  if (address === null) return null;
  if (slash === -1) return { address, bits: address.length * 8 };
  const bits = intOf(text.slice(slash + 1));
  return bits === null || bits < 0 || bits > address.length * 8 ? null : { address, bits };
}

function isInRange(identity: string, id: string): boolean {
  const range = rangeOf(id);
  const address = addressOf(identity);
  if (range === null || address?.length !== range.address.length) return false;
  const whole = range.bits >> 3;
  for (let i = 0; i < whole; i += 1) if (address[i] !== range.address[i]) return false;
  const rest = range.bits & 7;
  if (rest === 0) return true;
  const mask = (0xff << (8 - rest)) & 0xff;
  return ((address[whole] ?? 0) & mask) === ((range.address[whole] ?? 0) & mask);
}

function addressOf(text: string): Uint8Array | null {
  return text.includes(":") ? v6AddressOf(text) : v4AddressOf(text);
}

function v4AddressOf(text: string): Uint8Array | null {
  const parts = text.split(".").map(intOf);
  if (parts.length !== 4) return null;
  for (const part of parts) if (part === null || part < 0 || part > 255) return null;
  return Uint8Array.from(parts, (part) => part ?? 0);
}

/** At most one "::", groups of one to four digits, and neither zones nor dotted ends. */
function v6AddressOf(text: string): Uint8Array | null {
  const halves = text.split("::");
  const [first = "", second = ""] = halves;
  const head = first === "" && halves.length === 2 ? [] : first.split(":");
  const tail = second === "" ? [] : second.split(":");
  if (halves.length > 2) return null;
  const count = head.length + tail.length;
  if (halves.length === 1 ? count !== 8 : count >= 8) return null;
  const bytes = new Uint8Array(16);
  const groups = [...head, ...new Array<string>(8 - count).fill("0"), ...tail];
  for (const [index, group] of groups.entries()) {
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return null;
    const value = Number.parseInt(group, 16);
    bytes[2 * index] = value >> 8;
    bytes[2 * index + 1] = value & 0xff;
  }
  return bytes;
}

/** As Java's Integer.parseInt. */
function intOf(text: string): number | null {
  if (!/^[+-]?[0-9]{1,10}$/.test(text)) return null;
  const value = Number(text);
  return value >= -(2 ** 31) && value < 2 ** 31 ? value : null;
}

/** Exactly two parts around colons, empty ones at the end not counted (Java's split). */
function isDigestId(id: string): boolean {
  const parts = id.split(":");
  while (parts.length > 0 && parts[parts.length - 1] === "") parts.pop();
  return parts.length === 2;
}

/** A Kerberos name: `service/host@REALM`, or one without `@`. */
function isPrincipal(id: string): boolean {
  return !id.includes("@") || /^[^/@]*(\/[^/@]*)?@[^/@]*$/.test(id);
}

/** The keywords that Java reads in a distinguished name; others must be OIDs. */
const KEYWORDS: ReadonlySet<string> = new Set(
  (
    "CN C L S ST O OU T IP STREET DC DNQUALIFIER DNQ SURNAME GIVENNAME INITIALS GENERATION " +
    "EMAIL EMAILADDRESS UID SERIALNUMBER"
  ).split(" "),
);
const OID = /^(OID\.)?[0-9]+(\.[0-9]+)+$/i;
const ATTRIBUTE = /^\s*([A-Za-z0-9.-]+)\s*=((?:[^",+;\\]|\\.|"(?:[^"\\]|\\.)*")*)/s;

/** `CN=client,O=org`: attributes parted by commas, semicolons or pluses. None is a name, too. */
function isDistinguishedName(id: string): boolean {
  if (id.trim() === "") return true;
  let rest = id;
  for (;;) {
    const found = ATTRIBUTE.exec(rest);
    if (found === null) return false;
    const keyword = found[1] ?? "";
    if (!KEYWORDS.has(keyword.toUpperCase()) && !OID.test(keyword)) return false;
    rest = rest.slice(found[0].length);
    if (rest === "") return true;
    // The expression stops at a separator, or at what no value holds.
    if (!/^[,+;]/.test(rest)) return false;
    rest = rest.slice(1);
  }
}
