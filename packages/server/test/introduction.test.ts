import { toEpoch, toIdentity, type Standing } from "@quorate/protocol";
import type { FollowerProfile } from "@quorate/sync";
import { expect, test } from "vitest";
import { judgeIntroduction, type IntroductionContext } from "../src/introduction.js";
import { id } from "./support.js";

const epoch = (value: number): ReturnType<typeof toEpoch> => toEpoch(value);

function contextOf(standing: Standing): IntroductionContext {
  const action = {
    getStanding: () => standing,
    getIdentityTable: () => new Map(),
    getQuorumVerifier: () => ({ voterIds: [id(1), id(2), id(3)] }),
  };
  return { action, epoch: epoch(5), watchers: 0 } as unknown as IntroductionContext;
}

function voter(node: number, standing: Standing): FollowerProfile {
  return { id: id(node), identity: toIdentity("00".repeat(16)), voting: true, standing };
}

test("a leader without a history gives way to a member of a founded ensemble", () => {
  const { introduction, end } = judgeIntroduction(voter(2, "member"), epoch(0), contextOf("empty"));
  expect(introduction).toMatchObject({ kind: "refused", error: { code: "ERR_SYNC_ABDICATED" } });
  expect(end).toMatchObject({ kind: "abdicated" });
});

test("voters count among their like, and none that promised a higher epoch is welcome", () => {
  const judge = (profile: FollowerProfile, own: Standing, accepted = 0): unknown =>
    judgeIntroduction(profile, epoch(accepted), contextOf(own)).introduction;
  expect(judge(voter(2, "member"), "member")).toEqual({ kind: "welcome", isCounted: true });
  expect(judge(voter(2, "empty"), "member")).toEqual({ kind: "welcome", isCounted: false });
  expect(judge(voter(9, "member"), "member")).toMatchObject({
    error: { code: "ERR_PROTOCOL_UNKNOWN_NODE" },
  });
  expect(judge(voter(2, "member"), "member", 6)).toMatchObject({
    error: { code: "ERR_SYNC_EPOCH_STALE" },
  });
});
