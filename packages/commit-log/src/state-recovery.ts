import { join } from "node:path";
import type { Migrations } from "./migrations.js";
import { StateDatabase } from "./state-database.js";
import { isUnreadable, storeErrorOf, throwIfRefused } from "./store-errors.js";
import { quarantine, STATE_FILE } from "./store-files.js";
import type { RowsRef } from "./worker-messages.js";

export interface OpenedState {
  /** Null when it cannot be opened, or not be read. */
  readonly state: StateDatabase | null;
  /** Null when the rows are as log.db says. */
  readonly problem: string | null;
}

/** Opens state.db and verifies the rows that log.db names. */
export function openState(
  directory: string,
  rows: RowsRef | null,
  walBytesMax: number,
  migrations?: Migrations,
): OpenedState {
  let state: StateDatabase | null = null;
  try {
    state = new StateDatabase(directory, rows, walBytesMax, migrations);
    return { state, problem: state.verify() };
  } catch (error) {
    if (!isUnreadable(error) && storeErrorOf(error).code !== "ERR_STORE_DAMAGED") throw error;
    state?.close();
    throwIfRefused(error, join(directory, STATE_FILE));
    return { state: null, problem: storeErrorOf(error).message };
  }
}

/** An empty state.db in the place of one that is damaged, which is kept aside. */
export function resetState(
  directory: string,
  damaged: StateDatabase | null,
  walBytesMax: number,
): StateDatabase {
  damaged?.close();
  quarantine(directory, STATE_FILE);
  return new StateDatabase(directory, null, walBytesMax);
}
