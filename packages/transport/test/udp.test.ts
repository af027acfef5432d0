import { createSocket } from "node:dgram";
import { afterEach, describe, expect, test } from "vitest";
import { encodeDatagram, encodeLeaseDatagram } from "@quorate/codec";
import {
  PROTOCOL_VERSION,
  silentLogger,
  toEpoch,
  toNodeId,
  type BallotDatagram,
  type LeaseDatagram,
  type LogData,
  type Logger,
  type NodeId,
} from "@quorate/protocol";
import { ballotOf } from "@quorate/testkit/compliance";
import { Resolver } from "../src/resolver.js";
import {
  createClock,
  createUdpMessenger,
  type PeerAddress,
  type UdpMessengerOptions,
} from "../src/index.js";
import { FakeNames, loopback, makeDeps, one, three, two, until } from "./network.js";

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

/** A messenger of node 2 that knows node 1, and a bare socket that may send it anything. */
async function setUp(options: Partial<UdpMessengerOptions> = {}, logger: Logger = silentLogger) {
  const deps = makeDeps(logger);
  const stranger = createSocket("udp4");
  await new Promise<void>((resolve) => stranger.bind(0, "127.0.0.1", resolve));
  const peers = new Map<NodeId, PeerAddress>();
  peers.set(one, { host: "127.0.0.1", port: stranger.address().port });
  const messenger = await createUdpMessenger(
    { nodeId: two, cluster: "test", bind: loopback, peers, ...options },
    deps,
  );
  closers.push(
    () => messenger.close(),
    () => new Promise<void>((resolve) => stranger.close(resolve)),
  );
  const received: BallotDatagram[] = [];
  messenger.onDatagram((datagram) => received.push(datagram));
  const inbox: Buffer[] = [];
  stranger.on("message", (bytes) => inbox.push(bytes));
  const inject = (bytes: Uint8Array): void => {
    stranger.send(bytes, messenger.address.port, "127.0.0.1");
  };
  return { messenger, meter: deps.meter, received, inbox, inject, peers };
}

const valid = encodeDatagram(ballotOf(one, "test"));
/** A question who leads: also from its own id, which only another process can have sent. */
function soliciting(sender: NodeId): BallotDatagram {
  const ballot = ballotOf(sender, "test");
  return { ...ballot, vote: { ...ballot.vote, solicit: true } };
}

const otherVersion = Uint8Array.from(valid);
otherVersion[1] = 9;

describe("ballots over UDP", () => {
  test.each([
    ["oversized", new Uint8Array(1001)],
    ["garbage", new Uint8Array(100)],
    ["garbage", new Uint8Array(0)],
    ["garbage", valid.subarray(0, 30)],
    ["garbage", Uint8Array.from([...valid, 0])],
    ["other_version", otherVersion],
    ["other_cluster", encodeDatagram(ballotOf(one, "other"))],
    ["unknown_sender", encodeDatagram(ballotOf(three, "test"))],
    ["unknown_sender", encodeDatagram(soliciting(two))],
  ])("%s is dropped and counted, and the next ballot is heard (F13)", async (why, bytes) => {
    const { meter, received, inject } = await setUp();
    inject(bytes);
    inject(valid);
    await until(() => received.length === 1);
    expect(meter.of(`ballot_dropped_${why}`)).toBe(1);
    expect(received).toEqual([ballotOf(one, "test")]);
  });

  test.each([
    ["without an HMAC", valid],
    ["with a wrong one", Uint8Array.from([...valid, ...new Uint8Array(16)])],
    ["too short for one", new Uint8Array(3)],
  ])("with a secret a ballot %s is dropped (G14)", async (_, bytes) => {
    const { meter, received, inject } = await setUp({ secret: "s3cret" });
    inject(bytes);
    await until(() => meter.of("ballot_dropped_bad_mac") === 1);
    expect(received).toEqual([]);
  });

  test("the HMAC of another secret is wrong", async () => {
    const { messenger, inbox, peers } = await setUp({ secret: "a" });
    const other = await setUp({ secret: "b" });
    messenger.send(one, ballotOf(two, "test"));
    await until(() => inbox.length === 1);
    expect(inbox[0]?.length).toBe(encodeDatagram(ballotOf(two, "test")).length + 16);
    other.inject(inbox[0] ?? new Uint8Array());
    await until(() => other.meter.of("ballot_dropped_bad_mac") === 1);
    expect(peers.size).toBe(1);
  });

  test("a solicitor from outside is heard and answered where it asked from", async () => {
    const { messenger, received, inject, inbox, meter } = await setUp();
    const nine = toNodeId(9);
    messenger.send(nine, ballotOf(two, "test"));
    expect(meter.of("ballot_dropped_unknown_receiver")).toBe(1);
    inject(encodeDatagram(soliciting(nine)));
    await until(() => received.length === 1);
    messenger.send(nine, ballotOf(two, "test"));
    await until(() => inbox.length === 1);
    expect(Buffer.from(encodeDatagram(ballotOf(two, "test"))).equals(inbox[0] ?? valid)).toBe(true);
  });

  test("remembers a bounded number of solicitors, the newest", async () => {
    const { messenger, received, inject, meter } = await setUp();
    for (let id = 100; id < 200; id += 1) {
      inject(encodeDatagram(soliciting(toNodeId(id))));
      await until(() => received.length === id - 99);
    }
    for (let id = 100; id < 200; id += 1) messenger.send(toNodeId(id), ballotOf(two, "test"));
    expect(meter.of("ballot_dropped_unknown_receiver")).toBe(100 - 64);
  });

  test("G19, F14: a name is resolved again on use, so a peer that moved is found", async () => {
    const { messenger, inbox, peers } = await setUp();
    const port = peers.get(one)?.port ?? 0;
    peers.set(one, { host: "no-such-host.invalid", port });
    messenger.send(one, ballotOf(two, "test", 1));
    peers.set(one, { host: "localhost", port });
    messenger.send(one, ballotOf(two, "test", 2));
    await until(() => inbox.length === 1);
    expect(Buffer.from(encodeDatagram(ballotOf(two, "test", 2))).equals(inbox[0] ?? valid)).toBe(
      true,
    );
  });

  describe("a name", () => {
    const makeResolver = () => {
      const names = new FakeNames();
      const time = { now: 0 };
      const resolver = new Resolver({ ...createClock(), now: () => time.now }, 4, names.lookup);
      const ask = (): Promise<string | null> =>
        new Promise((resolve) => resolver.resolve("node-1.test", resolve));
      return { names, time, resolver, ask };
    };

    test("is asked of the system", async () => {
      const resolver = new Resolver(createClock(), 4);
      const answer = new Promise((resolve) => resolver.resolve("localhost", resolve));
      expect(await answer).toBe("127.0.0.1");
    });

    test("is asked again once its answer is old, and one that moved is found (F14)", async () => {
      const { names, time, ask } = makeResolver();
      expect(await ask()).toBe("127.0.0.1");
      names.address = "127.0.0.2";
      expect(await ask()).toBe("127.0.0.1");
      expect(names.asked).toHaveLength(1);
      time.now += 1000;
      // What is known is used while the new answer is awaited.
      expect(await ask()).toBe("127.0.0.1");
      await until(() => names.answered === 2);
      expect(await ask()).toBe("127.0.0.2");
      expect(names.asked).toEqual(["node-1.test", "node-1.test"]);
    });

    test("keeps its last address while the name service is gone or silent", async () => {
      const { names, time, resolver, ask } = makeResolver();
      expect(await ask()).toBe("127.0.0.1");
      names.address = null;
      for (let asked = 2; asked < 5; asked += 1) {
        time.now += 1000;
        expect(await ask()).toBe("127.0.0.1");
        await until(() => names.answered === asked);
      }
      names.isSilent = true;
      time.now += 1000;
      let atOnce: string | null = null;
      for (let turn = 0; turn < 3; turn += 1)
        resolver.resolve("node-1.test", (it) => (atOnce = it));
      expect(atOnce).toBe("127.0.0.1");
      expect(names.asked).toHaveLength(5);
    });

    test("that never had an address has none; who waits for it is bounded", async () => {
      const { names, resolver, ask } = makeResolver();
      names.address = null;
      expect(await ask()).toBeNull();
      names.isSilent = true;
      const answers: (string | null)[] = [];
      for (let turn = 0; turn < 300; turn += 1) {
        resolver.resolve("node-2.test", (address) => answers.push(address));
      }
      expect(answers).toEqual(Array.from({ length: 300 - 256 }, () => null));
    });
  });

  test("several peers under one name are all reached, from the first datagram on", async () => {
    const { messenger, inbox, peers } = await setUp();
    const port = peers.get(one)?.port ?? 0;
    peers.set(one, { host: "localhost", port });
    peers.set(three, { host: "localhost", port });
    messenger.send(one, ballotOf(two, "test", 1));
    messenger.send(three, ballotOf(two, "test", 2));
    await until(() => inbox.length === 2);
  });

  test("an answer to port 0, from which a datagram may come, harms nothing", async () => {
    const { messenger, meter, received, inject, peers } = await setUp();
    peers.set(three, { host: "127.0.0.1", port: 0 });
    messenger.send(three, ballotOf(two, "test"));
    expect(meter.of("ballot_dropped_no_port")).toBe(1);
    inject(valid);
    await until(() => received.length === 1);
  });

  test("a peer whose port nobody listens on harms nothing", async () => {
    const { messenger, received, inject, peers } = await setUp();
    peers.set(three, { host: "127.0.0.1", port: 1 });
    for (let i = 0; i < 20; i += 1) messenger.send(three, ballotOf(two, "test"));
    inject(valid);
    await until(() => received.length === 1);
  });

  test("a flood of bad datagrams is one line in the log", async () => {
    const lines: string[] = [];
    const logger: Logger = { ...silentLogger, warn: (message) => lines.push(message) };
    const { meter, inject } = await setUp({}, logger);
    for (let i = 0; i < 50; i += 1) inject(new Uint8Array(10));
    await until(() => meter.of("ballot_dropped_garbage") === 50);
    expect(lines).toHaveLength(1);
  });

  test("another version's ballot is told as that, also amid other bad datagrams", async () => {
    const warned: LogData[] = [];
    const warn: Logger["warn"] = (_message, data) => void warned.push(data ?? {});
    const { meter, inject } = await setUp({}, { ...silentLogger, warn });
    inject(new Uint8Array(10));
    inject(otherVersion);
    await until(() => meter.of("ballot_dropped_other_version") === 1);
    expect(warned.at(-1)).toMatchObject({
      code: "ERR_PROTOCOL_VERSION",
      own: PROTOCOL_VERSION,
      peer: 9,
      host: "127.0.0.1",
    });
  });

  test("a port in use is ERR_SERVER_PORT_IN_USE, a public address without secret refused", async () => {
    const { messenger } = await setUp();
    await expect(setUp({ bind: messenger.address })).rejects.toMatchObject({
      code: "ERR_SERVER_PORT_IN_USE",
    });
    await expect(setUp({ bind: { host: "0.0.0.0", port: 0 } })).rejects.toMatchObject({
      code: "ERR_CONFIG_INSECURE",
    });
  });
});

describe("leases over the same socket", () => {
  const leaseOf = (sender: NodeId, cluster = "test"): LeaseDatagram => ({
    cluster,
    sender,
    bootId: 7n,
    sequence: 1n,
    echo: 0n,
    lease: { kind: "lease", act: "claim", term: toEpoch(3), beat: 5, leaseMs: 1000 },
  });

  test("are carried apart from ballots, both ways", async () => {
    const { messenger, received, inject, inbox } = await setUp();
    const leases: LeaseDatagram[] = [];
    messenger.leases.onDatagram((datagram) => leases.push(datagram));
    inject(encodeLeaseDatagram(leaseOf(one)));
    inject(valid);
    await until(() => leases.length === 1 && received.length === 1);
    expect(leases).toEqual([leaseOf(one)]);
    messenger.leases.send(one, leaseOf(two));
    await until(() => inbox.length === 1);
    expect(Buffer.from(encodeLeaseDatagram(leaseOf(two))).equals(inbox[0] ?? valid)).toBe(true);
  });

  test("may be replied to where they came from, whoever has that id's address", async () => {
    const { messenger, inbox, inject, peers } = await setUp({ secret: undefined });
    peers.set(one, { host: "127.0.0.1", port: 1 });
    messenger.leases.onDatagram((_, reply) => reply(leaseOf(two)));
    inject(encodeLeaseDatagram(leaseOf(one)));
    await until(() => inbox.length === 1);
  });

  test.each([
    ["unknown_sender", encodeLeaseDatagram(leaseOf(three))],
    ["unknown_sender", encodeLeaseDatagram(leaseOf(two))],
    ["other_cluster", encodeLeaseDatagram(leaseOf(one, "other"))],
    ["garbage", encodeLeaseDatagram(leaseOf(one)).subarray(0, 30)],
    ["no_receiver", encodeLeaseDatagram(leaseOf(one))],
  ])("%s is dropped and counted", async (why, bytes) => {
    const { meter, inject } = await setUp();
    inject(bytes);
    await until(() => meter.of(`ballot_dropped_${why}`) === 1);
  });
});
