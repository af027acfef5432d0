import { describe, expect, it } from "vitest";
import {
  silentLogger,
  type BallotDatagram,
  type LogData,
  type PeerMessenger,
} from "@quorate/protocol";
import { AttentiveMessenger } from "../src/ballot-silence.js";
import { buildConfig } from "../src/config/config.js";
import { realClock } from "./support.js";

/** A clock whose only timer runs a second after it was set. */
class SecondClock {
  #now = 0;
  #timer: (() => void) | null = null;
  readonly clock = {
    ...realClock,
    now: () => this.#now,
    setTimer: (_ms: number, callback: () => void) => {
      this.#timer = callback;
      return { cancel: () => (this.#timer = null) };
    },
  };

  get isRunning(): boolean {
    return this.#timer !== null;
  }

  pass(seconds: number, each: () => void = () => undefined): void {
    for (let i = 0; i < seconds; i += 1) {
      this.#now += 1000;
      each();
      this.#timer?.();
    }
  }
}

function setUp(own: Record<string, unknown> = {}) {
  const at = (port: number) => ({
    electionAddr: `127.0.0.1:${port}`,
    messageAddr: `127.0.0.1:${port + 1}`,
    requestAddr: `127.0.0.1:${port + 2}`,
  });
  const peers = [1, 2, 3].map((id) => ({ id, ...at(9000 + 10 * id) }));
  const config = buildConfig({ nodeId: 1, dataDir: "d", peers, ...own });
  const time = new SecondClock();
  const warnings: [string, LogData | undefined][] = [];
  let receive: ((datagram: BallotDatagram) => void) | null = null;
  const sent: unknown[] = [];
  const inner: PeerMessenger = {
    send: (to) => void sent.push(to),
    onDatagram: (receiver) => void (receive = receiver),
    close: () => Promise.resolve(),
  };
  const state = { isElecting: true };
  const messenger = new AttentiveMessenger(inner, config, {
    clock: time.clock,
    logger: {
      ...silentLogger,
      warn: (message: string, data?: LogData) => void warnings.push([message, data]),
    },
    isElecting: () => state.isElecting,
  });
  const received: unknown[] = [];
  messenger.onDatagram((datagram) => void received.push(datagram));
  const hear = (sender: number): void => receive?.({ sender } as BallotDatagram);
  return { messenger, time, warnings, state, hear, received, sent };
}

describe("a node that elects", () => {
  it("and hears nobody says so, with the ports, that they are UDP, and what else to compare", () => {
    const { time, warnings } = setUp();
    time.pass(3);
    expect(warnings).toEqual([]);
    time.pass(1);
    expect(warnings).toEqual([
      [
        "no vote arrives from any other node",
        {
          silent: ["2 at udp 127.0.0.1:9020", "3 at udp 127.0.0.1:9030"],
          boundTo: "udp 127.0.0.1:9010",
          hint: expect.stringMatching(
            /UDP here \(TCP in ZooKeeper\).*`cluster` and the secret: .*`dropped a ballot/,
          ) as string,
        },
      ],
    ]);
    time.pass(29);
    expect(warnings).toHaveLength(1);
    time.pass(1);
    expect(warnings).toHaveLength(2);
  });

  it("and hears enough for a quorum says nothing, until it hears them no more", () => {
    const { time, warnings, hear, received } = setUp();
    time.pass(20, () => hear(3));
    expect(warnings).toEqual([]);
    expect(received).toHaveLength(20);
    time.pass(4);
    expect(warnings.map(([message]) => message)).toEqual(["no vote arrives from any other node"]);
  });

  it("and hears too few names the silent ones", () => {
    const more = { id: 4, electionAddr: "9040", messageAddr: "9041", requestAddr: "9042" };
    const base = [1, 2, 3].map((id) => ({
      id,
      electionAddr: `${9000 + 10 * id}`,
      messageAddr: `${9001 + 10 * id}`,
      requestAddr: `${9002 + 10 * id}`,
    }));
    const { time, warnings, hear } = setUp({ peers: [...base, more] });
    time.pass(4, () => hear(2));
    expect(warnings).toMatchObject([
      [
        "votes arrive from too few nodes for a quorum",
        { silent: ["3 at udp 127.0.0.1:9030", "4 at udp 127.0.0.1:9040"] },
      ],
    ]);
  });

  it("as a watcher needs one that answers", () => {
    const host = { electionAddr: "9090", messageAddr: "9091", requestAddr: "9092" };
    const watcher = { nodeId: 9, role: "watcher", host };
    const deaf = setUp(watcher);
    deaf.time.pass(4);
    expect(deaf.warnings).toHaveLength(1);
    const told = setUp(watcher);
    told.time.pass(10, () => told.hear(2));
    expect(told.warnings).toEqual([]);
  });

  it("alone needs nobody", () => {
    const peers = [{ id: 1, electionAddr: "1", messageAddr: "2", requestAddr: "3" }];
    const { time, warnings } = setUp({ peers });
    time.pass(10);
    expect(warnings).toEqual([]);
  });
});

describe("a node that has a role", () => {
  it("may hear nobody", () => {
    const { time, warnings, state } = setUp();
    state.isElecting = false;
    time.pass(10);
    expect(warnings).toEqual([]);
    state.isElecting = true;
    time.pass(3);
    expect(warnings).toEqual([]);
    time.pass(1);
    expect(warnings).toHaveLength(1);
  });

  it("passes on what is sent, and stops looking when it is closed", async () => {
    const { messenger, time, sent, hear, received } = setUp();
    messenger.send(2 as never, {} as never);
    expect(sent).toEqual([2]);
    messenger.onDatagram(null);
    hear(2);
    expect(received).toEqual([]);
    await messenger.close();
    expect(time.isRunning).toBe(false);
  });
});
