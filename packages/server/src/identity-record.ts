import { QuorateError, toIdentity, toNodeId } from "@quorate/protocol";
import type { Identity, IdentityTable, NodeId, Standing } from "@quorate/protocol";

/**
 * The content of the ensemble's own entries: who is who. One line per voter, `id identity`,
 * ascending, in ASCII; readable in a dump and independent of any serializer's version.
 */
export function encodeIdentities(members: IdentityTable): Uint8Array {
  const lines = [...members].sort(([a], [b]) => a - b).map(([id, name]) => `${id} ${name}\n`);
  return new TextEncoder().encode(lines.join(""));
}

/** @throws ERR_PROTOCOL_DECODE. */
export function decodeIdentities(content: Uint8Array): Map<NodeId, Identity> {
  const members = new Map<NodeId, Identity>();
  for (const line of new TextDecoder().decode(content).split("\n")) {
    if (line === "") continue;
    const [id, name, ...rest] = line.split(" ");
    if (id === undefined || name === undefined || rest.length > 0) {
      throw new QuorateError("ERR_PROTOCOL_DECODE", "malformed identity record");
    }
    members.set(toNodeId(Number(id)), toIdentity(name));
  }
  return members;
}

/**
 * How a voter counts for a node that knows `members` (Invariant 5, G27).
 *
 * A data directory that the table names is a member whatever it says of itself: it may not have
 * learnt of the founding yet, but it never held another promise, since a wiped or damaged
 * directory has another identity. A claim to be a member is believed against an older table:
 * only a committed record makes a node claim it.
 */
export function effectiveStanding(
  members: IdentityTable,
  voter: NodeId,
  identity: Identity,
  claimed: Standing,
): Standing {
  return members.get(voter) === identity ? "member" : claimed;
}

export function isSameTable(table: IdentityTable, other: IdentityTable): boolean {
  return table.size === other.size && [...table].every(([id, name]) => other.get(id) === name);
}
