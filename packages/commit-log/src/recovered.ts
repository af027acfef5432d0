import type { RecoveredState } from "@quorate/protocol";
import type { CheckpointFact, OpenedLog, RowsRef } from "./worker-messages.js";

export function recoveredOf(opened: OpenedLog): RecoveredState {
  const { checkpoint } = opened;
  return {
    identity: opened.identity,
    acceptedEpoch: opened.acceptedEpoch,
    currentEpoch: opened.currentEpoch,
    logStart: opened.logStart,
    lastLogged: opened.lastLogged,
    commitMark: opened.commitMark,
    checkpoint:
      checkpoint === null
        ? null
        : {
            position: checkpoint.position,
            digest: checkpoint.digest,
            members: checkpoint.members,
            generation: checkpoint.generation,
          },
    members: new Map(opened.members),
    damage: opened.damage,
  };
}

export function rowsRefOf({ table, generation, rowCount, rowSum }: CheckpointFact): RowsRef {
  return { table, generation, rowCount, rowSum };
}
