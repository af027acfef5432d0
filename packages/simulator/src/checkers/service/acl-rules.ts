/**
 * Who may do what to a node, by code of its own: the model must not share the mistakes of what it
 * judges. Schemes that the simulated clients use: `world`, `digest`, `ip` with one address.
 */

export const Perm = { read: 1, write: 2, create: 4, delete: 8, admin: 16 } as const;

export interface AclItem {
  readonly perms: number;
  readonly scheme: string;
  readonly id: string;
}

/** Null: everybody may do everything. */
export type Acl = readonly AclItem[] | null;

/** What a client proves, each as `scheme:id`. */
export type Identities = ReadonlySet<string>;

const ALL = 31;
const MARK_END = ":mark";
const ENTRY_BYTES = 7;
const decoder = new TextDecoder();

/** As it stands in a committed create: i32 perms | u8 bytes, scheme | u16 bytes, id. */
export function aclIn(bytes: Uint8Array): Acl {
  if (bytes.length === 0) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const items: AclItem[] = [];
  for (let at = 0; at + ENTRY_BYTES <= bytes.length;) {
    const idAt = at + 5 + view.getUint8(at + 4);
    const end = idAt + 2 + view.getUint16(idAt);
    const scheme = decoder.decode(bytes.subarray(at + 5, idAt));
    const id = decoder.decode(bytes.subarray(idAt + 2, end));
    items.push({ perms: view.getInt32(at), scheme, id });
    at = end;
  }
  return items;
}

/** As a getAcl shows it to who may do this much. */
export function shownAcl(acl: Acl, who: Identities): readonly AclItem[] {
  if (acl === null) return [{ perms: ALL, scheme: "world", id: "anyone" }];
  if (may(acl, Perm.admin, who)) return acl;
  return acl.map((item) => {
    if (item.scheme !== "digest") return item;
    return { ...item, id: `${item.id.slice(0, item.id.indexOf(":"))}:x` };
  });
}

/** What a setAcl of these clients marks its ACL with, so that each is told from all others. */
export function markItem(value: string): AclItem {
  return { perms: Perm.read, scheme: "digest", id: `${value}${MARK_END}` };
}

/** Empty when there is none. */
export function markOf(acl: Acl): string {
  const mark = acl?.find(({ scheme, id }) => scheme === "digest" && id.endsWith(MARK_END));
  return mark === undefined ? "" : mark.id.slice(0, -MARK_END.length);
}

export function may(acl: Acl, perm: number, who: Identities): boolean {
  if (acl === null) return true;
  return acl.some(({ perms, scheme, id }) => {
    if ((perms & perm) === 0) return false;
    return (scheme === "world" && id === "anyone") || who.has(`${scheme}:${id}`);
  });
}
