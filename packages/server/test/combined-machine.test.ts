import {
  CUSTOM_STATE_BYTES_MAX,
  LOG_INTERVALS_MAX,
  LOG_START,
  makeTxnid,
  type CustomState,
  type LogEntryMsg,
  type StateRow,
} from "@quorate/protocol";
import { ZnodeMachine, ZnodeOp } from "@quorate/znode";
import { describe, expect, test } from "vitest";
import { CombinedMachine } from "../src/combined-machine.js";
import { createOf, Ensemble, id } from "./support.js";

const ADD = 60;
const SUM = 61;

/** Adds the first byte of each entry up. */
class Counter implements CustomState {
  readonly writes = [ADD];
  readonly reads = [SUM];
  sum = 0;
  savedBytes = 4;

  apply({ content }: LogEntryMsg): Uint8Array {
    this.sum += content[0] ?? 0;
    return new Uint8Array([this.sum]);
  }

  read() {
    return { ok: true, content: new Uint8Array([this.sum]) } as const;
  }

  save(): Uint8Array {
    const saved = new Uint8Array(this.savedBytes);
    new DataView(saved.buffer).setUint32(0, this.sum);
    return saved;
  }

  load(saved: Uint8Array | null): void {
    this.sum = saved === null ? 0 : new DataView(saved.buffer).getUint32(0);
  }
}

function machineOf(): { machine: CombinedMachine; counter: Counter } {
  const counter = new Counter();
  const machine = new CombinedMachine(new ZnodeMachine(), counter);
  machine.reset();
  return { machine, counter };
}

const add = (counter: number, by: number): LogEntryMsg => ({
  txnid: makeTxnid(1, counter),
  fid: "1",
  reqId: 0n,
  op: ADD,
  key: "k",
  content: new Uint8Array([by]),
});

function readAll(machine: CombinedMachine, full: boolean): StateRow[] {
  const changes = machine.beginChanges({ full });
  const rows: StateRow[] = [];
  for (;;) {
    const more = changes.next(1000);
    if (more.length === 0) return rows;
    rows.push(...more);
  }
}
const isOwn = ({ key }: StateRow): boolean => key.length === 1 && key[0] === 0;

describe("a state of the host's own beside the tree", () => {
  test("is a part of the digest: the same entries give the same, others do not", () => {
    const [one, two] = [machineOf().machine, machineOf().machine];
    const empty = one.digest();
    for (const machine of [one, two]) for (const n of [1, 2]) machine.apply(add(n, n));
    expect(one.digest()).toBe(two.digest());
    expect(one.digest()).not.toBe(empty);
    two.apply(add(3, 1));
    one.apply(add(3, 2));
    expect(one.digest()).not.toBe(two.digest());
  });

  test("comes back from its rows, with its digest", () => {
    const { machine } = machineOf();
    machine.apply(add(1, 7));
    const rows = readAll(machine, true);
    const again = machineOf();
    again.machine.restore(rows);
    expect(again.counter.sum).toBe(7);
    expect(again.machine.digest()).toBe(machine.digest());
    again.machine.reset();
    expect([again.counter.sum, again.machine.digest()]).toEqual([0, machineOf().machine.digest()]);
  });

  test("is imaged when it has changed, as of the image's start, again when that was lost", () => {
    const { machine } = machineOf();
    machine.apply(add(1, 7));
    expect(readAll(machine, false).filter(isOwn)).toHaveLength(1);
    expect(readAll(machine, false).filter(isOwn)).toHaveLength(0);
    machine.apply(add(2, 1));
    const changes = machine.beginChanges({ full: false });
    machine.apply(add(3, 1));
    const [row] = [...changes.next(1000)].filter(isOwn);
    expect(new DataView((row?.value ?? new Uint8Array()).buffer).getUint32(9)).toBe(8);
    changes.abandon();
    expect(readAll(machine, false).filter(isOwn)).toHaveLength(1);
  });

  test("is bounded, and so are its codes", () => {
    const { machine, counter } = machineOf();
    machine.apply(add(1, 7));
    counter.savedBytes = CUSTOM_STATE_BYTES_MAX;
    expect(readAll(machine, true).filter(isOwn)).toHaveLength(1);
    counter.savedBytes += 1;
    expect(() => machine.beginChanges({ full: true })).toThrow(/too large/);
    counter.savedBytes = -1;
    expect(() => machine.beginChanges({ full: true })).toThrow(
      expect.objectContaining({ code: "ERR_SERVER_CUSTOM_FAILED" }),
    );
    const bad = (writes: number[], reads: number[]) => () =>
      new CombinedMachine(new ZnodeMachine(), Object.assign(new Counter(), { writes, reads }));
    expect(bad([1], [])).toThrow(/operation 1/);
    expect(bad([60], [60])).toThrow(/operation 60/);
    expect(bad([], [256])).toThrow(/operation 256/);
  });

  test("refuses a row that it did not write", () => {
    const row = { key: new Uint8Array([0]), value: new Uint8Array([9]) };
    expect(() => machineOf().machine.restore([row])).toThrow(/unknown format/);
    expect(LOG_START.txnid).toBe(0n);
  });

  test("is the same on every node, after restarts and snapshots too", async () => {
    const counters = new Map<number, Counter>();
    const ensemble = new Ensemble(3, {
      checkpointBytes: 1 << 16,
      retainedTailBytes: 0,
      deps: (node) => ({
        createCustomState: () => {
          const counter = new Counter();
          counters.set(node, counter);
          return counter;
        },
      }),
    });
    const { clock } = ensemble;
    await ensemble.start(1, 2, 3);
    await clock.until(() => ensemble.allReady());
    const one = new Uint8Array([1]);
    const first = await ensemble.settle(ensemble.server(2).submit(ADD, "k", one));
    expect(first.content).toEqual(new Uint8Array([1]));
    await ensemble.settle(ensemble.server(3).stop());
    ensemble.servers.delete(ensemble.server(3).status().id);
    await clock.until(() => ensemble.leader !== undefined);
    await clock.until(() => ensemble.allReady());
    const data = createOf(new Uint8Array(30_000));
    for (let i = 0; i < 8; i += 1) {
      await ensemble.settle(ensemble.server(1).submit(ZnodeOp.create, `/n${i}`, data));
      await ensemble.settle(ensemble.server(2).submit(ADD, "k", one));
    }
    ensemble.lines.length = 0;
    await ensemble.start(3);
    await clock.until(() => ensemble.allReady());
    expect(ensemble.lines.some((line) => line.includes('"plan":"snapshot"'))).toBe(true);
    const read = ensemble.server(3).read(SUM, "", new Uint8Array(), { linearizable: true });
    expect(await ensemble.settle(read)).toEqual(new Uint8Array([9]));
    const all = [...ensemble.servers.values()];
    const newest = ensemble.server(1).status().lastCommitted;
    await clock.until(() => all.every((node) => node.status().lastApplied >= newest));
    expect(new Set(all.map((node) => node.status().digest)).size).toBe(1);
    expect([1, 2, 3].map((node) => counters.get(node)?.sum)).toEqual([9, 9, 9]);
  });

  test("that cannot be saved is told of, and keeps nobody from electing", async () => {
    const checkpointBytes = 2000;
    const counters: Counter[] = [];
    const createCustomState = (): Counter => {
      const counter = Object.assign(new Counter(), { savedBytes: CUSTOM_STATE_BYTES_MAX + 1 });
      counters.push(counter);
      return counter;
    };
    const ensemble = new Ensemble(3, { checkpointBytes, deps: () => ({ createCustomState }) });
    const { clock } = ensemble;
    await ensemble.start(1, 2, 3);
    await clock.until(() => ensemble.allReady());
    const [one, data] = [new Uint8Array([1]), new Uint8Array(500)];
    await ensemble.settle(ensemble.server(2).submit(ADD, "k", one));
    const writes = Math.ceil((checkpointBytes * LOG_INTERVALS_MAX) / data.length);
    for (let i = 0; i < writes; i += 1) {
      await ensemble.settle(ensemble.server(2).submit(ZnodeOp.create, `/n${i}`, createOf(data)));
    }
    const told = (): string[] => ensemble.lines.filter((line) => /checkpoint failed/.test(line));
    for (const node of [1, 2, 3]) {
      expect(told()).toContainEqual(
        expect.stringMatching(new RegExp(`^${node} a checkpoint failed.*"ERR_ARG_TOO_LARGE"`)),
      );
    }
    const before = ensemble.leader?.status().id ?? id(3);
    await ensemble.settle(ensemble.server(before).stop());
    ensemble.servers.delete(before);
    await clock.until(() => ensemble.leader !== undefined && ensemble.allReady());
    const next = ensemble.server(ensemble.leader?.status().id ?? 0);
    const { content } = await ensemble.settle(next.submit(ADD, "k", one));
    expect(content).toEqual(new Uint8Array([2]));
    // It is over as soon as it can be saved.
    for (const counter of counters) counter.savedBytes = 4;
    const isSaved = (): boolean => ensemble.lines.some((line) => /checkpoint written/.test(line));
    for (let i = 0; i < writes && !isSaved(); i += 1) {
      await ensemble.settle(next.submit(ADD, "k", one));
    }
    await clock.until(isSaved);
  });
});
