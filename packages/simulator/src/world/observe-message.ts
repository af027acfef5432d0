import { formatTxnid, type PeerMsg } from "@quorate/protocol";
import type { PipeEnd } from "../network/pipe-end.js";
import type { World } from "./world.js";

/** Counts what the protocol does and writes one line per step of discovery and sync. */
export function observeMessage(world: World, pipe: PipeEnd, message: PeerMsg): void {
  const say = (text: string): void => world.line(pipe.host.id, `to n${pipe.peer}`, text);
  switch (message.kind) {
    case "followerInfo":
      if (message.standing === "recovering") world.coverage.event("recovering");
      say(`followerInfo accepted=${message.acceptedEpoch} ${message.standing}`);
      return;
    case "leaderInfo":
      say(`leaderInfo epoch=${message.epoch}`);
      return;
    case "epochAck":
      if (message.uncounted) world.coverage.event("uncounted promise");
      say(
        `epochAck current=${message.currentEpoch} ` +
          `last=${formatTxnid(message.lastLogged.txnid)}${message.uncounted ? " uncounted" : ""}`,
      );
      return;
    case "truncate":
      world.coverage.event("truncate");
      say(`truncate after=${formatTxnid(message.after.txnid)}`);
      return;
    case "streamBegin":
      world.coverage.event("diff");
      say(`streamBegin after=${formatTxnid(message.after.txnid)}`);
      return;
    case "snapshotBegin":
      world.coverage.event("snapshot");
      say(`snapshotBegin at=${formatTxnid(message.snapshot.position.txnid)}`);
      return;
    case "newLeader":
      if (world.commits.leaderOf(message.epoch) === pipe.host.id) {
        world.coverage.event("late joiner");
      }
      say(`newLeader epoch=${message.epoch} last=${formatTxnid(message.last.txnid)}`);
      return;
    case "newLeaderAck":
      say(`newLeaderAck epoch=${message.epoch}`);
      return;
    case "handover":
      world.coverage.event("handover");
      say("handover");
      return;
    case "snapshotRequest":
      say("snapshotRequest");
      // Entries of an epoch exist only after a quorum has entered it, and every later leader has
      // its history from that quorum: where it parts from a follower's, the follower was there.
      world.violations.report(
        "planIsHeld",
        `n${pipe.host.id} holds nothing of what n${pipe.peer} wants to continue from`,
      );
      return;
    default:
  }
}
