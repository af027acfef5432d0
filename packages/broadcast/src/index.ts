/**
 * Normal operation (Zab phase 3): the leader turns requests into one order of proposals, followers
 * log and accept them, and what a quorum has accepted is committed in that order.
 * @packageDocumentation
 */
export { CommitTracker } from "./commit-tracker.js";
export { Follower, type FollowerDeps } from "./follower.js";
export { HeartbeatRounds } from "./heartbeat-rounds.js";
export { Leader } from "./leader.js";
export type {
  JoiningFollower,
  LeaderDeps,
  LeaderOptions,
  SessionKeeper,
} from "./leader-options.js";
export { ObserverQueue, observerIdOf } from "./observer-queue.js";
