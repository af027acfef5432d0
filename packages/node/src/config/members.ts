import { ENSEMBLE_SIZE_MAX, QuorateError, toNodeId, type NodeId } from "@quorate/protocol";
import { formatAddress, parseAddress, type Address } from "./address.js";
import type { ConfigInput } from "./schema.js";

/** What a member is by configuration; who leads among the voters is for them to elect. */
export type MemberRole = "voter" | "watcher";

/** One member of the ensemble, and where it is reached. */
export interface Member {
  readonly id: NodeId;
  readonly role: MemberRole;
  /** Ballots, UDP. */
  readonly election: Address;
  /** Peers, WebSocket. */
  readonly message: Address;
  /** Native clients and status, HTTP and WebSocket. */
  readonly request: Address;
}

export interface Members {
  /** What this node binds. */
  readonly host: Member;
  /** Every other member that is listed, as this node reaches it. */
  readonly peers: readonly Member[];
  /** All members by id, as others reach them: this node as the list names it, else as it binds. */
  readonly members: readonly Member[];
}

/** @throws ERR_CONFIG_VALUE, ERR_CONFIG_RELATION. */
export function membersOf(input: ConfigInput, nodeId: NodeId): Members {
  const listed = input.peers ?? [];
  const ids = listed.map((peer) => peer.id);
  const twice = ids.findIndex((id, i) => ids.indexOf(id) !== i);
  if (twice !== -1) {
    throw new QuorateError("ERR_CONFIG_RELATION", `peers: id ${ids[twice] ?? 0} is listed twice`, {
      details: { key: `peers.${twice}.id` },
    });
  }
  // A list that names every member may be the same in all files; then it gives the host as well.
  const index = ids.indexOf(nodeId);
  const named = listed[index];
  const own = input.host ?? named;
  if (own === undefined) {
    const why = listed.length === 0 ? "" : `: peers does not list node ${nodeId}`;
    throw new QuorateError("ERR_CONFIG_VALUE", `host: is required${why}`, {
      details: { key: "host" },
    });
  }
  const role = ownRole(input.role, named, nodeId);
  const host = memberOf(nodeId, { ...own, role }, hostSetting(input, nodeId));
  const peers = listed
    .map((peer, i) => memberOf(toNodeId(peer.id), peer, `peers.${i}`))
    .filter(({ id }) => id !== nodeId);
  const settingOf = (id: NodeId): string =>
    id === nodeId ? hostSetting(input, nodeId) : `peers.${ids.indexOf(id)}`;
  refuseSharedAddresses([host, ...peers], settingOf);
  const self = named === undefined ? host : memberOf(nodeId, { ...named, role }, `peers.${index}`);
  const members = [self, ...peers].sort((a, b) => a.id - b.id);
  refuseVoterCount(members.filter((member) => member.role === "voter").length);
  return { host, peers, members };
}

/** Where the addresses that this node binds are given. */
export function hostSetting(input: ConfigInput, nodeId: NodeId): string {
  if (input.host !== undefined) return "host";
  return `peers.${(input.peers ?? []).findIndex(({ id }) => id === nodeId)}`;
}

/** @throws ERR_CONFIG_RELATION. */
export function upstreamsOf(input: ConfigInput, host: Member, peers: readonly Member[]): NodeId[] {
  const upstreams = (input.upstreams ?? []).map(toNodeId);
  const refuse = (why: string): never => {
    throw new QuorateError("ERR_CONFIG_RELATION", `upstreams: ${why}`, {
      details: { key: "upstreams" },
    });
  };
  if (upstreams.length > 0 && host.role === "voter") refuse("a voter follows whoever is elected");
  for (const id of upstreams) {
    if (!peers.some((peer) => peer.id === id)) refuse(`peers does not list node ${id}`);
  }
  return upstreams;
}

/** All nodes must agree on who votes, so the list that they share has the say. */
function ownRole(
  role: MemberRole | undefined,
  named: { readonly role?: MemberRole | undefined } | undefined,
  nodeId: NodeId,
): MemberRole {
  if (named === undefined) return role ?? "voter";
  const listed = named.role ?? "voter";
  if (role === undefined || role === listed) return listed;
  throw new QuorateError(
    "ERR_CONFIG_RELATION",
    `role: this node is to be a ${role}, and peers lists node ${nodeId} as a ${listed}`,
    { details: { key: "role" } },
  );
}

function refuseVoterCount(count: number): void {
  if (count > ENSEMBLE_SIZE_MAX) {
    throw new QuorateError("ERR_CONFIG_VALUE", `an ensemble has 1..${ENSEMBLE_SIZE_MAX} voters`, {
      details: { key: "peers" },
    });
  }
  if (count === 0) {
    throw new QuorateError(
      "ERR_CONFIG_RELATION",
      "peers: names no voter, and watchers alone elect nobody",
      { details: { key: "peers" } },
    );
  }
}

type RawMember = Omit<NonNullable<ConfigInput["peers"]>[number], "id">;

function memberOf(id: NodeId, raw: RawMember, where: string): Member {
  return {
    id,
    role: raw.role ?? "voter",
    election: parseAddress(raw.electionAddr, `${where}.electionAddr`),
    message: parseAddress(raw.messageAddr, `${where}.messageAddr`),
    request: parseAddress(raw.requestAddr, `${where}.requestAddr`),
  };
}

function refuseSharedAddresses(
  members: readonly Member[],
  settingOf: (id: NodeId) => string,
): void {
  const seen = new Map<string, string>();
  for (const member of members) {
    // Election is UDP and does not collide with the TCP ports.
    for (const kind of ["election", "message", "request"] as const) {
      if (member[kind].port === 0) continue;
      const protocol = kind === "election" ? "udp" : "tcp";
      const address = formatAddress(member[kind]);
      const name = `${kind}Addr of node ${member.id}`;
      const other = seen.get(`${protocol} ${address}`);
      if (other !== undefined) {
        throw new QuorateError("ERR_CONFIG_RELATION", `${name} is also the ${other}: ${address}`, {
          details: { key: `${settingOf(member.id)}.${kind}Addr` },
        });
      }
      seen.set(`${protocol} ${address}`, name);
    }
  }
}
