import { assert } from "./assert.js";
import { ENSEMBLE_SIZE_MAX } from "./limits.js";
import type { NodeId } from "./ids.js";
import { QuorateError } from "./errors.js";

/** Decides whether a set of voters is a quorum. Any two quorums intersect. */
export interface QuorumVerifier {
  /** Configured voters, ascending. */
  readonly voterIds: readonly NodeId[];
  /** The original's form, for a bare count of distinct configured voters. */
  hasQuorum(count: number): boolean;
  /** Ids that are not configured voters do not count; an id counts once. */
  hasQuorumOf(voterIds: Iterable<NodeId>): boolean;
}

/** More than half of the configured voters. @throws ERR_CONFIG_VALUE on an empty or large set. */
export function majorityQuorum(voters: Iterable<NodeId>): QuorumVerifier {
  return verifier(voters, (count, size) => count * 2 > size);
}

/** Every configured voter: what it takes to found an ensemble (ADR 0005). */
export function unanimousQuorum(voters: Iterable<NodeId>): QuorumVerifier {
  return verifier(voters, (count, size) => count === size);
}

function verifier(
  voters: Iterable<NodeId>,
  isEnough: (count: number, size: number) => boolean,
): QuorumVerifier {
  const ids = new Set(voters);
  if (ids.size === 0 || ids.size > ENSEMBLE_SIZE_MAX) {
    throw new QuorateError("ERR_CONFIG_VALUE", `an ensemble has 1..${ENSEMBLE_SIZE_MAX} voters`, {
      details: { voters: ids.size },
    });
  }
  const voterIds = [...ids].sort((a, b) => a - b);
  const hasQuorum = (count: number): boolean => {
    assert(count <= voterIds.length, "more voters counted than configured", { count });
    return isEnough(count, voterIds.length);
  };
  return {
    voterIds,
    hasQuorum,
    hasQuorumOf(candidates) {
      const counted = new Set<NodeId>();
      for (const id of candidates) if (ids.has(id)) counted.add(id);
      return hasQuorum(counted.size);
    },
  };
}
