// The named cases of data loss and divergence that Quorate must survive. G1 to G20 are defects of
// the Go original (couchbase/gometa), G21 to G32 were found by argument against the design, the
// others are on ZooKeeper's tracker or in the text of the Zab paper. A test shows a case when its
// title says the id. `checkers` are the simulator's that fall when the case comes back.

/** @type {readonly { id: string, holds: string, checkers?: readonly string[] }[]} */
export const scenarioCases = [
  {
    id: "G1",
    holds:
      "a new leader commits all that it had logged at its election before anything of its epoch",
    checkers: ["leaderHoldsCommitted", "committedPrefix", "acknowledgedIsCommitted"],
  },
  {
    id: "G2",
    holds: "a returning node's tail that the leader lacks is truncated",
    checkers: ["oneEntryPerTxnid", "committedPrefix"],
  },
  {
    id: "G3",
    holds: "a stale tail is never streamed under a higher commit mark: no phantom commit",
    checkers: ["oneEntryPerTxnid", "oneSequence", "digestsAgree"],
  },
  {
    id: "G4",
    holds: "a leader gives way to a counted voter whose history is ahead of its own",
    checkers: ["leaderHoldsCommitted"],
  },
  {
    id: "G5",
    holds: "applied state and applied txnid are one: a crash neither repeats nor skips an entry",
    checkers: ["oneSequence", "noHole", "digestsAgree", "exactlyOnce"],
  },
  { id: "G6", holds: "the log is ordered by number, also where decimal text is not" },
  {
    id: "G7",
    holds: "a full queue of a synchronising peer gives that peer up and blocks nobody",
    checkers: ["queuesAreBounded"],
  },
  { id: "G8", holds: "an aborted history stream leaves no reader, task or iterator behind" },
  { id: "G9", holds: "broadcast entries are logged and synchronised like any other entry" },
  { id: "G10", holds: "an operation that is no write is refused before it becomes a proposal" },
  { id: "G11", holds: "notices of membership cannot fill up and stop the leader" },
  { id: "G12", holds: "a lesser or stale vote does not cancel the finalize wait" },
  {
    id: "G13",
    holds: "a repeated packet commits nothing again and moves no mark back",
    checkers: ["oneSequence", "monotonicReads"],
  },
  { id: "G14", holds: "votes of strangers, of other clusters and recorded ones do not count" },
  {
    id: "G15",
    holds: "a leader that cannot prove a quorum stops, and serves no stale linearizable read",
    checkers: ["leaseIsObeyed", "linearizable"],
  },
  {
    id: "G16",
    holds: "every request ends, in a bounded time; an unknown outcome is never retried by us",
    checkers: ["exactlyOnce", "liveness"],
  },
  {
    id: "G17",
    holds: "a half-dead peer is given up within the follower's timeout, not within minutes",
    checkers: ["liveness"],
  },
  {
    id: "G18",
    holds: "the log is compacted below checkpoints; a node far behind gets a snapshot",
    checkers: ["queuesAreBounded", "digestsAgree"],
  },
  { id: "G19", holds: "an address is no identity: it may change while the node keeps its id" },
  { id: "G20", holds: "a winning epoch that is known before a winner does no harm" },
  {
    id: "G21",
    holds: "an epoch is promised to one leader; a second acknowledgement of it is not counted",
    checkers: ["onePromisePerEpoch", "oneLeaderPerEpoch"],
  },
  {
    id: "G22",
    holds: "a leader's own promise is durable before it hands the epoch out",
    checkers: ["ownPromiseFirst", "oneLeaderPerEpoch"],
  },
  {
    id: "G23",
    holds: "a plan covers the log and what is in flight to the disk, so there is no hole",
    checkers: ["newLeaderAckIsDurable", "noHole"],
  },
  {
    id: "G24",
    holds: "no vote, followerInfo or epochAck leaves before the last role's writes are answered",
    checkers: ["voteIsDurable", "epochAckIsDurable"],
  },
  {
    id: "G25",
    holds: "an accept is neither sent nor counted before that follower's newLeaderAck",
    checkers: ["acceptAfterNewLeaderAck", "commitNeedsQuorum"],
  },
  {
    id: "G26",
    holds: "a snapshot becomes current in one switch, at the end of the leader's history",
    checkers: ["newLeaderAckIsDurable", "digestsAgree"],
  },
  {
    id: "G27",
    holds: "a voter that forgot counts nowhere until a committed record admits it",
    checkers: ["commitNeedsQuorum", "leaderHoldsCommitted"],
  },
  {
    id: "G28",
    holds: "voter ids are counted, not connections",
    checkers: ["commitNeedsQuorum", "oneLeaderPerEpoch"],
  },
  {
    id: "G29",
    holds: "an established leader stays, and truncates the longer tail of a node that returns",
    checkers: ["liveness", "committedPrefix"],
  },
  {
    id: "G30",
    holds: "a leader on waking from a pause answers no linearizable read without a new round",
    checkers: ["linearizable", "realTimeOrder"],
  },
  {
    id: "G31",
    holds: "a log that lost its tail to a flipped bit is damaged, never shorter in silence",
    checkers: ["epochsNeverRegress", "commitNeedsQuorum"],
  },
  {
    id: "G32",
    holds: "after a failed sync the process ends, the outcome is unknown, no txnid is used twice",
    checkers: ["oneEntryPerTxnid"],
  },
  {
    id: "ZOOKEEPER-2845",
    holds: "memory after a re-election is what the disk holds, plus the leader's history",
    checkers: ["digestsAgree", "oneSequence"],
  },
  {
    id: "ZOOKEEPER-3023",
    holds: "newLeader is acknowledged only when the synced history is durable",
    checkers: ["newLeaderAckIsDurable"],
  },
  {
    id: "ZOOKEEPER-3911",
    holds: "the same: history, then current epoch, then newLeaderAck",
    checkers: ["newLeaderAckIsDurable"],
  },
  {
    id: "ZOOKEEPER-4646",
    holds: "the same, for a history that is still on its way to the disk",
    checkers: ["newLeaderAckIsDurable"],
  },
  {
    id: "ZOOKEEPER-4685",
    holds: "the same, for the commit mark that follows",
    checkers: ["newLeaderAckIsDurable", "commitNeedsQuorum"],
  },
  {
    id: "ZOOKEEPER-4643",
    holds: "the current epoch rises only behind the history that it stands for",
    checkers: ["newLeaderAckIsDurable", "leaderHoldsCommitted"],
  },
  {
    id: "ZOOKEEPER-4394",
    holds: "during sync nothing above the commit mark is applied",
    checkers: ["commitNeedsQuorum", "oneSequence"],
  },
  {
    id: "ZOOKEEPER-4785",
    holds: "what is proposed while a diff is sent reaches the follower behind it",
    checkers: ["newLeaderAckIsDurable", "noHole"],
  },
  {
    id: "ZOOKEEPER-4882",
    holds: "a failed append ends the role; nothing is acknowledged, no hole is left",
    checkers: ["acceptIsDurable", "noHole"],
  },
  {
    id: "ZOOKEEPER-4925",
    holds: "a batch that does not continue the log is refused everywhere",
    checkers: ["noHole", "totalOrder"],
  },
  {
    id: "ZOOKEEPER-2418",
    holds: "a diff that would begin beyond the peer's end becomes a snapshot",
    checkers: ["noHole", "digestsAgree"],
  },
  {
    id: "Zab text, issue 1",
    holds: "nobody receives a commit whose proposal it was not sent",
    checkers: ["noHole"],
  },
  {
    id: "Zab text, issue 2",
    holds: "a proposal that comes twice around sync is ignored",
    checkers: ["oneSequence", "exactlyOnce"],
  },
  {
    id: "Zab text, issue 3",
    holds: "a peer that joins is told the newest commit mark, not an older one",
    checkers: ["liveness", "linearizable"],
  },
];

/** The ids that a title names: "G1", "ZOOKEEPER-3023, 3911", "Zab text, issues 1 and 3". */
export function scenarioIdsIn(title) {
  const ids = new Set(title.match(/\bG\d{1,2}\b/g) ?? []);
  for (const [group] of title.matchAll(/ZOOKEEPER-\d{4}(?:, \d{4})*/g)) {
    for (const number of group.match(/\d{4}/g)) ids.add(`ZOOKEEPER-${number}`);
  }
  for (const [, list] of title.matchAll(/Zab text, issues? (\d(?:(?:, | and )\d)*)/g)) {
    for (const number of list.match(/\d/g)) ids.add(`Zab text, issue ${number}`);
  }
  return ids;
}
