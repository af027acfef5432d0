import type { ElectionState } from "@quorate/election";
import type { ActionHandler, PeerStatus } from "@quorate/protocol";

/** What a node says of itself in votes: durable values only. */
export function electionStateOf(action: ActionHandler, status: PeerStatus): ElectionState {
  return {
    status,
    standing: action.getStanding(),
    identity: action.getIdentity(),
    currentEpoch: action.getCurrentEpoch(),
    lastLogged: action.getLastLoggedTxid(),
    lastCommitted: action.getLastCommittedTxid(),
  };
}
