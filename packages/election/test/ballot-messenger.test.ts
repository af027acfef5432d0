import {
  defaultMsgFactory,
  majorityQuorum,
  TXNID_ZERO,
  EPOCH_ZERO,
  toIdentity,
  toNodeId,
  type BallotDatagram,
} from "@quorate/protocol";
import { describe, expect, it } from "vitest";
import { BallotMessenger } from "../src/ballot-messenger.js";
import { FOREIGN_SIGNS_MIN } from "../src/double-suspicion.js";
import { ANSWERS_PER_WINDOW_MAX, BOOTS_PER_PEER_MAX } from "../src/envelope.js";
import { VirtualClock } from "./support/virtual-clock.js";

const MY_BOOT = 77n;
const vote = defaultMsgFactory.createVote({
  round: 1,
  status: "electing",
  epoch: EPOCH_ZERO,
  candidate: toNodeId(2),
  candidateLoggedTxnid: TXNID_ZERO,
  candidateCommittedTxnid: TXNID_ZERO,
  candidateStanding: "member",
  solicit: false,
  standing: "member",
  identity: toIdentity("00".repeat(16)),
});

function fromTwo(fields: Partial<BallotDatagram> = {}): BallotDatagram {
  const sender = toNodeId(2);
  return { cluster: "c", sender, bootId: 5n, sequence: 10n, echo: MY_BOOT, vote, ...fields };
}

function bench() {
  const sent: { to: number; datagram: BallotDatagram }[] = [];
  const clock = new VirtualClock();
  const messenger = new BallotMessenger(
    {
      self: toNodeId(1),
      cluster: "c",
      bootId: MY_BOOT,
      quorum: majorityQuorum([1, 2, 3].map(toNodeId)),
      answerWindowMs: 50,
      resendMsMax: 500,
    },
    {
      send: (to, datagram) => sent.push({ to, datagram }),
      onDatagram: () => undefined,
      close: async () => Promise.resolve(),
    },
    clock,
  );
  return { messenger, sent, clock };
}

describe("a ballot datagram", () => {
  it("is fresh when it echoes this start, and only once (F13, G14)", () => {
    const { messenger } = bench();
    expect(messenger.judge(fromTwo())).toBe("fresh");
    expect(messenger.judge(fromTwo())).toBe("refused");
    expect(messenger.judge(fromTwo({ sequence: 9n }))).toBe("refused");
    expect(messenger.judge(fromTwo({ sequence: 11n }))).toBe("fresh");
  });

  it("is unproved when it echoes no start or another one (F13)", () => {
    const { messenger } = bench();
    expect(messenger.judge(fromTwo({ echo: 0n }))).toBe("unproved");
    expect(messenger.judge(fromTwo({ echo: 76n }))).toBe("unproved");
    // Nothing was counted, so the same number may still prove itself.
    expect(messenger.judge(fromTwo())).toBe("fresh");
  });

  it("that echoes another start after this one tells of a second node, once", async () => {
    const { messenger, clock } = bench();
    const told: number[] = [];
    messenger.judge(fromTwo({ sequence: 1n }));
    for (let i = 2; i <= 30; i += 1) {
      messenger.judge(fromTwo({ echo: 76n, sequence: BigInt(i) }));
      if (messenger.takeDoubleSuspicion()) told.push(clock.now());
      await clock.advance(500);
    }
    expect(told).toEqual([(FOREIGN_SIGNS_MIN - 1) * 500]);
  });

  it("that echoes another start, from a peer that never heard this one, tells nothing", async () => {
    const { messenger, clock } = bench();
    // What peer 3 has heard is no proof of what peer 2 has.
    messenger.judge(fromTwo({ sender: toNodeId(3), bootId: 9n }));
    for (let i = 1; i <= 30; i += 1) {
      messenger.judge(fromTwo({ echo: 76n, sequence: BigInt(i) }));
      await clock.advance(500);
    }
    expect(messenger.takeDoubleSuspicion()).toBe(false);
  });

  it("is refused from another cluster, a stranger, and from itself (G14)", () => {
    const { messenger } = bench();
    expect(messenger.judge(fromTwo({ cluster: "d" }))).toBe("refused");
    expect(messenger.judge(fromTwo({ sender: toNodeId(9) }))).toBe("refused");
    expect(messenger.judge(fromTwo({ sender: toNodeId(1) }))).toBe("refused");
  });

  it("of a stranger is heard when it only asks who leads", () => {
    const { messenger } = bench();
    const asking = fromTwo({ sender: toNodeId(9), vote: { ...vote, solicit: true }, echo: 0n });
    expect(messenger.judge(asking)).toBe("unproved");
  });

  it("of a living start gets through after a delayed one of the start before", () => {
    const { messenger } = bench();
    expect(messenger.judge(fromTwo({ bootId: 6n, sequence: 1n }))).toBe("fresh");
    expect(messenger.judge(fromTwo({ bootId: 5n, sequence: 10n }))).toBe("fresh");
    expect(messenger.judge(fromTwo({ bootId: 6n, sequence: 1n }))).toBe("refused");
    expect(messenger.judge(fromTwo({ bootId: 6n, sequence: 2n }))).toBe("fresh");
    expect(messenger.judge(fromTwo({ bootId: 5n, sequence: 10n }))).toBe("refused");
  });

  it("of an earlier start stays refused for BOOTS_PER_PEER_MAX starts", () => {
    const { messenger } = bench();
    for (let start = 0; start < BOOTS_PER_PEER_MAX; start += 1) {
      messenger.judge(fromTwo({ bootId: BigInt(100 + start) }));
    }
    expect(messenger.judge(fromTwo({ bootId: 100n }))).toBe("refused");
  });
});

describe("what is sent", () => {
  it("echoes the receiver's latest start and never repeats a sequence", () => {
    const { messenger, sent } = bench();
    messenger.multicast(vote);
    messenger.judge(fromTwo({ echo: 0n }));
    expect(messenger.hasEchoed(toNodeId(2))).toBe(false);
    messenger.answer(toNodeId(2), vote);
    expect(messenger.hasEchoed(toNodeId(2))).toBe(true);
    expect(sent.map(({ to, datagram }) => [to, datagram.sequence, datagram.echo])).toEqual([
      [2, 1n, 0n],
      [3, 2n, 0n],
      [2, 3n, 5n],
    ]);
  });

  it("holds at most ANSWERS_PER_WINDOW_MAX answers to one peer within a window", async () => {
    const { messenger, sent, clock } = bench();
    for (let i = 0; i < ANSWERS_PER_WINDOW_MAX; i += 1) {
      expect(messenger.answer(toNodeId(2), vote)).toBe(true);
    }
    expect(messenger.answer(toNodeId(2), vote)).toBe(false);
    expect(messenger.answer(toNodeId(3), vote)).toBe(true);
    expect(sent).toHaveLength(ANSWERS_PER_WINDOW_MAX + 1);
    await clock.advance(50);
    expect(messenger.answer(toNodeId(2), vote)).toBe(true);
  });
});
