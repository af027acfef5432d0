import {
  assert,
  OpCode,
  type Identity,
  type IdentityTable,
  type Logger,
  type NodeId,
} from "@quorate/protocol";
import type { FollowerProfile, LeaderSyncProxy } from "@quorate/sync";
import type { RoleHandler } from "./role.js";

/**
 * The leader's record of who is who: it founds the ensemble with those that opened the last gate,
 * which are all voters unless the operator vouched for some (`trustEmpty`), and admits whoever
 * joins and is not in the table.
 *
 * Safety: the rule is the table, not whether a voter counted at the gates. Left out of the table a
 * voter would be recovering in the next epoch, and what it helped to commit would miss it (G27).
 */
export class Admissions {
  readonly #action: RoleHandler;
  readonly #logger: Logger;
  readonly #propose: (op: number, members: IdentityTable) => void;
  /** What is proposed and perhaps not logged yet. Null until the leader is open. */
  #proposed: Map<NodeId, Identity> | null = null;

  constructor(
    action: RoleHandler,
    logger: Logger,
    propose: (op: number, members: IdentityTable) => void,
  ) {
    this.#action = action;
    this.#logger = logger;
    this.#propose = propose;
  }

  /** The leader is established and these have joined it. */
  open(joined: readonly LeaderSyncProxy[]): void {
    this.#proposed = new Map();
    if (this.#action.getIdentityTable().size === 0) this.#found(joined);
    for (const { profile } of joined) if (profile !== null) this.joined(profile);
  }

  /** A peer has joined: it holds the whole history, so a committed record may admit it. */
  joined({ id, identity, voting }: FollowerProfile): void {
    // Before the leader is open nothing can be proposed; `open` comes back to it.
    if (!voting || this.#proposed === null) return;
    const known = this.#proposed.get(id) ?? this.#action.getIdentityTable().get(id);
    if (known === identity) return;
    this.#proposed.set(id, identity);
    this.#propose(OpCode.admitVoter, new Map([[id, identity]]));
  }

  #found(joined: readonly LeaderSyncProxy[]): void {
    const members = new Map([[this.#action.getNodeId(), this.#action.getIdentity()]]);
    for (const proxy of joined) {
      const { profile } = proxy;
      if (profile?.voting === true && proxy.canFollowerVote()) {
        members.set(profile.id, profile.identity);
      }
    }
    const { voterIds } = this.#action.getQuorumVerifier();
    assert(
      this.#action.getStanding() !== "empty" || members.size === voterIds.length,
      "empty voters found an ensemble all together",
      { members: [...members.keys()] },
    );
    this.#logger.info("founding the ensemble", { voters: [...members.keys()] });
    this.#proposed = new Map(members);
    this.#propose(OpCode.foundEnsemble, members);
  }
}
