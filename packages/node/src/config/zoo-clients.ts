import { WORDS } from "@quorate/zookeeper";
import { formatAddress } from "./address.js";
import type { Located, Origin, Scalar } from "./located.js";
import type { ZooEntries } from "./zoo-entries.js";
import { portOf } from "./zoo-server-line.js";

/** ZooKeeper's default. */
export const TICK_TIME_MS = 3000;

/** A number of ZooKeeper, by its key: where it goes, and its least value. */
const COUNTS: readonly (readonly [key: string, setting: string, min: number])[] = [
  ["minSessionTimeout", "minSessionTimeoutMs", 1],
  ["maxSessionTimeout", "maxSessionTimeoutMs", 1],
  ["maxClientCnxns", "maxClientCnxns", 0],
  ["maxCnxns", "maxCnxns", 0],
  ["globalOutstandingLimit", "globalOutstandingLimit", 1],
  ["jute.maxbuffer", "juteMaxBuffer", 1],
];

/** A text of ZooKeeper, by its key, and the setting of `tls` that it becomes. */
const TLS_TEXTS: readonly (readonly [key: string, setting: string])[] = [
  ["ssl.keyStore.location", "keyStore"],
  ["ssl.keyStore.password", "keyStorePassword"],
  ["ssl.keyStore.passwordPath", "keyStorePasswordFile"],
  ["ssl.trustStore.location", "trustStore"],
  ["ssl.trustStore.password", "trustStorePassword"],
  ["ssl.trustStore.passwordPath", "trustStorePasswordFile"],
  ["X509AuthenticationProvider.superUser", "superUser"],
];

const CLIENT_AUTH = new Set(["none", "want", "need"]);
const PROTOCOLS = new Set(["TLSv1.2", "TLSv1.3"]);

/** The keys that are read here. */
export const CLIENT_KEYS: readonly string[] = [
  ...COUNTS.map(([key]) => key),
  "4lw.commands.whitelist",
  "readonlymode.enabled",
  "DigestAuthenticationProvider.superDigest",
  "enforce.auth.enabled",
  "enforce.auth.schemes",
  "sessionRequireClientSASLAuth",
  "superUser",
  "secureClientPort",
  "secureClientPortAddress",
  ...TLS_TEXTS.map(([key]) => key),
  "ssl.clientAuth",
  "ssl.protocol",
];

type Fields = Map<string, Located>;

/** `zookeeper`: what clients are granted. */
export function clientSettings(entries: ZooEntries): Located {
  const fields: Fields = new Map();
  const tick = entries.get("tickTime");
  const origin: Origin =
    tick === undefined ? { kind: "derived", from: "ZooKeeper's tickTime" } : entries.at(tick.line);
  put(fields, "tickMs", entries.wholeNumber("tickTime") ?? TICK_TIME_MS, origin);
  for (const [key, setting, min] of COUNTS) {
    const entry = entries.get(key);
    // As there: the value for "not given".
    if (entry === undefined || entry.value === "-1") continue;
    put(fields, setting, numberOf(entries, key, min), entries.at(entry.line));
  }
  putList(entries, fields, ["4lw.commands.whitelist", "fourLetterWords", wordsOf(entries)]);
  putFlag(entries, fields, ["readonlymode.enabled", "readOnlyMode"]);
  const digest = entries.get("DigestAuthenticationProvider.superDigest");
  if (digest !== undefined) put(fields, "superDigest", digest.value, entries.at(digest.line));
  putList(entries, fields, ["enforce.auth.schemes", "requiredSchemes", schemesOf(entries)]);
  const sasl = entries.isTrue("sessionRequireClientSASLAuth") ? ["sasl"] : null;
  putList(entries, fields, ["sessionRequireClientSASLAuth", "requiredSchemes", sasl]);
  const superUser = entries.get("superUser");
  if (superUser !== undefined) {
    put(fields, "saslSuperUser", superUser.value, entries.at(superUser.line));
  }
  return { kind: "object", fields, origin };
}

/** `tls`; undefined where the file has no secure port. */
export function tlsSettings(entries: ZooEntries): Located | undefined {
  const port = entries.get("secureClientPort");
  if (port === undefined) {
    warnOfTlsWithoutPort(entries);
    return undefined;
  }
  const number = portOf(port.value);
  if (number === null) {
    throw entries.bad("secureClientPort", "it must be a port, 1..65535", port.line);
  }
  const fields: Fields = new Map();
  const host = entries.get("secureClientPortAddress")?.value.replace(/^\[(.*)\]$/, "$1");
  const origin = entries.at(port.line);
  put(fields, "addr", formatAddress({ host: host ?? "0.0.0.0", port: number }), origin);
  for (const [key, setting] of TLS_TEXTS) {
    const entry = entries.get(key);
    if (entry !== undefined) put(fields, setting, entry.value, entries.at(entry.line));
  }
  putChoice(entries, fields, ["ssl.clientAuth", "clientAuth", CLIENT_AUTH]);
  putChoice(entries, fields, ["ssl.protocol", "minVersion", PROTOCOLS]);
  return { kind: "object", fields, origin };
}

function warnOfTlsWithoutPort(entries: ZooEntries): void {
  const keys = ["secureClientPortAddress", "ssl.clientAuth", "ssl.protocol"];
  for (const key of [...keys, ...TLS_TEXTS.map(([text]) => text)]) {
    const entry = entries.get(key);
    if (entry !== undefined) {
      entries.warn(`${key} has no effect without secureClientPort`, entry.line);
    }
  }
}

function put(fields: Fields, key: string, value: Scalar, origin: Origin): void {
  fields.set(key, { kind: "scalar", value, origin });
}

function putList(
  entries: ZooEntries,
  fields: Fields,
  [key, setting, values]: readonly [key: string, setting: string, readonly string[] | null],
): void {
  if (values === null) return;
  const origin = entries.at(entries.get(key)?.line ?? 1);
  const items = values.map((value) => ({ kind: "scalar", value, origin }) as const);
  fields.set(setting, { kind: "list", items, origin });
}

function putFlag(
  entries: ZooEntries,
  fields: Fields,
  [key, setting]: readonly [key: string, setting: string],
): void {
  const entry = entries.get(key);
  if (entry !== undefined) put(fields, setting, entries.isTrue(key), entries.at(entry.line));
}

function putChoice(
  entries: ZooEntries,
  fields: Fields,
  [key, setting, choices]: readonly [string, string, ReadonlySet<string>],
): void {
  const entry = entries.get(key);
  if (entry === undefined) return;
  const chosen = [...choices].find((one) => one.toLowerCase() === entry.value.toLowerCase());
  if (chosen === undefined) {
    throw entries.bad(key, `it must be one of ${[...choices].join(", ")}`, entry.line);
  }
  put(fields, setting, chosen, entries.at(entry.line));
}

function numberOf(entries: ZooEntries, key: string, min: number): number {
  const { value = "", line = 1 } = entries.get(key) ?? {};
  // As Java's Integer.decode, which reads jute.maxbuffer.
  const number = /^(?:0x[\da-f]{1,8}|\d{1,10})$/i.test(value) ? Number(value) : NaN;
  if (!(number >= min)) throw entries.bad(key, `it must be a whole number from ${min}`, line);
  return number;
}

/** Words that do not exist are left out, as there; each is warned about. */
function wordsOf(entries: ZooEntries): string[] | null {
  const entry = entries.get("4lw.commands.whitelist");
  if (entry === undefined) return null;
  const words = entry.value.split(",").map((word) => word.trim());
  return words.filter((word) => {
    const isKnown = word === "*" || WORDS.includes(word);
    if (!isKnown && word !== "") {
      entries.warn(`4lw.commands.whitelist: there is no word "${word}"`, entry.line);
    }
    return isKnown;
  });
}

function schemesOf(entries: ZooEntries): string[] | null {
  const enabled = entries.get("enforce.auth.enabled");
  if (enabled === undefined || !entries.isTrue("enforce.auth.enabled")) return null;
  const schemes = entries.get("enforce.auth.schemes");
  if (schemes === undefined) {
    const why = "enforce.auth.schemes must say which schemes clients may choose from";
    throw entries.bad("enforce.auth.enabled", why, enabled.line);
  }
  return schemes.value.split(",").map((scheme) => scheme.trim());
}
