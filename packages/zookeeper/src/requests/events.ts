import { assertNever, type NodeChangeKind } from "@quorate/protocol";
import { ZkEventType, ZkState, ZkXid } from "../jute/op-codes.js";
import type { JuteWriter } from "../jute/writer.js";

/** A notification of a change, with its length. `zxid` is that of the change, as since 3.9. */
export function writeEvent(writer: JuteWriter, zxid: bigint, type: number, path: string): void {
  const frame = writer.beginFrame();
  writer.int(ZkXid.notification);
  writer.long(zxid);
  writer.int(0);
  writer.int(type);
  writer.int(ZkState.syncConnected);
  writer.text(path);
  writer.endFrame(frame);
}

export function eventTypeOf(kind: NodeChangeKind): number {
  switch (kind) {
    case "created":
      return ZkEventType.created;
    case "deleted":
      return ZkEventType.deleted;
    case "dataChanged":
      return ZkEventType.dataChanged;
    case "childrenChanged":
      return ZkEventType.childrenChanged;
    default:
      return assertNever(kind, "kind of change");
  }
}
