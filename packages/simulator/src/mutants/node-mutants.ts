import type { Mutant } from "./mutant.js";

const ACTION = "packages/server/src/server-action.ts";
const REPLICA = "packages/server/src/replica.ts";
const CORE = "packages/server/src/node-core.ts";
const VOTES = "packages/election/src/vote-order.ts";

/** Alone it would be harmless. */
const OFTEN_A_SNAPSHOT = {
  file: "packages/sync/src/plan-history.ts",
  find: 'if (leaderFloor === null) return { kind: "snapshot" };',
  replace:
    "if (leaderFloor === null || followerLast.txnid % 2n === 1n)" + ' return { kind: "snapshot" };',
};

/** What a node may get wrong, whatever its role. */
export const nodeMutants: readonly Mutant[] = [
  {
    // G26
    name: "snapshot loaded over a state before it is current",
    edits: [
      OFTEN_A_SNAPSHOT,
      {
        file: "packages/server/src/loaded-ahead.ts",
        find: "if (!replica.isEmpty) return;",
        replace: "",
      },
      {
        file: REPLICA,
        find: 'assert(this.isEmpty, "there is no state that the rows have replaced");',
        replace: "",
      },
    ],
  },
  {
    name: "commit out of order",
    edits: [
      {
        file: REPLICA,
        find: `for (const batch of this.#unapplied) {
      if (batch.last > upTo) break;`,
        replace: `for (const batch of [...this.#unapplied].reverse()) {
      if (batch.last > upTo) continue;`,
      },
    ],
  },
  {
    name: "committed entry applied twice",
    edits: [
      {
        file: REPLICA,
        find: "this.#unapplied = this.#unapplied.slice(count);",
        replace: "this.#unapplied = this.#unapplied.slice(count - 1);",
      },
    ],
  },
  {
    // Discovery stands above it: whoever lacks history abdicates, so nobody ever leads.
    name: "vote order broken",
    edits: [
      {
        file: VOTES,
        find: "compareTxnids(a.loggedTxnid, b.loggedTxnid) ||",
        replace: "compareTxnids(b.loggedTxnid, a.loggedTxnid) ||",
      },
    ],
  },
  {
    // G4
    name: "follower's history not looked at",
    edits: [
      {
        file: VOTES,
        find: `compareTxnids(a.loggedTxnid, b.loggedTxnid) ||
    compareTxnids(a.committedTxnid, b.committedTxnid) ||`,
        replace: "",
      },
      {
        file: "packages/sync/src/leader-sync-machine.ts",
        find: "if (isAhead) {",
        replace: "if (false) {",
      },
    ],
  },
  {
    // G27
    name: "wiped voter counted",
    edits: [
      {
        file: ACTION,
        find: 'return isEmpty ? "empty" : "recovering";',
        replace: 'return "member";',
      },
    ],
  },
  {
    // G24
    name: "no barrier between roles",
    edits: [
      {
        file: CORE,
        find: "await Promise.race([this.action.quiesce(), this.#aborted]);",
        replace: "this.action.failure;",
      },
    ],
  },
  {
    // F29, with G24
    name: "barrier blind to a failed store",
    edits: [
      {
        file: "packages/server/src/ticket-ledger.ts",
        find: "this.#open = [];\n    this.#wakeIdle();",
        replace: "this.#open = [];",
      },
    ],
  },
  {
    name: "request number reused",
    edits: [
      {
        file: "packages/server/src/request-manager.ts",
        find: "(deps.random.nextUint64() >> 2n) + 1n",
        replace: "1n",
      },
    ],
  },
  {
    name: "replayed admission overwrites the table",
    edits: [
      {
        file: "packages/server/src/member-tables.ts",
        find: "if (isCheckpoints) this",
        replace: "this",
      },
    ],
  },
];
