import { createHash } from "node:crypto";
import type { Identities } from "../../checkers/service/acl-rules.js";

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

export const ACLS = {
  open: [anyone(ALL)],
  /** The user may do all, everybody may read. */
  shown: [own, anyone(READ)],
  hidden: [own],
  /** Besides the user, one client may by its address. */
  named: [own, { perms: ALL, id: { scheme: "ip", id: NAMED } }],
} as const;

export type AclName = keyof typeof ACLS;

/** Whether the client logs in as the user, on each connection. */
export function logsIn(client: number): boolean {
  return client % 2 === 1 && client !== 3;
}

export function identitiesOf(client: number): Identities {
  const ip = `ip:10.0.0.${client}`;
  return new Set(logsIn(client) ? [ip, `digest:${DIGEST}`] : [ip]);
}
