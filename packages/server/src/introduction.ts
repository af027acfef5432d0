import { QuorateError, WATCHERS_PER_NODE_MAX, type Epoch } from "@quorate/protocol";
import type { FollowerProfile, Introduction } from "@quorate/sync";
import { effectiveStanding } from "./identity-record.js";
import type { RoleEnd, RoleHandler } from "./role.js";

export interface IntroductionContext {
  readonly action: RoleHandler;
  /** The new epoch, if it is known. */
  readonly epoch: Epoch | null;
  /** Watchers connected already. */
  readonly watchers: number;
}

export interface Judgement {
  readonly introduction: Introduction;
  /** The leader must not go on. */
  readonly end?: RoleEnd;
}

/**
 * Whether a peer is welcome, and whether its word counts at the gates (G27): voters count among
 * their like, members with members, empty ones with empty ones, and one that forgot never.
 */
export function judgeIntroduction(
  profile: FollowerProfile,
  acceptedEpoch: Epoch,
  context: IntroductionContext,
): Judgement {
  const { action, epoch, watchers } = context;
  const { id, identity, standing, voting } = profile;
  if (!voting) {
    return watchers < WATCHERS_PER_NODE_MAX
      ? { introduction: { kind: "welcome", isCounted: false } }
      : refused(new QuorateError("ERR_SERVER_BUSY", "too many watchers", { retryable: true }));
  }
  if (!action.getQuorumVerifier().voterIds.includes(id)) {
    return refused(new QuorateError("ERR_PROTOCOL_UNKNOWN_NODE", "not a configured voter"));
  }
  const own = action.getStanding();
  const claimed = effectiveStanding(action.getIdentityTable(), id, identity, standing);
  if (own === "empty" && claimed === "member") {
    return refused(new QuorateError("ERR_SYNC_ABDICATED", "this node holds no history"), {
      kind: "abdicated",
      reason: `node ${id} belongs to a founded ensemble`,
    });
  }
  const isCounted = claimed === own && own !== "recovering";
  if (isCounted && epoch !== null && acceptedEpoch > epoch) {
    // It can never follow this epoch; a later one must be above its promise.
    return refused(new QuorateError("ERR_SYNC_EPOCH_STALE", "a higher epoch is promised"), {
      kind: "superseded",
      acceptedEpoch,
    });
  }
  return { introduction: { kind: "welcome", isCounted } };
}

function refused(error: QuorateError, end?: RoleEnd): Judgement {
  const introduction: Introduction = { kind: "refused", error };
  return end === undefined ? { introduction } : { introduction, end };
}
