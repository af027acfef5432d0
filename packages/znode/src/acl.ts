import { QuorateError, type AuthIdentity, type ErrorCode } from "@quorate/protocol";
import { schemeOf } from "./acl-schemes.js";

/** ZooKeeper's permissions, as bits. */
export const Perms = { read: 1, write: 2, create: 4, delete: 8, admin: 16, all: 31 } as const;

export interface AclEntry {
  /** Bits of {@link Perms}; others are kept and mean nothing. */
  readonly perms: number;
  readonly scheme: string;
  readonly id: string;
}

/** Everybody may do everything: what a node has that was given nothing else. */
export const OPEN_ACL: readonly AclEntry[] = [{ perms: Perms.all, scheme: "world", id: "anyone" }];
export const READ_ACL: readonly AclEntry[] = [{ perms: Perms.read, scheme: "world", id: "anyone" }];

/** Bytes of an encoded ACL. Longer: ERR_ARG_TOO_LARGE. */
export const ACL_BYTES_MAX = 0xffff;

const ENTRY_BYTES = 7;
const NO_BYTES = new Uint8Array(0);
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Entries, each: i32 perms | u8 bytes, scheme | u16 bytes, id. Big-endian. {@link OPEN_ACL} is no
 * bytes. @throws ERR_ARG_TOO_LARGE.
 */
export function encodeAcl(entries: readonly AclEntry[]): Uint8Array {
  return isOpen(entries) ? NO_BYTES : spellAcl(entries);
}

/** The same, and the open ACL as the entry that it is. @throws ERR_ARG_TOO_LARGE. */
export function spellAcl(entries: readonly AclEntry[]): Uint8Array {
  const parts = entries.map((entry) => ({
    perms: entry.perms,
    scheme: encoder.encode(entry.scheme),
    id: encoder.encode(entry.id),
  }));
  // No entries at all must not read as the open ACL: they are sent as one that nobody can mean.
  if (parts.length === 0) parts.push({ perms: 0, scheme: NO_BYTES, id: NO_BYTES });
  let length = 0;
  for (const { scheme, id } of parts) {
    if (scheme.length > 0xff) throw new QuorateError("ERR_ARG_TOO_LARGE", "a scheme is too long");
    length += ENTRY_BYTES + scheme.length + id.length;
  }
  if (length > ACL_BYTES_MAX) {
    throw new QuorateError("ERR_ARG_TOO_LARGE", `an ACL has at most ${ACL_BYTES_MAX} bytes`);
  }
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const { perms, scheme, id } of parts) {
    view.setInt32(at, perms);
    view.setUint8(at + 4, scheme.length);
    bytes.set(scheme, at + 5);
    at += 5 + scheme.length;
    view.setUint16(at, id.length);
    bytes.set(id, at + 2);
    at += 2 + id.length;
  }
  return bytes;
}

/** Bytes of the entries, spelt out. */
export function aclBytes(entries: readonly AclEntry[]): number {
  let bytes = 0;
  for (const { scheme, id } of entries) {
    bytes += ENTRY_BYTES + encoder.encode(scheme).length + encoder.encode(id).length;
  }
  return bytes;
}

/** Null when the bytes are no ACL. */
export function decodeAcl(bytes: Uint8Array): readonly AclEntry[] | null {
  if (bytes.length === 0) return OPEN_ACL;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: AclEntry[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + ENTRY_BYTES > bytes.length) return null;
    const perms = view.getInt32(at);
    const idAt = at + 5 + view.getUint8(at + 4);
    if (idAt + 2 > bytes.length) return null;
    const end = idAt + 2 + view.getUint16(idAt);
    if (end > bytes.length) return null;
    try {
      const scheme = decoder.decode(bytes.subarray(at + 5, idAt));
      entries.push({ perms, scheme, id: decoder.decode(bytes.subarray(idAt + 2, end)) });
    } catch {
      // Not UTF-8, hence no ACL.
      return null;
    }
    at = end;
  }
  return entries;
}

function isOpen(entries: readonly AclEntry[]): boolean {
  const [first] = entries;
  return (
    entries.length === 1 &&
    first?.perms === Perms.all &&
    first.scheme === "world" &&
    first.id === "anyone"
  );
}

/**
 * ZooKeeper's fixupACL: the ACL as it is stored, without repetitions and with `auth` replaced by
 * what the caller has proved; or the code of the refusal.
 */
export function resolveAcl(
  entries: readonly AclEntry[],
  identities: readonly AuthIdentity[],
): readonly AclEntry[] | ErrorCode {
  const resolved: AclEntry[] = [];
  const seen = new Set<string>();
  for (const entry of entries) {
    const { perms, scheme, id } = entry;
    const name = `${perms} ${scheme}\0${id}`;
    if (seen.has(name)) continue;
    seen.add(name);
    if (scheme === "world" && id === "anyone") {
      resolved.push(entry);
    } else if (scheme === "auth") {
      const proved = identities.filter((one) => schemeOf(one.scheme)?.isAuthenticated === true);
      if (proved.length === 0) return "ERR_ZNODE_INVALID_ACL";
      for (const one of proved) resolved.push({ perms, scheme: one.scheme, id: one.id });
    } else if (schemeOf(scheme)?.isValid(id) === true) {
      resolved.push(entry);
    } else {
      return "ERR_ZNODE_INVALID_ACL";
    }
  }
  return resolved.length === 0 ? "ERR_ZNODE_INVALID_ACL" : resolved;
}

/** ZooKeeper's checkACL: whether one of the entries grants one of the bits to this caller. */
export function grants(
  entries: readonly AclEntry[],
  perms: number,
  identities: readonly AuthIdentity[],
): boolean {
  for (const identity of identities) if (identity.scheme === "super") return true;
  for (const entry of entries) {
    if ((entry.perms & perms) === 0) continue;
    if (entry.scheme === "world" && entry.id === "anyone") return true;
    const scheme = schemeOf(entry.scheme);
    if (scheme === undefined) continue;
    for (const identity of identities) {
      if (identity.scheme !== entry.scheme) continue;
      if (scheme.matches(identity.id, entry.id)) return true;
    }
  }
  return false;
}

/** What whoever may not administer the node is shown: user names without their hashes. */
export function maskAcl(entries: readonly AclEntry[]): readonly AclEntry[] {
  return entries.map((entry) =>
    // Like Java's `:.*`, which a line break ends.
    entry.scheme === "digest" ? { ...entry, id: entry.id.replace(/:.*/g, ":x") } : entry,
  );
}
