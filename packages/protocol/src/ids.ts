import { QuorateError } from "./errors.js";
import { NODE_ID_MAX, NODE_ID_MIN } from "./limits.js";

declare const nodeIdBrand: unique symbol;
declare const identityBrand: unique symbol;

/** A configured member of the ensemble, 1..254 (ZooKeeper's `myid`). Never an address. */
export type NodeId = number & { readonly [nodeIdBrand]: true };

/**
 * The random name of one data directory, 32 lowercase hex digits. A directory that was wiped, or
 * found damaged, gets another: what its predecessor promised is forgotten, so it is not the same
 * voter any more.
 */
export type Identity = string & { readonly [identityBrand]: true };

/** Which data directory the ensemble knows under each node id. */
export type IdentityTable = ReadonlyMap<NodeId, Identity>;

/** @throws ERR_ARG_NODE_ID. */
export function toNodeId(value: number): NodeId {
  if (!Number.isInteger(value) || value < NODE_ID_MIN || value > NODE_ID_MAX) {
    throw new QuorateError(
      "ERR_ARG_NODE_ID",
      `a node id is an integer in ${NODE_ID_MIN}..${NODE_ID_MAX}`,
      { details: { value } },
    );
  }
  return value as NodeId;
}

/** The seed's `fid`: the node id in decimal. */
export function fidOf(id: NodeId): string {
  return String(id);
}

/** @throws ERR_ARG_NODE_ID. */
export function nodeIdOfFid(fid: string): NodeId {
  return toNodeId(/^\d{1,3}$/.test(fid) ? Number(fid) : Number.NaN);
}

/** @throws ERR_ARG_VALUE. */
export function toIdentity(text: string): Identity {
  if (!/^[0-9a-f]{32}$/.test(text)) {
    throw new QuorateError("ERR_ARG_VALUE", "an identity is 32 lowercase hex digits");
  }
  return text as Identity;
}

/**
 * How a node may take part in a quorum.
 * - `member`: its data directory is the one that the ensemble knows; it counts.
 * - `empty`: no ensemble has ever been founded on it; counts only among empty nodes.
 * - `recovering`: it forgot (wiped, replaced or damaged); counts nowhere until re-admitted.
 */
export type Standing = "member" | "empty" | "recovering";
