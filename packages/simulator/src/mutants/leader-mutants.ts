import type { Mutant } from "./mutant.js";

const LEADER = "packages/broadcast/src/leader.ts";
const SERVER = "packages/server/src/leader-server.ts";
const CONSENT = "packages/sync/src/consent-state.ts";

/** What a leader may get wrong. */
export const leaderMutants: readonly Mutant[] = [
  {
    name: "commit without quorum",
    edits: [
      {
        file: "packages/broadcast/src/commit-tracker.ts",
        find: "if (!this.#quorum.hasQuorumOf(holders)) continue;",
        replace: "",
      },
    ],
  },
  {
    name: "leader counts itself before its disk",
    edits: [
      {
        file: LEADER,
        find: "handler.logProposal(batch);",
        replace:
          "handler.logProposal(batch);" +
          "if (this.#tracker.accept(this.#options.nodeId, batch.last)) this.#committed();",
      },
    ],
  },
  {
    // G1
    name: "initial history not committed",
    edits: [{ file: SERVER, find: "action.commit(this.#initialEnd.txnid);", replace: "" }],
  },
  {
    name: "leader serves before its last gate",
    edits: [
      {
        file: SERVER,
        find: `this.#currentTicket = action.notifyNewCurrentEpoch(epoch);
    } else {`,
        replace: `this.#currentTicket = action.notifyNewCurrentEpoch(epoch);
      this.#establish(epoch);
    } else {`,
      },
    ],
  },
  {
    // G22
    name: "epoch offered before the own promise",
    edits: [
      {
        file: SERVER,
        find: "this.#acceptedTicket = action.notifyNewAcceptedEpoch(epoch, this.#self);",
        replace: "action.notifyNewAcceptedEpoch(epoch, this.#self); this.#offerEpoch();",
      },
    ],
  },
  {
    // ZOOKEEPER-4394, from the other end: a leader takes its whole log for committed.
    name: "history called committed that is not",
    edits: [
      {
        file: "packages/sync/src/history-sender.ts",
        find: "minTxnid(handler.getCommittedPosition().txnid, batch.last)",
        replace: "minTxnid(handler.getLogEnd().txnid, batch.last)",
      },
    ],
  },
  {
    // G28
    name: "connection counted instead of voter",
    edits: [
      {
        file: CONSENT,
        find: "if (!votes.has(this.#self) || !this.#quorum.hasQuorumOf(votes)) return false;",
        replace: `const heard = ((this as { heard?: Record<string, number> }).heard ??= {});
    heard[gate] = (heard[gate] ?? 0) + 1;
    if (!votes.has(this.#self) || !this.#quorum.hasQuorum(heard[gate] ?? 0)) return false;`,
      },
    ],
  },
  {
    // G15
    name: "lease ignored",
    edits: [
      {
        file: LEADER,
        find: "if (!this.#rounds.isLeaseValid(clock.now(), this.#options.timings.leaseMs)) {",
        replace: "if (false) {",
      },
    ],
  },
  {
    // G30
    name: "read index without a round",
    edits: [
      {
        file: "packages/broadcast/src/read-index-queue.ts",
        find: "this.#waiting.push({ mark, done, origin });",
        replace: "done(mark);",
      },
    ],
  },
  {
    name: "refusal answered before the commit it rests on",
    edits: [
      {
        file: "packages/broadcast/src/answers.ts",
        find: "this.#proofs.refused(fid, reqId, after);",
        replace: "this.refuse(fid, reqId, error);\n    if (fid.length > 0) return;",
      },
    ],
  },
  {
    // G15
    name: "lease prolonged by an admission",
    edits: [
      {
        file: "packages/broadcast/src/voter-roll.ts",
        find: "this.#deps.rounds.count(voter);",
        replace: `this.#deps.rounds.addVoter(voter, this.#deps.clock.now());
    this.#deps.rounds.count(voter);`,
      },
    ],
  },
  {
    // ZOOKEEPER-2418: its follower asks for a snapshot, and the bug costs nothing but time.
    name: "plan from a position that nobody holds",
    edits: [
      {
        file: "packages/sync/src/plan-history.ts",
        find: 'return { kind: "truncate", after: leaderFloor };',
        replace:
          'return { kind: "truncate", after: { ...leaderFloor, chain: followerLast.chain } };',
      },
    ],
  },
  {
    name: "unadmitted voter counted",
    edits: [
      {
        file: "packages/server/src/leader-connections.ts",
        find: 'return effectiveStanding(table, id, identity, standing) === "member";',
        replace: "return true;",
      },
    ],
  },
  {
    // G27, in a new ensemble
    name: "founded by a quorum",
    edits: [
      {
        file: "packages/election/src/ballot-machine.ts",
        find: "(isFounding ? this.#founders : this.#quorum)",
        replace: "this.#quorum",
      },
      {
        file: SERVER,
        find: 'action.getStanding() === "empty" ? unanimousQuorum(quorum.voterIds) : quorum',
        replace: "quorum",
      },
      {
        file: "packages/server/src/admissions.ts",
        find: 'this.#action.getStanding() !== "empty" ||',
        replace: "true ||",
      },
    ],
  },
  {
    name: "late peer kept",
    edits: [
      {
        file: "packages/server/src/leader-connections.ts",
        find: "if (isLate || now - lastHeard > followerTimeoutMs) {",
        replace: "if (now - lastHeard > followerTimeoutMs) {",
      },
    ],
  },
];
