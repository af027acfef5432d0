import { formatTxnid } from "@quorate/protocol";
import { formatAddress } from "../config/address.js";
import type { NodeConfig } from "../config/config.js";
import type { NodeStatus } from "../server-handle.js";

/** The body of `GET /status`. Scripts rely on it: keys are only ever added. */
export interface StatusDocument {
  readonly cluster: string;
  readonly id: number;
  readonly role: "leader" | "follower" | "watcher" | "electing";
  /** Null while nobody leads. */
  readonly leader: number | null;
  readonly epoch: number;
  /** Txnids in their printed form, `e7:12`. */
  readonly lastLogged: string;
  readonly lastCommitted: string;
  readonly lastApplied: string;
  /** 16 hex digits; equal on all nodes at the same `digestAt`. */
  readonly digest: string;
  readonly digestAt: string;
  readonly standing: string;
  readonly ready: boolean;
  /** All members, and where their clients reach them. */
  readonly nodes: readonly { readonly id: number; readonly requestAddr: string }[];
}

const roles = {
  leading: "leader",
  following: "follower",
  watching: "watcher",
  electing: "electing",
} as const;

export function statusDocument(
  status: NodeStatus,
  config: Pick<NodeConfig, "cluster" | "host" | "peers">,
): StatusDocument {
  const members = [config.host, ...config.peers].sort((a, b) => a.id - b.id);
  return {
    cluster: config.cluster,
    id: status.id,
    role: roles[status.role],
    leader: status.leader,
    epoch: status.epoch,
    lastLogged: formatTxnid(status.lastLogged),
    lastCommitted: formatTxnid(status.lastCommitted),
    lastApplied: formatTxnid(status.lastApplied),
    digest: status.digest.toString(16).padStart(16, "0"),
    digestAt: formatTxnid(status.lastApplied),
    standing: status.standing,
    ready: status.ready,
    nodes: members.map(({ id, request }) => ({ id, requestAddr: formatAddress(request) })),
  };
}
