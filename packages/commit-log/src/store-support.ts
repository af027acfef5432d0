import type { Logger, Meter, RecoveredState } from "@quorate/protocol";
import type { CheckpointFact, OpenedLog, RowsRef } from "./worker-messages.js";

export interface LogStoreOptions {
  readonly meter: Meter;
  readonly logger: Logger;
  readonly diskTimeoutMs: number;
  /**
   * Its threads hold the files until this settles. When it is late, the close did not wait for it.
   */
  onEnding(ended: Promise<unknown>, isLate: boolean): void;
}

/** What the threads have found. */
export interface OpenedStore {
  readonly log: OpenedLog;
  /** Whether the next checkpoint should write all rows. */
  readonly isFullDue: boolean;
}

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

/** What an action comes to, or "late" when it takes longer. */
export async function withDeadline<T>(action: Promise<T>, ms: number): Promise<T | "late"> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(() => resolve("late"), ms);
  });
  try {
    return await Promise.race([action, late]);
  } finally {
    clearTimeout(timer);
  }
}
