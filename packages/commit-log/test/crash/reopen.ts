import { formatTxnid, PackedRows, type Identity, type StateRow } from "@quorate/protocol";
import { openLogFiles, repairLog } from "../../src/log-recovery.js";
import type { StoreSchema } from "../../src/migrations.js";
import { SCHEMA } from "../../src/schema.js";
import type { StateDatabase } from "../../src/state-database.js";
import { openState, resetState } from "../../src/state-recovery.js";
import type { OpenedLog, RowsRef } from "../../src/worker-messages.js";

const WAL_BYTES_MAX = 4_000_000;

export interface Reopened {
  readonly identity: Identity;
  /** Epochs and end of the log, in the form in which the workload notes them. */
  readonly state: string;
  readonly damage: string | null;
  /** Found by this open and not by one before. */
  readonly problems: readonly string[];
  /** Keys of the checkpoint's rows. */
  readonly keys: readonly string[];
}

/** The steps of an open, as the two threads do them, without the threads. */
export function reopen(directory: string, schema: StoreSchema = SCHEMA): Reopened {
  const files = openLogFiles(directory, 2000, schema);
  try {
    let log: OpenedLog = files.opened;
    const opened = openState(directory, log.checkpoint, WAL_BYTES_MAX, schema.state);
    let { state } = opened;
    const problems = [...log.problems, ...(opened.problem === null ? [] : [opened.problem])];
    if (problems.length > 0) {
      const isCheckpointLost = opened.problem !== null;
      const repair = { kind: "repair", problems, isCheckpointLost } as const;
      log = files.db.transaction(() => repairLog(files, repair)).immediate();
      if (isCheckpointLost) state = resetState(directory, state, WAL_BYTES_MAX);
    }
    files.highWater.write(files.writer.highWater);
    const rows = log.checkpoint === null || state === null ? [] : rowsOf(state, log.checkpoint);
    state?.close();
    return {
      identity: log.identity,
      state: stateOf(log),
      damage: log.damage,
      problems,
      keys: rows.map(({ key }) => Buffer.from(key).toString()).sort(),
    };
  } finally {
    files.highWater.close();
    files.db.close();
  }
}

function rowsOf(state: StateDatabase, rows: RowsRef): StateRow[] {
  state.pin(1, rows);
  const all: StateRow[] = [];
  for (;;) {
    const packed = state.read(1, 1e9);
    if (packed.byteLength === 0) return all;
    all.push(...new PackedRows(new Uint8Array(packed)));
  }
}

function stateOf({ lastLogged, acceptedEpoch, currentEpoch }: OpenedLog): string {
  return `${formatTxnid(lastLogged.txnid)} ${acceptedEpoch.epoch} ${currentEpoch}`;
}

/** What a disk may hold, read off the lines up to some point. */
export class Expectation {
  /** The states after the last answered write and after all later ones. */
  readonly states: ReadonlySet<string>;
  /** The keys of the last finished checkpoint, and of those that had begun to be made current. */
  readonly keys: ReadonlySet<string>;
  /** Every end that the log ever had, in all of the run. */
  readonly ends: ReadonlySet<string>;
  readonly answered: string;
  readonly isOpen: boolean;

  constructor(lines: readonly string[], all: readonly string[] = lines) {
    const writes: (readonly [ticket: number, state: string])[] = [[0, "e0:0 0 0"]];
    let answered = 0;
    let keys = [""];
    for (const line of lines) {
      const [kind, first = "", ...rest] = line.split(" ");
      if (kind === "write") writes.push([Number(first), rest.join(" ")]);
      if (kind === "answer") answered = Number(first);
      if (kind === "rows") keys.push(first);
      if (kind === "current") keys = [first];
    }
    const from = writes.findLastIndex(([ticket]) => ticket <= answered);
    this.answered = writes[from]?.[1] ?? "";
    this.states = new Set(writes.slice(from).map(([, state]) => state));
    this.keys = new Set(keys);
    this.isOpen = lines.includes("open");
    this.ends = new Set(["e0:0", ...all.flatMap(endIn)]);
  }
}

function endIn(line: string): string[] {
  const [kind, first = "", second = ""] = line.split(" ");
  if (kind === "write") return [second];
  return kind === "end" ? [first] : [];
}
