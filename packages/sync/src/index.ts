/**
 * Discovery and synchronisation (Zab phases 1 and 2): an epoch is agreed upon, then histories
 * are made equal. ConsentState is the quorum barrier; a LeaderSyncProxy and a FollowerSyncProxy
 * hold one conversation.
 * @packageDocumentation
 */
export { ConsentState, type Gate } from "./consent-state.js";
export {
  FollowerSyncProxy,
  type FollowerSyncDeps,
  type FollowerSyncOptions,
  type FollowerSyncOutcome,
} from "./follower-sync-proxy.js";
export type { FollowerStage } from "./follower-sync-machine.js";
export { LeaderSyncProxy, type Introduction, type LeaderSyncDeps } from "./leader-sync-proxy.js";
export type { FollowerProfile, LeaderStage, LeaderSummary } from "./leader-sync-machine.js";
export { planHistory, type HistoryPlan } from "./plan-history.js";
