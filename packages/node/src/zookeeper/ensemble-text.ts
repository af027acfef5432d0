import { formatAddress } from "../config/address.js";
import type { Member } from "../config/members.js";

/**
 * The members as ZooKeeper writes its dynamic configuration, for clients that read
 * `/zookeeper/config` (Curator's take their connection string from it):
 *
 *   server.ID=HOST:PEER PORT:ELECTION PORT:ROLE;CLIENT HOST:CLIENT PORT
 *
 * one by line, by id, and `version=0`, as of members that were never changed. One member alone is
 * no ensemble: a standalone ZooKeeper shows nothing.
 */
export function ensembleText(members: readonly Member[]): string {
  if (members.length < 2) return "";
  const lines = members.map(({ id, role, message, election, request }) => {
    const peer = `${formatAddress(message)}:${election.port}`;
    const kind = role === "voter" ? "participant" : "observer";
    return `server.${id}=${peer}:${kind};${formatAddress(request)}`;
  });
  return [...lines, "version=0"].join("\n");
}
