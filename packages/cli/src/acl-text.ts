import { Perms, type AclEntry } from "@quorate/client";
import { usageError } from "./report.js";

/** In the order in which ZooKeeper's command prints them. */
const LETTERS = [
  ["c", Perms.create],
  ["d", Perms.delete],
  ["r", Perms.read],
  ["w", Perms.write],
  ["a", Perms.admin],
] as const;

export const ACL_FORM = "SCHEME:ID:PERMS, several parted by commas, as world:anyone:r";

/** As ZooKeeper's command writes it; an id may hold colons. @throws ERR_ARG_VALUE. */
export function parseAcl(text: string): readonly AclEntry[] {
  return text.split(",").map((part) => {
    const [, scheme, id, letters] = /^([^:]+):(.*):([cdrwa]+)$/s.exec(part) ?? [];
    if (scheme === undefined || id === undefined || letters === undefined) {
      throw usageError(`an ACL is ${ACL_FORM}, PERMS of c, d, r, w and a`);
    }
    const perms = LETTERS.reduce(
      (all, [letter, bit]) => all | (letters.includes(letter) ? bit : 0),
      0,
    );
    return { scheme, id, perms };
  });
}

export function formatAclEntry({ scheme, id, perms }: AclEntry): string {
  const letters = LETTERS.map(([letter, bit]) => ((perms & bit) === 0 ? "" : letter));
  return `${scheme}:${id}:${letters.join("")}`;
}
