import { QuorateError } from "@quorate/protocol";
import type { StagedSnapshot, StateMachine, StateRows } from "@quorate/protocol";
import type { Replica } from "./replica.js";

export interface LoadedAheadDeps {
  readonly stateMachine: StateMachine;
  /** The state machine holds a part of a state from here on, or does not any more. */
  onLoad?(phase: "begun" | "done"): void;
  /** Rows that are damaged, or a state of the host's that threw: nobody knows what it is now. */
  onFailed(error: QuorateError): void;
}

/**
 * Loads the rows of a snapshot while they are received, on a node without any state: it need not
 * read back from its disk what it has written there.
 *
 * Safety: nobody reads a state that is being loaded, and nobody is answered behind the install
 * before `Replica.load` has found the rows to give the snapshot's digest. What a snapshot that
 * comes to nothing leaves behind is reset, to the empty state that was there: a node that has one
 * of its own keeps that until the snapshot is current (G26), and loads it then.
 */
export class LoadedAhead {
  readonly #deps: LoadedAheadDeps;
  readonly #replica: () => Replica;
  #of: StagedSnapshot | null = null;

  constructor(deps: LoadedAheadDeps, replica: () => Replica) {
    this.#deps = deps;
    this.#replica = replica;
  }

  begin(staged: StagedSnapshot): void {
    if (this.#of !== null) this.drop(this.#of);
    const replica = this.#replica();
    if (!replica.isEmpty) return;
    this.#of = staged;
    this.#deps.onLoad?.("begun");
    this.#change(() => replica.beginLoading());
  }

  add(staged: StagedSnapshot, rows: StateRows): void {
    if (this.#of !== staged) return;
    this.#change(() => this.#deps.stateMachine.restore(rows));
  }

  /** Whether all of its rows are in the state machine: `Replica.load` is next. */
  take(staged: StagedSnapshot): boolean {
    const isLoaded = this.#of === staged;
    if (isLoaded) this.#of = null;
    return isLoaded;
  }

  drop(staged: StagedSnapshot): void {
    if (this.#of !== staged) return;
    this.#of = null;
    this.#change(() => this.#replica().resetLoading());
    this.#deps.onLoad?.("done");
  }

  #change(change: () => void): void {
    try {
      change();
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error;
      this.#of = null;
      this.#deps.onFailed(error);
    }
  }
}
