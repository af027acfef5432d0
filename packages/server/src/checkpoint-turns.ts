import type { NodeId, QuorumVerifier } from "@quorate/protocol";

/**
 * By what share of the interval a node's first checkpoint comes sooner than that of the others:
 * voters are spread evenly, so that at most one of them writes while the load is steady. A node
 * that does not vote stands between two of them.
 */
export function turnOf(node: NodeId, quorum: QuorumVerifier): number {
  const { voterIds } = quorum;
  const place = [...voterIds].sort((a, b) => a - b).indexOf(node);
  const turn = place === -1 ? (node % voterIds.length) + 0.5 : place;
  return turn / voterIds.length;
}

/**
 * The same for a node that has been given the checkpoint of another one: from where that one
 * stands to the own place. 0 up to below 1.
 */
export function turnAfter(node: NodeId, giver: NodeId | 0, quorum: QuorumVerifier): number {
  if (giver === 0) return turnOf(node, quorum);
  const turn = turnOf(node, quorum) - turnOf(giver, quorum);
  return turn < 0 ? turn + 1 : turn;
}
