import { createHash } from "node:crypto";
import {
  markItem,
  type Acl,
  type AclItem,
  type Identities,
} from "../../checkers/service/acl-rules.js";

/** Clients by what they prove, and nodes by whom they let do what. */

const USER = "alice";
export const PASSWORD = `${USER}:secret`;
const DIGEST = `${USER}:${createHash("sha1").update(PASSWORD).digest("base64")}`;
/** The one client that is let in by its address. */
const NAMED = "10.0.0.3";

const ALL = 31;
const READ = 1;
const own = { perms: ALL, id: { scheme: "digest", id: DIGEST } };
const anyone = (perms: number) => ({ perms, id: { scheme: "world", id: "anyone" } });

interface WireAcl {
  readonly perms: number;
  readonly id: { readonly scheme: string; readonly id: string };
}

export const ACLS = {
  open: [anyone(ALL)],
  /** The user may do all, everybody may read. */
  shown: [own, anyone(READ)],
  hidden: [own],
  /** Besides the user, one client may by its address. */
  named: [own, { perms: ALL, id: { scheme: "ip", id: NAMED } }],
} as const satisfies Readonly<Record<string, readonly WireAcl[]>>;

export type AclName = keyof typeof ACLS;

/** What a setAcl asks for. */
export function markedAcl(name: AclName, value: string): readonly WireAcl[] {
  if (name === "open") return ACLS.open;
  const { perms, scheme, id } = markItem(value);
  return [...ACLS[name], { perms, id: { scheme, id } }];
}

/** As it stands in the log then. */
export function markedAclItems(name: AclName, value: string): Acl {
  if (name === "open") return null;
  return markedAcl(name, value).map(({ perms, id: { scheme, id } }): AclItem => ({
    perms,
    scheme,
    id,
  }));
}

/** Whether the client logs in as the user, on each connection. */
export function logsIn(client: number): boolean {
  return client % 2 === 1 && client !== 3;
}

export function identitiesOf(client: number): Identities {
  const ip = `ip:10.0.0.${client}`;
  return new Set(logsIn(client) ? [ip, `digest:${DIGEST}`] : [ip]);
}
