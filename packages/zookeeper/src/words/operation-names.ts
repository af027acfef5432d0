import { ZkOp } from "../jute/op-codes.js";

/** ZooKeeper's short names, as `cons` shows the last operation of a connection. */
const names: ReadonlyMap<number, string> = new Map<number, string>([
  [ZkOp.create, "CREA"],
  [ZkOp.create2, "CREA"],
  [ZkOp.createContainer, "CREA"],
  [ZkOp.createTtl, "CREA"],
  [ZkOp.delete, "DELE"],
  [ZkOp.exists, "EXIS"],
  [ZkOp.getData, "GETD"],
  [ZkOp.setData, "SETD"],
  [ZkOp.getAcl, "GETA"],
  [ZkOp.setAcl, "SETA"],
  [ZkOp.getChildren, "GETC"],
  [ZkOp.getChildren2, "GETC"],
  [ZkOp.getAllChildrenNumber, "GETACN"],
  [ZkOp.sync, "SYNC"],
  [ZkOp.ping, "PING"],
  [ZkOp.multi, "MULT"],
  [ZkOp.multiRead, "MLTR"],
  [ZkOp.reconfig, "RECO"],
  [ZkOp.checkWatches, "CHKW"],
  [ZkOp.removeWatches, "REMW"],
  [ZkOp.setWatches, "SETW"],
  [ZkOp.setWatches2, "STW2"],
  [ZkOp.addWatch, "ADDW"],
  [ZkOp.getEphemerals, "GETE"],
  [ZkOp.whoAmI, "HOMI"],
  [ZkOp.closeSession, "CLOS"],
]);

export function operationName(op: number): string {
  return names.get(op) ?? "NA";
}
