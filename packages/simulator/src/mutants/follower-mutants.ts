import type { Mutant } from "./mutant.js";

const FOLLOWER = "packages/broadcast/src/follower-machine.ts";
const SYNC = "packages/sync/src/follower-sync-machine.ts";
const PROXY = "packages/sync/src/follower-sync-proxy.ts";

/** What a follower may get wrong. */
export const followerMutants: readonly Mutant[] = [
  {
    name: "accept before persist",
    edits: [
      {
        file: FOLLOWER,
        find: 'return [{ kind: "logProposal", batch }];',
        replace:
          'return [{ kind: "logProposal", batch }, { kind: "sendAccept", txnid: batch.last }];',
      },
    ],
  },
  {
    name: "NewLeaderAck before persist",
    edits: [
      {
        file: PROXY,
        find: "this.#currentEpochTicket = handler.notifyNewCurrentEpoch(effect.epoch);",
        replace:
          "handler.notifyNewCurrentEpoch(effect.epoch);" +
          'this.#step({ kind: "currentEpochPersisted" });',
      },
    ],
  },
  {
    name: "EpochAck before persist",
    edits: [
      {
        file: PROXY,
        find: `this.#acceptedEpochTicket = handler.notifyNewAcceptedEpoch(
          effect.epoch,
          this.#options.leader,
        );`,
        replace:
          "handler.notifyNewAcceptedEpoch(effect.epoch, this.#options.leader);" +
          'this.#step({ kind: "acceptedEpochPersisted" });',
      },
    ],
  },
  {
    // ZOOKEEPER-4643
    name: "epoch before history",
    edits: [
      {
        file: PROXY,
        find: 'case "append":\n        this.#historyWritten(',
        replace:
          'case "append": handler.notifyNewCurrentEpoch(handler.getAcceptedEpoch());' +
          "this.#historyWritten(",
      },
    ],
  },
  {
    // G2
    name: "no truncate",
    edits: [
      {
        file: PROXY,
        find: "this.#lastHistoryTicket = handler.truncateAfter(effect.after);",
        replace: "",
      },
    ],
  },
  {
    // The leader does not stand down before a higher promise, and its follower breaks it.
    name: "stale epoch accepted",
    edits: [
      {
        file: "packages/server/src/introduction.ts",
        find: "if (epoch !== null && acceptedEpoch > epoch) {",
        replace: "if (false) {",
      },
      {
        file: SYNC,
        find: 'return this.#fail("ERR_SYNC_EPOCH_STALE", `epoch ${epoch} is below ${acceptedEpoch}`);',
        replace: "return this.#acknowledgeEpoch(false);",
      },
    ],
  },
  {
    // G21
    name: "second ack of one epoch counted",
    edits: [
      {
        file: SYNC,
        find: "this.#acknowledgeEpoch(acceptedLeader !== leader)",
        replace: "this.#acknowledgeEpoch(false)",
      },
    ],
  },
  {
    // ZOOKEEPER-4394
    name: "history applied above the commit mark",
    edits: [
      {
        file: PROXY,
        find: "handler.logAndCommit(effect.batch, handler.getLastCommittedTxid())",
        replace: "handler.logAndCommit(effect.batch, effect.batch.last)",
      },
    ],
  },
  {
    // Zab text, issue 2: a leader may say it twice, a follower must not do it twice.
    name: "redundant proposal logged again",
    edits: [
      {
        file: "packages/broadcast/src/leader.ts",
        find: "this.#peers.sendToFollowers(factory.createProposal(batch), batch.bytes.length);",
        replace:
          "for (let i = 0; i < 2; i += 1)" +
          " this.#peers.sendToFollowers(factory.createProposal(batch), batch.bytes.length);",
      },
      {
        file: FOLLOWER,
        find: "if (batch.last <= this.#received.txnid) return [];",
        replace: 'if (batch.last <= this.#received.txnid) return [{ kind: "logProposal", batch }];',
      },
    ],
  },
  {
    // G25
    name: "accept before NewLeaderAck",
    edits: [
      {
        file: PROXY,
        find: 'pipe.send({ kind: "syncProgress", received: effect.received });',
        replace:
          'pipe.send({ kind: "syncProgress", received: effect.received });' +
          "pipe.send(factory.createAccept(handler.getLastLoggedTxid(), handler.getFollowerId()));",
      },
    ],
  },
  {
    // G26; every follower gets a snapshot, which alone would be harmless.
    name: "snapshot switched too early",
    edits: [
      {
        file: "packages/sync/src/plan-history.ts",
        find: 'if (leaderFloor === null) return { kind: "snapshot" };',
        replace: 'return { kind: "snapshot" };',
      },
      {
        file: SYNC,
        find: "staged.complete = true;\n    return [];",
        replace:
          "this.#staged = null;\n" +
          '    return [{ kind: "installStaged", upTo: this.#stagedMark }];',
      },
    ],
  },
];
