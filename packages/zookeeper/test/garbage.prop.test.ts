import fc from "fast-check";
import { expect, test } from "vitest";
import { requestRecords } from "../src/jute/schema.js";
import { ZkOp } from "../src/jute/op-codes.js";
import { JuteWriter } from "../src/jute/writer.js";
import { create, framed, Harness } from "./support/harness.js";

const byte = fc.oneof(fc.constantFrom(0, 0, 0, 0, 1, 2, 4, 47, 97, 255), fc.nat(255));
const bytes = fc.array(byte, { maxLength: 80 }).map((values) => new Uint8Array(values));
const op = fc.oneof(fc.constantFrom(...requestRecords.keys()), fc.integer());

/** A request of some operation with a body of anything. */
const request = fc.tuple(op, bytes).map(([type, body]) => {
  const writer = new JuteWriter();
  writer.int(7);
  writer.int(type);
  writer.raw(body);
  return framed(writer.bytes());
});

const session = fc.array(fc.oneof({ weight: 4, arbitrary: request }, bytes), { maxLength: 12 });

test("whatever a client sends, its neighbour is served and nothing is left behind", () => {
  fc.assert(
    fc.property(session, fc.boolean(), fc.boolean(), (pieces, hasSession, isPaused) => {
      const harness = new Harness();
      const neighbour = harness.client();
      neighbour.call(ZkOp.create, create("/a"));
      const client = hasSession ? harness.client() : harness.accept();
      harness.service.isAutomatic = !isPaused;
      for (const piece of pieces) {
        client.channel.feed(piece);
        harness.clock.settle();
      }
      harness.service.applyAll();
      harness.service.isAutomatic = true;
      harness.clock.settle();
      expect(neighbour.call(ZkOp.exists, { path: "/", watch: false }).err).toBe(0);
      client.channel.hangUp();
      neighbour.channel.hangUp();
      harness.clock.settle();
      expect(harness.frontEnd.connections.size).toBe(0);
      expect(harness.frontEnd.outstanding).toBe(0);
      expect(harness.frontEnd.watches.size).toBe(0);
      expect(harness.clock.timerCount).toBe(0);
    }),
    { numRuns: 1000 },
  );
});
