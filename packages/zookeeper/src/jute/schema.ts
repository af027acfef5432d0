import type { Field } from "./field.js";
import { MultiRequest, MultiResponse } from "./multi.js";
import { ZkOp } from "./op-codes.js";
import * as records from "./records.js";

const entries: readonly (readonly [number, Field<unknown> | null, Field<unknown> | null])[] = [
  [ZkOp.create, records.CreateRequest, records.PathResponse],
  [ZkOp.create2, records.CreateRequest, records.Create2Response],
  [ZkOp.createContainer, records.CreateRequest, records.Create2Response],
  [ZkOp.createTtl, records.CreateTtlRequest, records.Create2Response],
  [ZkOp.delete, records.PathVersionRequest, null],
  [ZkOp.exists, records.PathWatchRequest, records.StatResponse],
  [ZkOp.getData, records.PathWatchRequest, records.GetDataResponse],
  [ZkOp.setData, records.SetDataRequest, records.StatResponse],
  [ZkOp.getAcl, records.PathRequest, records.GetAclResponse],
  [ZkOp.setAcl, records.SetAclRequest, records.StatResponse],
  [ZkOp.getChildren, records.PathWatchRequest, records.GetChildrenResponse],
  [ZkOp.sync, records.PathRequest, records.PathResponse],
  [ZkOp.ping, null, null],
  [ZkOp.getChildren2, records.PathWatchRequest, records.GetChildren2Response],
  [ZkOp.multi, MultiRequest, MultiResponse],
  [ZkOp.multiRead, MultiRequest, MultiResponse],
  [ZkOp.reconfig, records.ReconfigRequest, records.GetDataResponse],
  [ZkOp.checkWatches, records.PathTypeRequest, null],
  [ZkOp.removeWatches, records.PathTypeRequest, null],
  [ZkOp.auth, records.AuthPacket, null],
  [ZkOp.sasl, records.SaslToken, records.SaslToken],
  [ZkOp.setWatches, records.SetWatches, null],
  [ZkOp.setWatches2, records.SetWatches2, null],
  [ZkOp.getEphemerals, records.PathRequest, records.GetEphemeralsResponse],
  [ZkOp.getAllChildrenNumber, records.PathRequest, records.GetAllChildrenNumberResponse],
  [ZkOp.addWatch, records.AddWatchRequest, records.ErrorResponse],
  [ZkOp.whoAmI, null, records.WhoAmIResponse],
  [ZkOp.closeSession, null, null],
];

/** What follows the request's header, by ZooKeeper's operation; null for nothing. */
export const requestRecords: ReadonlyMap<number, Field<unknown> | null> = new Map(
  entries.map(([op, request]) => [op, request]),
);

/** What follows the reply's header when its error is 0; null for nothing. */
export const responseRecords: ReadonlyMap<number, Field<unknown> | null> = new Map(
  entries.map(([op, , response]) => [op, response]),
);
