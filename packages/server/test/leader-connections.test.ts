import type { JoiningFollower, Leader } from "@quorate/broadcast";
import {
  DEFAULT_TIMINGS,
  defaultMsgFactory,
  LOG_START,
  majorityQuorum,
  silentLogger,
  silentMeter,
  toEpoch,
  toIdentity,
  type Identity,
  type NodeId,
  type PeerMsg,
  type PeerPipe,
  type PipeEvents,
} from "@quorate/protocol";
import { ConsentState } from "@quorate/sync";
import { expect, test } from "vitest";
import { Admissions } from "../src/admissions.js";
import { LeaderConnections } from "../src/leader-connections.js";
import type { RoleHandler } from "../src/role.js";
import { id, VirtualClock } from "./support.js";

const EPOCH = toEpoch(1);

/** All gates are open by nodes 1 and 2 of three. */
function openConsent(): ConsentState {
  const consent = new ConsentState(id(1), majorityQuorum([1, 2, 3].map(id)));
  for (const voter of [id(1), id(2)]) consent.voteAcceptedEpoch(voter, toEpoch(0));
  for (const voter of [id(1), id(2)]) consent.voteEpochAck(voter);
  for (const voter of [id(1), id(2)]) consent.voteNewLeaderAck(voter);
  return consent;
}

/** A leader's own state with nothing in its log, as far as its connections look at it. */
function memberAction(table: ReadonlyMap<NodeId, Identity>): RoleHandler {
  const action: Partial<RoleHandler> = {
    getNodeId: () => id(1),
    getStanding: () => "member",
    getIdentityTable: () => table,
    getQuorumVerifier: () => majorityQuorum([1, 2, 3].map(id)),
    findLogPosition: () => Promise.resolve(LOG_START),
    getLogEnd: () => LOG_START,
  };
  return action as RoleHandler;
}

test("G27: a voter admitted while it synchronises anew counts as soon as it joins", async () => {
  const identity = toIdentity("3".repeat(32));
  const table = new Map<NodeId, Identity>();
  const action = memberAction(table);
  const connections = new LeaderConnections(
    {
      timings: DEFAULT_TIMINGS,
      summary: { currentEpoch: toEpoch(0), lastLogged: LOG_START.txnid },
      consent: openConsent(),
    },
    {
      action,
      admissions: new Admissions(action, silentLogger, () => undefined),
      clock: new VirtualClock(),
      logger: silentLogger,
      meter: silentMeter,
      factory: defaultMsgFactory,
      onGateOpened: () => undefined,
      onProgress: () => undefined,
      onPromise: () => undefined,
      onEnd: () => undefined,
    },
  );
  const joined: JoiningFollower[] = [];
  let answerMs = 0;
  let closed: string | null = null;
  const leader: Partial<Leader> = {
    addObserver: () => undefined,
    removeObserver: () => undefined,
    removeMember: () => undefined,
    addFollower: (follower) => void joined.push(follower),
    lagOf: (of) => (of === pipe && joined.length > 0 ? { entries: 3, answerMs } : null),
  };
  connections.established(leader as Leader);
  connections.epochReady(EPOCH);
  const sent: PeerMsg["kind"][] = [];
  let events: PipeEvents | null = null;
  const pipe: PeerPipe = {
    peer: id(3),
    pipeId: 1,
    queuedBytes: 12,
    attach: (to) => void (events = to),
    send: ({ kind }) => void sent.push(kind),
    close: ({ message }) => void (closed = message),
  };
  connections.accept(pipe);
  const receive = (message: PeerMsg): void => events?.onMessages([message]);
  const [acceptedEpoch, currentEpoch] = [toEpoch(0), toEpoch(0)];
  receive(
    defaultMsgFactory.createFollowerInfo({
      acceptedEpoch,
      fid: "3",
      voting: true,
      standing: "recovering",
      identity,
    }),
  );
  receive(
    defaultMsgFactory.createEpochAck({ lastLogged: LOG_START, currentEpoch, uncounted: false }),
  );
  while (!sent.includes("newLeader")) await new Promise((resolve) => setImmediate(resolve));
  expect(connections.pressure()).toEqual([{ peer: id(3), queueBytes: 12, lagEntries: null }]);
  // Proposed when it had joined over an earlier pipe, and committed only now.
  table.set(id(1), toIdentity("1".repeat(32)));
  table.set(id(3), identity);
  receive(defaultMsgFactory.createNewLeaderAck(EPOCH));
  expect(joined).toMatchObject([{ identity, isCounted: true }]);
  expect(connections.pressure()).toEqual([{ peer: id(3), queueBytes: 12, lagEntries: 3 }]);
  // It says something all the time, and what it hears is old.
  const late = 2 * DEFAULT_TIMINGS.followerTimeoutMs;
  for (const [ms, text] of [
    [late, null],
    [late + 1, "the peer answers too late"],
  ] as const) {
    answerMs = ms;
    connections.tick(0);
    expect(closed).toBe(text);
  }
  expect(connections.pressure()).toEqual([]);
});
