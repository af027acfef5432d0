import { formatTxnid, toEpoch, toNodeId } from "@quorate/protocol";
import { History, row, snapshotInfo } from "@quorate/testkit";
import { openStore } from "../open-store.js";

/** What a reader of the store finds, in a form that is written down beside the recorded files. */
export interface StoreContent {
  readonly identity: string;
  readonly accepted: readonly [epoch: number, leader: number];
  readonly current: number;
  readonly members: readonly (readonly [number, string])[];
  readonly commitMark: string;
  readonly log: readonly string[];
  readonly checkpoint: { readonly at: string; readonly digest: string };
  readonly rows: readonly (readonly [string, string | null])[];
}

/** One of everything that a store keeps. */
export async function fillStore(directory: string): Promise<void> {
  const driver = await openStore(directory);
  const { store } = driver;
  const history = new History();
  store.setAcceptedEpoch({ epoch: toEpoch(3), leader: toNodeId(2) });
  store.setCurrentEpoch(toEpoch(3));
  store.setIdentityTable(new Map([[toNodeId(1), store.recovered.identity]]));
  await driver.log(history.many(3, 2));
  const rows = [row("a", "1"), row("b", "2"), row("c", "3")];
  await driver.checkpoint(snapshotInfo(history.end), rows);
  await driver.log(history.many(2));
  await driver.checkpoint(snapshotInfo(history.end, 9n), [row("b", "4"), row("c", null)]);
  const mark = history.end.txnid;
  await driver.log([history.next()], mark);
  await store.close();
}

/** @throws when the store says that it is damaged. */
export async function contentOf(directory: string): Promise<StoreContent> {
  const driver = await openStore(directory);
  const { recovered } = driver.store;
  if (recovered.damage !== null) throw new Error(recovered.damage);
  const { acceptedEpoch, lastLogged, checkpoint } = recovered;
  const start = recovered.logStart.txnid;
  const batches = await driver.store.readBatches(start, lastLogged.txnid, 1e6);
  const rows = await driver.checkpointRows();
  await driver.store.close();
  return {
    identity: recovered.identity,
    accepted: [acceptedEpoch.epoch, acceptedEpoch.leader],
    current: recovered.currentEpoch,
    members: [...recovered.members],
    commitMark: formatTxnid(recovered.commitMark),
    log: batches.map(({ last, chain }) => `${formatTxnid(last)} ${chain.toString(16)}`),
    checkpoint: {
      at: formatTxnid(checkpoint?.position.txnid ?? start),
      digest: String(checkpoint?.digest),
    },
    rows,
  };
}
