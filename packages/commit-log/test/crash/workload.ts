// A process of its own under the shim: writes, and notes each write and each answer in the shim's
// log, so that the order of writes, syncs and answers is one sequence of lines.
import { appendFileSync, rmSync, writeFileSync } from "node:fs";
import {
  errorCodeOf,
  formatTxnid,
  positionOf,
  silentLogger,
  silentMeter,
  toEpoch,
  toNodeId,
  type CheckpointWriter,
  type DurableStore,
  type LogPosition,
  type QuorateError,
  type Txnid,
} from "@quorate/protocol";
import { History, row, snapshotInfo, testHash } from "@quorate/testkit";
import { openCommitLog } from "../../src/index.js";

const [directory = "", journal = "", kind = ""] = process.argv.slice(2);

const open = (): Promise<DurableStore> =>
  openCommitLog({
    directory,
    chainHash: testHash,
    logger: silentLogger,
    meter: silentMeter,
    retainedTailBytes: 2000,
    walBytesMax: kind === "mixed" ? 40_000 : 4_000_000,
    diskTimeoutMs: kind === "closed" ? 300 : 5000,
  });
let store = await open();

/** What a reader of the disk may find after a write. */
const state = {
  end: store.recovered.lastLogged,
  accepted: 0,
  current: 0,
};
const note = (line: string): void => {
  appendFileSync(journal, `${line}\n`);
  process.stdout.write(`${line}\n`);
};
const wrote = (ticket: number): number => {
  note(`write ${ticket} ${formatTxnid(state.end.txnid)} ${state.accepted} ${state.current}`);
  return ticket;
};

const waiting = new Map<number, () => void>();
let isReopened: () => void = () => undefined;
function attach(): void {
  store.attach({
    onPersisted(upTo) {
      note(`answer ${upTo}`);
      for (const [ticket, done] of waiting) {
        if (ticket > upTo) continue;
        waiting.delete(ticket);
        done();
      }
    },
    onFailed(error) {
      note(`failed ${error.code}`);
      if (kind === "reopened" && error.code === "ERR_STORE_FULL") void reopen();
      else process.exit(3);
    },
  });
}
attach();
const until = (ticket: number): Promise<void> =>
  new Promise((resolve) => void waiting.set(ticket, resolve));

let history = new History();
const append = (count = 1, bytes = 100, mark?: Txnid): number => {
  const batch = history.next(count, bytes);
  state.end = history.end;
  return wrote(store.append([batch], mark ?? history.end.txnid));
};

/** The keys of the rows that count after each round: whole, changed, replaced, changed, whole. */
const KEYS = ["", "", "both,k2", "both,k3", "both,installed", "both,installed,k5", "both,k6"];

note("open");
if (kind === "commits") {
  for (let i = 0; i < 20; i += 1) await until(append(1, 200));
  note("counted");
} else if (kind === "forever") {
  for (;;) await until(append());
} else if (kind === "reopened") {
  for (;;) await Promise.race([until(append()), roomMade()]);
} else if (kind === "checkpoints") await checkpoints();
else if (kind === "halves") await halves();
else if (kind === "installs") await installs();
else if (kind === "reads") await reads();
else if (kind === "closed") await closedWhileItHangs();
else await mixed();
await store.close();
note("closed");

/** For ever; one that finds no room is noted and left. */
async function checkpoints(): Promise<void> {
  for (let i = 1; ; i += 1) {
    await until(append());
    const writer = store.beginCheckpoint(snapshotInfo(history.end), { full: false });
    try {
      await writer.write([row(`k${String(i)}`, "x".repeat(3000))]);
      await writer.finish();
      note("checkpoint");
    } catch (error) {
      note(`no checkpoint ${String(errorCodeOf(error))}`);
      await discarded(writer);
    }
  }
}

/** What was written before the disk was full needs room to be removed. */
async function discarded(writer: CheckpointWriter): Promise<void> {
  try {
    await writer.discard();
  } catch (error) {
    note(`not discarded ${String(errorCodeOf(error))}`);
  }
}

/** The room is used up in the midst of a checkpoint, and what is to be removed needs some, too. */
async function halves(): Promise<void> {
  const control = process.env["SYNC_SHIM_CONTROL"] ?? "";
  const fill = (): void => writeFileSync(control, "write state.db-wal 28 always\n");
  const checkpoint = async (key: string, full?: "before" | "within"): Promise<void> => {
    await until(append());
    if (full === "before") fill();
    const writer = store.beginCheckpoint(snapshotInfo(history.end), { full: false });
    try {
      await writer.write([row(key, "x".repeat(3000))]);
      if (full === "within") fill();
      await writer.write([row(`${key}-second`, "x".repeat(3000))]);
      await writer.finish();
      note(`checkpoint ${key}`);
    } catch (error) {
      note(`no checkpoint ${String(errorCodeOf(error))}`);
      await discarded(writer);
    }
  };
  await checkpoint("first", "before");
  rmSync(control);
  await checkpoint("base");
  await checkpoint("lost", "within");
  await checkpoint("lost-again");
  rmSync(control);
  await checkpoint("found");
  for await (const rows of store.readCheckpoint()) {
    for (const { key } of rows) note(`row ${new TextDecoder().decode(key)}`);
  }
}

async function installs(): Promise<void> {
  for (;;) {
    await install();
    note("installed");
  }
}

/** More rows than fit into a page cache, so that each reading of them reads the file. */
async function reads(): Promise<void> {
  await until(append());
  const rows = Array.from({ length: 1000 }, (_, i) => row(`k${String(i)}`, "x".repeat(5000)));
  const writer = store.beginCheckpoint(snapshotInfo(history.end), { full: true });
  await writer.write(rows);
  await writer.finish();
  for (;;) {
    let count = 0;
    for await (const some of store.readCheckpoint()) count += some.length;
    note(`read ${String(count)}`);
  }
}

/** What the coordinator does when the disk is full: close, and open until it can be opened. */
function roomMade(): Promise<void> {
  return new Promise((resolve) => {
    isReopened = resolve;
  });
}
async function reopen(): Promise<void> {
  await store.close();
  for (;;) {
    try {
      store = await open();
      break;
    } catch (error) {
      note(`still ${String(errorCodeOf(error))} ${String((error as QuorateError).retryable)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  attach();
  waiting.clear();
  history = new History(store.recovered.lastLogged);
  note(`reopened ${formatTxnid(store.recovered.lastLogged.txnid)}`);
  isReopened();
}

/** Told by a line on its input; the disk hangs by then. */
async function closedWhileItHangs(): Promise<void> {
  await until(append());
  note("ready");
  await new Promise((resolve) => process.stdin.once("data", resolve));
  append();
  const startedAt = performance.now();
  await store.close();
  note(`given up ${String(Math.round(performance.now() - startedAt))}`);
  const again = open().then(
    () => note("opened"),
    (error: unknown) => note(`not opened ${String(errorCodeOf(error))}`),
  );
  await again;
  await new Promise((resolve) => process.stdin.once("data", resolve));
  store = await open();
  attach();
  note(`reopened ${formatTxnid(store.recovered.lastLogged.txnid)}`);
  process.stdin.destroy();
}

async function mixed(): Promise<void> {
  for (let i = 1; i <= 6; i += 1) {
    state.accepted = i;
    wrote(store.setAcceptedEpoch({ epoch: toEpoch(i), leader: toNodeId(1) }));
    state.current = i;
    wrote(store.setCurrentEpoch(toEpoch(i)));
    await until(append(3, 300));
    for (let j = 0; j < 3; j += 1) await until(append(1 + j, 50));
    const keep: LogPosition = history.end;
    append(2, 700, keep.txnid);
    await until(append(1, 10, keep.txnid));
    history = new History(keep);
    state.end = keep;
    await until(wrote(store.truncateAfter(keep)));
    await until(append(2, 400));
    if (i === 4) await install();
    else if (i > 1) await checkpoint(i);
  }
}

async function checkpoint(i: number): Promise<void> {
  const info = snapshotInfo(history.end);
  // Enough for the WAL of state.db to be written back while a checkpoint is being written.
  const large = row(`k${String(i)}`, "x".repeat(25_000));
  const dropped = store.beginCheckpoint(info, { full: false });
  await dropped.write([row("dropped", "never current")]);
  await dropped.discard();
  const writer = store.beginCheckpoint(info, { full: i === 6 });
  await writer.write([large, row("both", String(i))]);
  await writer.write([row("never", null)]);
  if (i === 3) await writer.write([row("k2", null)]);
  note(`rows ${KEYS[i] ?? ""}`);
  await writer.finish();
  note(`current ${KEYS[i] ?? ""}`);
}

async function install(): Promise<void> {
  const first = history.next(2, 100);
  const position = positionOf(first);
  note(`end ${formatTxnid(position.txnid)}`);
  const staged = store.stageSnapshot(snapshotInfo(position));
  staged.writeRows([row("installed", "1"), row("both", "installed")]);
  staged.append([history.next(1, 100)]);
  state.end = history.end;
  note(`rows ${KEYS[4] ?? ""}`);
  await until(wrote(store.installSnapshot(staged)));
  note(`current ${KEYS[4] ?? ""}`);
}
