import {
  BatchBuilder,
  LOG_START,
  majorityQuorum,
  makeTxnid,
  positionOf,
  silentLogger,
  type CustomState,
  type LogEntryMsg,
  type StateRow,
} from "@quorate/protocol";
import { MemoryDisk, openMemoryStore } from "@quorate/testkit";
import { ZnodeMachine } from "@quorate/znode";
import { describe, expect, test } from "vitest";
import { CombinedMachine } from "../src/combined-machine.js";
import { RequestManager } from "../src/request-manager.js";
import { ServerAction } from "../src/server-action.js";
import { id, seededRandom, testHash, VirtualClock } from "./support.js";

const OP = 60;
const ADDED = 5;

/** Adds up what it is told. */
class Sum implements CustomState {
  readonly writes = [OP];
  sum = 0;
  /** Whether loading that throws. */
  throws: (saved: Uint8Array | null) => boolean = () => false;

  apply({ content }: LogEntryMsg): Uint8Array {
    this.sum += content[0] ?? 0;
    return new Uint8Array([this.sum]);
  }

  save(): Uint8Array {
    return new Uint8Array([this.sum]);
  }

  load(saved: Uint8Array | null): void {
    if (this.throws(saved)) throw new Error("the host failed");
    this.sum = saved?.[0] ?? 0;
  }
}

/** Resolves with the promise, time passing meanwhile. */
async function settled<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let isDone = false;
  const done = (): void => void (isDone = true);
  promise.then(done, done);
  await clock.until(() => isDone);
  return promise;
}

/** A node without data, and the snapshot of a state that one entry has made. */
async function emptyNode() {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const content = new Uint8Array([ADDED]);
  const source = new CombinedMachine(new ZnodeMachine(), new Sum());
  source.reset();
  source.apply({ txnid: makeTxnid(1, 1), fid: "1", reqId: 0n, op: OP, key: "k", content });
  const changes = source.beginChanges({ full: true });
  const rows: StateRow[] = [];
  for (let more = changes.next(1 << 20); more.length > 0; more = changes.next(1 << 20)) {
    rows.push(...more);
  }
  const builder = new BatchBuilder(testHash);
  builder.add(1, 0n, OP, "k", content);
  const batch = builder.finish(makeTxnid(1, 1), LOG_START);
  const info = { position: positionOf(batch), digest: source.digest(), members: [] };

  const host = new Sum();
  const phases: string[] = [];
  const options = { clock, random, chainHash: testHash, latencyMs: () => 1 };
  const store = await settled(clock, openMemoryStore(new MemoryDisk(), options));
  const opening = ServerAction.open(
    {
      nodeId: id(1),
      quorum: majorityQuorum([id(1)]),
      trustEmpty: false,
      checkpointBytes: 1 << 20,
    },
    {
      store,
      stateMachine: new CombinedMachine(new ZnodeMachine(), host),
      requests: new RequestManager({ clock, random }),
      clock,
      logger: silentLogger,
      onLoad: (phase) => phases.push(phase),
    },
  );
  const action = await settled(clock, opening);
  return { clock, action, host, rows, info, batch, phases };
}

describe("a snapshot that is loaded while it comes", () => {
  test("is the state once it is current, and nobody's before", async () => {
    const { clock, action, host, rows, info, phases } = await emptyNode();
    const before = action.appliedState();
    const staged = action.stageSnapshot(info);
    staged.writeRows(rows);
    expect(host.sum).toBe(ADDED);
    expect(action.appliedState()).toEqual(before);
    expect(action.lastApplied()).toBeNull();
    expect(phases).toEqual(["begun"]);
    action.installSnapshot(staged, info.position.txnid);
    await clock.pass(1000);
    expect(phases.at(-1)).toBe("done");
    expect(action.appliedState()).toEqual({ txnid: info.position.txnid, digest: info.digest });
    expect(host.sum).toBe(ADDED);
  });

  test("leaves nothing behind when it comes to nothing", async () => {
    const { clock, action, host, rows, info, batch, phases } = await emptyNode();
    const before = action.appliedState();
    const staged = action.stageSnapshot(info);
    staged.writeRows(rows);
    action.discardStaged(staged);
    expect(phases).toEqual(["begun", "done"]);
    expect(action.appliedState()).toEqual(before);
    expect(action.lastApplied()).toBe(LOG_START.txnid);
    action.logAndCommit(batch, batch.last);
    await clock.pass(1000);
    expect(host.sum).toBe(ADDED);
    expect(action.failure).toBeNull();
  });

  test("gives way to the next one", async () => {
    const { clock, action, host, rows, info } = await emptyNode();
    action.stageSnapshot(info).writeRows(rows);
    const next = action.stageSnapshot(info);
    expect(host.sum).toBe(0);
    next.writeRows(rows);
    action.installSnapshot(next, info.position.txnid);
    await clock.pass(1000);
    expect(action.appliedState().digest).toBe(info.digest);
  });
});

describe("ERR_SERVER_CUSTOM_STATE: a host whose state threw does not go on", () => {
  test("when it loads what has come", async () => {
    const { action, host, rows, info } = await emptyNode();
    const staged = action.stageSnapshot(info);
    host.throws = (saved) => saved !== null;
    staged.writeRows(rows);
    expect(action.failure?.code).toBe("ERR_SERVER_CUSTOM_STATE");
  });

  test.each(["begun", "dropped"])("when it is emptied for one that was %s", async (when) => {
    const { action, host, rows, info } = await emptyNode();
    host.throws = () => when === "begun";
    const staged = action.stageSnapshot(info);
    if (when === "dropped") {
      staged.writeRows(rows);
      host.throws = (saved) => saved === null;
    }
    action.discardStaged(staged);
    expect(action.failure?.code).toBe("ERR_SERVER_CUSTOM_STATE");
  });
});
