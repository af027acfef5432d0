import { formatTxnid, TXNID_ZERO } from "@quorate/protocol";
import { formatAddress } from "../config/address.js";
import type { NodeConfig } from "../config/config.js";
import type { NodeStatus } from "../server-handle.js";
import type { VitalsDocument } from "../vitals.js";

/** The body of `GET /status`. Scripts rely on it: keys are only ever added. */
export interface StatusDocument extends VitalsDocument {
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
  /** `starting` while the log is still being verified. */
  readonly standing: string;
  readonly ready: boolean;
  /** Voters without which a new ensemble is not founded; empty once it is. */
  readonly waitingFor: readonly number[];
  /** All members, and where their clients reach them. */
  readonly nodes: readonly { readonly id: number; readonly requestAddr: string }[];
}

const roles = {
  leading: "leader",
  following: "follower",
  watching: "watcher",
  electing: "electing",
} as const;

/** `status` is null while the server is not there yet. */
export function statusDocument(
  status: NodeStatus | null,
  vitals: VitalsDocument,
  config: Pick<NodeConfig, "cluster" | "nodeId" | "members">,
): StatusDocument {
  const applied = formatTxnid(status?.lastApplied ?? TXNID_ZERO);
  return {
    cluster: config.cluster,
    id: config.nodeId,
    role: roles[status?.role ?? "electing"],
    leader: status?.leader ?? null,
    epoch: status?.epoch ?? 0,
    lastLogged: formatTxnid(status?.lastLogged ?? TXNID_ZERO),
    lastCommitted: formatTxnid(status?.lastCommitted ?? TXNID_ZERO),
    lastApplied: applied,
    digest: (status?.digest ?? 0n).toString(16).padStart(16, "0"),
    digestAt: applied,
    standing: status?.standing ?? "starting",
    ready: status?.ready ?? false,
    waitingFor: status?.waitingFor ?? [],
    ...vitals,
    nodes: config.members.map(({ id, request }) => ({ id, requestAddr: formatAddress(request) })),
  };
}
