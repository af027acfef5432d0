import { afterEach, describe, expect, test } from "vitest";
import {
  makeTxnid,
  QuorateError,
  toEpoch,
  toIdentity,
  toNodeId,
  type BallotDatagram,
  type NodeId,
  type PeerMessenger,
  type PeerMsg,
  type PeerPipe,
} from "@quorate/protocol";

/** How a suite waits: an adapter over sockets polls, a simulated one steps its clock. */
export interface Waiting {
  /** Returns once the condition holds; rejects when it does not come to hold. */
  until(condition: () => boolean): Promise<void>;
}

export interface MessengerHarness extends Waiting {
  readonly cluster: string;
  /** Messengers of nodes 1 and 2, which know each other. */
  readonly first: PeerMessenger;
  readonly second: PeerMessenger;
  close(): Promise<void>;
}

export interface PipeHarness extends Waiting {
  /** The two ends of one established pipe; neither is attached. */
  readonly near: PeerPipe;
  readonly far: PeerPipe;
  /** Cuts the connection as a network would. */
  cut(): void;
  close(): Promise<void>;
}

const one = toNodeId(1);
const two = toNodeId(2);

export function ballotOf(sender: NodeId, cluster: string, round = 1): BallotDatagram {
  return {
    cluster,
    sender,
    bootId: 7n,
    sequence: BigInt(round),
    echo: 0n,
    vote: {
      kind: "vote",
      round,
      status: "electing",
      epoch: toEpoch(2),
      candidate: sender,
      candidateLoggedTxnid: makeTxnid(2, 3),
      candidateCommittedTxnid: makeTxnid(2, 2),
      solicit: false,
      standing: "member",
      identity: toIdentity("00".repeat(16)),
      candidateStanding: "member",
    },
  };
}

/** What every PeerMessenger does, whatever it runs over. */
export function describePeerMessenger(
  name: string,
  createHarness: () => Promise<MessengerHarness>,
): void {
  describe(`PeerMessenger: ${name}`, () => {
    let harness: MessengerHarness | undefined;
    afterEach(async () => harness?.close());

    test("carries a ballot unchanged, and not within send", async () => {
      const { first, second, cluster, until } = (harness = await createHarness());
      const received: BallotDatagram[] = [];
      second.onDatagram((datagram) => received.push(datagram));
      first.send(two, ballotOf(one, cluster));
      expect(received).toEqual([]);
      await until(() => received.length > 0);
      expect(received).toEqual([ballotOf(one, cluster)]);
    });

    test("has one receiver, which null removes", async () => {
      const { first, second, cluster, until } = (harness = await createHarness());
      const old: BallotDatagram[] = [];
      const current: BallotDatagram[] = [];
      second.onDatagram((datagram) => old.push(datagram));
      second.onDatagram(null);
      second.onDatagram((datagram) => current.push(datagram));
      first.send(two, ballotOf(one, cluster));
      await until(() => current.length > 0);
      expect(old).toEqual([]);
    });

    test("drops what goes to an unknown node, and goes on", async () => {
      const { first, second, cluster, until } = (harness = await createHarness());
      const received: BallotDatagram[] = [];
      second.onDatagram((datagram) => received.push(datagram));
      first.send(toNodeId(200), ballotOf(one, cluster));
      first.send(two, ballotOf(one, cluster, 2));
      await until(() => received.length > 0);
      expect(received.map((datagram) => datagram.vote.round)).toEqual([2]);
    });

    test("closes twice, and sends nothing afterwards without complaint", async () => {
      const { first, cluster } = (harness = await createHarness());
      await first.close();
      await first.close();
      expect(() => {
        first.send(two, ballotOf(one, cluster));
      }).not.toThrow();
    });
  });
}

interface Recorded {
  readonly messages: PeerMsg[];
  readonly frames: (readonly PeerMsg[])[];
  readonly reasons: QuorateError[];
}

function record(pipe: PeerPipe): Recorded {
  const recorded: Recorded = { messages: [], frames: [], reasons: [] };
  pipe.attach({
    onMessages(messages) {
      recorded.frames.push(messages);
      recorded.messages.push(...messages);
    },
    onClose: (reason) => recorded.reasons.push(reason),
  });
  return recorded;
}

const commit = (counter: number): PeerMsg => ({ kind: "commit", txnid: makeTxnid(1, counter) });
const reason = new QuorateError("ERR_SERVER_CLOSED", "the test ends");

/** What every PeerPipe does, whatever it runs over. */
export function describePeerPipe(name: string, createHarness: () => Promise<PipeHarness>): void {
  describe(`PeerPipe: ${name}`, () => {
    let harness: PipeHarness | undefined;
    afterEach(async () => harness?.close());

    test("carries messages both ways in order, never within send", async () => {
      const { near, far, until } = (harness = await createHarness());
      const [atNear, atFar] = [record(near), record(far)];
      for (let i = 0; i < 500; i += 1) {
        near.send(commit(i));
        far.send(commit(1000 + i));
      }
      expect([atNear.messages, atFar.messages]).toEqual([[], []]);
      await until(() => atFar.messages.length >= 500 && atNear.messages.length >= 500);
      expect(atFar.messages).toEqual(Array.from({ length: 500 }, (_, i) => commit(i)));
      expect(atNear.messages).toEqual(Array.from({ length: 500 }, (_, i) => commit(1000 + i)));
    });

    test("what is sent in one turn leaves in few frames", async () => {
      const { near, far, until } = (harness = await createHarness());
      const atFar = record(far);
      for (let i = 0; i < 300; i += 1) near.send(commit(i));
      await until(() => atFar.messages.length === 300);
      expect(atFar.frames.length).toBeLessThanOrEqual(2);
    });

    test("keeps what comes before attach and hands it over afterwards, in order", async () => {
      const { near, far, until } = (harness = await createHarness());
      const atNear = record(near);
      near.send(commit(1));
      far.send(commit(99));
      await until(() => atNear.messages.length === 1);
      near.send(commit(2));
      const atFar = record(far);
      expect(atFar.messages).toEqual([]);
      near.send(commit(3));
      await until(() => atFar.messages.length === 3);
      expect(atFar.messages).toEqual([commit(1), commit(2), commit(3)]);
    });

    test("close sends what is queued first, reports once to both, and not within close", async () => {
      const { near, far, until } = (harness = await createHarness());
      const [atNear, atFar] = [record(near), record(far)];
      for (let i = 0; i < 50; i += 1) near.send(commit(i));
      near.close(reason);
      near.close(new QuorateError("ERR_PROTOCOL_DECODE", "later"));
      near.send(commit(50));
      expect(atNear.reasons).toEqual([]);
      await until(() => atNear.reasons.length > 0 && atFar.reasons.length > 0);
      expect(atNear.reasons).toEqual([reason]);
      expect(atFar.reasons).toHaveLength(1);
      expect(atFar.messages).toEqual(Array.from({ length: 50 }, (_, i) => commit(i)));
    });

    test("after close its owner hears no message", async () => {
      const { near, far, until } = (harness = await createHarness());
      const [atNear, atFar] = [record(near), record(far)];
      for (let i = 0; i < 50; i += 1) far.send(commit(i));
      near.close(reason);
      await until(() => atNear.reasons.length > 0 && atFar.reasons.length > 0);
      expect(atNear.messages).toEqual([]);
    });

    test("a cut connection ends both ends once, and what arrived is a prefix (F12)", async () => {
      const { near, far, cut, until } = (harness = await createHarness());
      const [atNear, atFar] = [record(near), record(far)];
      const sent = Array.from({ length: 2000 }, (_, i) => commit(i));
      for (const message of sent.slice(0, 1000)) near.send(message);
      await until(() => atFar.messages.length > 0);
      for (const message of sent.slice(1000)) near.send(message);
      cut();
      await until(() => atNear.reasons.length > 0 && atFar.reasons.length > 0);
      expect(atFar.messages).toEqual(sent.slice(0, atFar.messages.length));
      expect([atNear.reasons.length, atFar.reasons.length]).toEqual([1, 1]);
      expect(atFar.reasons[0]?.code).toBe("ERR_PROTOCOL_CLOSED");
    });

    test("an end that came before attach is reported after what came before it", async () => {
      const { near, far, until } = (harness = await createHarness());
      const atNear = record(near);
      near.send(commit(1));
      near.close(reason);
      await until(() => atNear.reasons.length === 1);
      const atFar = record(far);
      expect(atFar.reasons).toEqual([]);
      await until(() => atFar.reasons.length > 0);
      expect(atFar.messages).toEqual([commit(1)]);
    });

    test("two pipes of one process have different numbers", async () => {
      const { near, far } = (harness = await createHarness());
      expect(near.pipeId).not.toBe(far.pipeId);
    });
  });
}
