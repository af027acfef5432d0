/** A seed that once failed. */
export interface Regression {
  readonly seed: number;
  /** What broke. */
  readonly broke: string;
  /** Why it holds now. */
  readonly holds: string;
  /**
   * The mutant that plants the bug again. A seed finds what it once found only as long as the
   * simulator draws the same faults; its mutant finds it for ever.
   */
  readonly mutant?: string;
}

export const regressions: readonly Regression[] = [
  {
    seed: 1,
    broke: "a late founder was counted though the founding table did not name it",
    holds: "once there is a table a voter counts only if that has its identity",
    mutant: "unadmitted voter counted",
  },
  {
    seed: 1,
    broke: "a refusal was judged on state that was never committed, and its client told",
    holds: "a refusal waits for the commits that it rests on and for a proof of leading",
    mutant: "refusal answered before the commit it rests on",
  },
  {
    seed: 1,
    broke: "an admission that was committed late prolonged the lease of a leader that was cut off",
    holds: "an admitted voter counts for the lease as of what it has answered",
    mutant: "lease prolonged by an admission",
  },
  {
    seed: 19,
    broke: "the barrier between roles waited for ever behind a full disk",
    holds: "the barrier ends with the failure after which nothing will be answered",
    mutant: "barrier blind to a failed store",
  },
  {
    seed: 135,
    broke: "an admission replayed from the log overwrote a newer identity table",
    holds: "records below the commit mark found at start are older than the table on the disk",
    mutant: "replayed admission overwrites the table",
  },
  {
    seed: 343,
    broke:
      "a leader short of its quorum waited at the last gate for ever, since recovering voters " +
      "came back again and again and passed for progress, while the members it needed elected",
    holds: "only voters that count, and have not acknowledged yet, keep a leader waiting",
  },
  {
    seed: 379,
    broke:
      "the checker asked a leader that had been stopped at its last gate for what later leaders " +
      "had committed meanwhile",
    holds: "a leader must hold what was committed in earlier epochs; it commits nothing else",
  },
  {
    seed: 412,
    broke:
      "a voter whose log was damaged behind an accept that was on its way passed for one that " +
      "had never held the entry",
    holds:
      "an answer that reached a leader stands for its epoch, whatever happens to the disk after it",
  },
  {
    seed: 826,
    broke:
      "the last question was on its way when its half-open pipe was reset, and passed for deaf",
    holds: "the last questions are asked again, within a bound, while their outcome is unknown",
  },
  {
    seed: 1027,
    broke: "the lease's checker took a leader for alone whose links were open one way at a time",
    holds: "what reached a voter while the way there was open is proven when the way back is",
  },
  {
    seed: 8,
    broke:
      "a write that waited in the leader's queue behind slow disks was proposed seconds after " +
      "its client had been told that its session lives at another server",
    holds: "a move has its place in the order of writes, behind all that came before it",
    mutant: "move told before it is in the order",
  },
  {
    seed: 1,
    broke:
      "a node without a quorum had not heard of a session yet, and told its read-only client " +
      "that it was gone",
    holds: "such a node says nothing of a session that it does not know, and closes the connection",
    mutant: "session unknown without a quorum called gone",
  },
  {
    seed: 19,
    broke:
      "a read-only client set its watches at a node that loaded its state after a full disk, and " +
      "was told of nodes deleted that were there",
    holds: "while the state is loaded nothing is told of it, and the connection closes",
    mutant: "watches set while the state is loaded",
  },
  {
    seed: 572,
    broke:
      "a follower behind a slow link served a state of five seconds ago, and its clients' ends",
    holds: "a leader gives up a peer that owes the answer to a heartbeat for too long",
    mutant: "late peer kept",
  },
];
