import { EPOCH_FLOOR_JUMP_MAX, EPOCH_FLOOR_MAX, OpCode, QuorateError } from "@quorate/protocol";
import { ZnodeOp } from "@quorate/znode";
import { describe, expect, test } from "vitest";
import { createOf, Ensemble } from "./support.js";

function raise(floor: number, force = false): Uint8Array {
  const content = new Uint8Array(5);
  new DataView(content.buffer).setUint32(0, floor);
  content[4] = force ? 1 : 0;
  return content;
}

async function threeNodes(): Promise<Ensemble> {
  const ensemble = new Ensemble(3);
  await ensemble.start(...ensemble.voters);
  await ensemble.clock.until(() => ensemble.allReady());
  return ensemble;
}

/** What the leader answers, asked through a node: its epoch, or the code of the refusal. */
async function ask(ensemble: Ensemble, at: number, content: Uint8Array): Promise<number | string> {
  try {
    const asked = ensemble.server(at).submit(OpCode.raiseEpoch, "", content);
    const answer = (await ensemble.settle(asked)).content;
    return new DataView(answer.buffer, answer.byteOffset).getUint32(0);
  } catch (error) {
    if (error instanceof QuorateError) return error.code;
    throw error;
  }
}

/** As whoever needs a higher epoch does. Gives how often it asked. */
async function raiseUntilAbove(ensemble: Ensemble, at: number, content: Uint8Array) {
  const floor = new DataView(content.buffer).getUint32(0);
  for (let times = 1; times <= 10; times += 1) {
    const answer = await ask(ensemble, at, content);
    if (typeof answer === "number" && answer > floor) return times;
    await ensemble.clock.until(() => ensemble.allReady());
  }
  throw new Error("the epoch did not rise");
}

describe("an epoch that the operator raises", () => {
  test("is above the floor everywhere, and writes go on", async () => {
    const ensemble = await threeNodes();
    const before = await ensemble.settle(
      ensemble.server(1).submit(ZnodeOp.create, "/a", createOf(new Uint8Array(3))),
    );
    const follower = ensemble.voters.find((id) => id !== ensemble.leader?.status().id) ?? 1;
    expect(await raiseUntilAbove(ensemble, follower, raise(5000))).toBeLessThanOrEqual(4);
    await ensemble.clock.until(() => ensemble.allReady());
    const epochs = [...ensemble.servers.values()].map((one) => one.status().epoch);
    expect(new Set(epochs).size).toBe(1);
    expect(epochs[0]).toBeGreaterThan(5000);
    const after = await ensemble.settle(
      ensemble.server(2).submit(ZnodeOp.create, "/b", createOf(new Uint8Array(3))),
    );
    expect(Number(after.txnid >> 32n)).toBe(epochs[0]);
    expect(after.txnid).toBeGreaterThan(before.txnid);
    for (const one of ensemble.servers.values()) await ensemble.settle(one.stop());
    // The promise is durable: no restart goes below it.
    await ensemble.start(...ensemble.voters);
    await ensemble.clock.until(() => ensemble.allReady());
    expect(ensemble.leader?.status().epoch).toBeGreaterThan(epochs[0] ?? 0);
  });

  test("that is above the floor already is told, and ends no term", async () => {
    const ensemble = await threeNodes();
    const epoch = ensemble.leader?.status().epoch ?? 0;
    expect(await ask(ensemble, 1, raise(epoch - 1))).toBe(epoch);
    expect(await ask(ensemble, 2, raise(epoch - 1))).toBe(epoch);
    await ensemble.clock.pass(2000);
    expect(ensemble.leader?.status().epoch).toBe(epoch);
  });

  test("loses no write that was begun", async () => {
    const ensemble = await threeNodes();
    const leader = ensemble.leader;
    if (leader === undefined) throw new Error("somebody leads");
    const write = leader.submit(ZnodeOp.create, "/a", createOf(new Uint8Array(3)));
    const raised = leader.submit(OpCode.raiseEpoch, "", raise(100));
    expect((await ensemble.settle(write)).txnid).toBeGreaterThan(0n);
    await ensemble.settle(raised);
    // What comes while it drains waits for the next leader.
    const late = leader.submit(ZnodeOp.create, "/b", createOf(new Uint8Array(3)));
    expect((await ensemble.settle(late)).txnid).toBeGreaterThan((await write).txnid);
  });

  test("jumps no further than the bound unless forced, and never where none would be left", async () => {
    const ensemble = await threeNodes();
    const epoch = ensemble.leader?.status().epoch ?? 0;
    const far = epoch + EPOCH_FLOOR_JUMP_MAX + 1;
    expect(await ask(ensemble, 1, raise(far))).toBe("ERR_ARG_EPOCH");
    expect(await ask(ensemble, 1, raise(EPOCH_FLOOR_MAX + 1, true))).toBe("ERR_ARG_EPOCH");
    expect(await ask(ensemble, 1, new Uint8Array(4))).toBe("ERR_ARG_VALUE");
    expect(ensemble.leader?.status().epoch).toBe(epoch);
    expect(await ask(ensemble, 1, raise(far - 1))).toBe(epoch);
    await ensemble.clock.until(() => ensemble.allReady());
    expect(await raiseUntilAbove(ensemble, 1, raise(EPOCH_FLOOR_MAX, true))).toBeLessThanOrEqual(4);
  });
});
