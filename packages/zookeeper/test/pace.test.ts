import { describe, expect, test } from "vitest";
import { ZkOp } from "../src/jute/op-codes.js";
import { ARRIVAL_BYTES_PER_TURN_MAX, ARRIVALS_PER_TURN_MAX } from "../src/limits.js";
import { Harness, type RawClient } from "./support/harness.js";

const COUNT = ARRIVALS_PER_TURN_MAX * 3 + 1;

function crowd(): { harness: Harness; clients: RawClient[] } {
  const harness = new Harness({ connectionsPerAddressMax: 0 });
  return { harness, clients: Array.from({ length: COUNT }, () => harness.client()) };
}

describe("clients that all speak at once", () => {
  test("have their turns one after the other, and each is answered", () => {
    const { harness, clients } = crowd();
    harness.service.touched.length = 0;
    for (const client of clients) client.post(ZkOp.exists, { path: "/", watch: false });
    const carriedOut = (): number => harness.service.touched.length;
    const counts = [carriedOut()];
    while (carriedOut() < COUNT) {
      harness.clock.turn();
      counts.push(carriedOut());
    }
    expect(counts).toEqual([1, 2, 3, 4].map((n) => Math.min(n * ARRIVALS_PER_TURN_MAX, COUNT)));
    for (const client of clients) expect(client.settled()).toMatchObject([{ err: 0 }]);
    expect(clients.some(({ channel }) => channel.isPaused)).toBe(false);
  });

  test("have a turn's bytes, too, so that a few large requests are no long turn", () => {
    const harness = new Harness({ connectionsPerAddressMax: 0 });
    const clients = Array.from({ length: 8 }, () => harness.client());
    const data = new Uint8Array(ARRIVAL_BYTES_PER_TURN_MAX / 3);
    harness.service.touched.length = 0;
    for (const client of clients) client.post(ZkOp.setData, { path: "/", data, version: -1 });
    const carriedOut = (): number => harness.service.touched.length;
    const counts = [carriedOut()];
    while (carriedOut() < clients.length && harness.clock.turn()) counts.push(carriedOut());
    expect(counts).toEqual([3, 6, 8]);
    harness.clock.settle();
    expect(clients.some(({ channel }) => channel.isPaused)).toBe(false);
  });

  test("are carried out in the order of each, whatever was split and however often", () => {
    const { harness, clients } = crowd();
    const last = clients.at(-1);
    for (const client of clients) client.post(ZkOp.ping, null, -2);
    expect(last?.channel.isPaused).toBe(true);
    for (let xid = 1; xid <= 5; xid += 1) {
      last?.post(ZkOp.exists, { path: "/", watch: false }, xid);
    }
    const xids = last?.settled().map((one) => (one.kind === "reply" ? one.xid : null));
    expect(xids).toEqual([-2, 1, 2, 3, 4, 5]);
    expect(harness.frontEnd.outstanding).toBe(0);
  });

  test("and hang up while they wait are forgotten, and nothing of theirs is carried out", () => {
    const { harness, clients } = crowd();
    for (const client of clients) client.post(ZkOp.ping, null, -2);
    harness.service.touched.length = 0;
    for (const client of clients) client.channel.hangUp();
    harness.clock.settle();
    expect(harness.service.touched).toEqual([]);
    expect(harness.frontEnd.connections.size).toBe(0);
  });
});
