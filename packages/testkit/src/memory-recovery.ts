import {
  followsPosition,
  LOG_START,
  minTxnid,
  positionOf,
  toIdentity,
  type ChainHash,
  type Identity,
  type LogPosition,
  type Random,
  type RecoveredState,
} from "@quorate/protocol";
import { emptyLog, endOf, type LogSlice } from "./log-slice.js";
import { firstImage, type DiskImage, type HighWater, type MemoryDisk } from "./memory-disk.js";

/** Verifies what the disk holds, repairs it under a new identity if need be, and returns it. */
export function recoverImage(disk: MemoryDisk, hash: ChainHash, random: Random): DiskImage {
  const found = disk.image;
  if (found === null) {
    const image = { ...firstImage(newIdentity(random)), sequence: 1 };
    disk.commit(image, { highWater: true });
    return image;
  }
  const log = trustedLog(found, hash);
  const damage =
    log === found.log ? contradiction(found, disk.highWater) : "a batch of the log is unreadable";
  if (damage === null) {
    // What landed just before the crash is as durable as the rest: from here on it is claimed.
    disk.commit(found, { highWater: true });
    return found;
  }
  const image: DiskImage = {
    ...found,
    sequence: Math.max(found.sequence, disk.highWater?.sequence ?? 0) + 1,
    identity: newIdentity(random),
    log,
    commitMark: minTxnid(found.commitMark, endOf(log).txnid),
    damage,
  };
  disk.commit(image, { highWater: true });
  return image;
}

export function recoveredOf(image: DiskImage): RecoveredState {
  return {
    identity: image.identity,
    acceptedEpoch: image.acceptedEpoch,
    currentEpoch: image.currentEpoch,
    logStart: image.log.start,
    lastLogged: endOf(image.log),
    commitMark: image.commitMark,
    checkpoint: image.checkpoint,
    members: image.members,
    damage: image.damage,
  };
}

function contradiction(image: DiskImage, highWater: HighWater | null): string | null {
  if (highWater === null) return "the high-water file is gone";
  if (image.sequence < highWater.sequence) return "the history ends below its high-water mark";
  if (image.sequence > highWater.sequence) return null;
  const end = endOf(image.log);
  const same = end.txnid === highWater.end.txnid && end.chain === highWater.end.chain;
  return same ? null : "the history differs from its high-water mark";
}

/** The log itself when every batch verifies; else the part of it that still joins the state. */
function trustedLog(image: DiskImage, hash: ChainHash): LogSlice {
  const { log } = image;
  const base: LogPosition = image.checkpoint?.position ?? LOG_START;
  let end = log.start;
  for (let i = log.from; i < log.to; i += 1) {
    const batch = log.items[i];
    const good =
      batch !== undefined && followsPosition(batch, end) && hash(batch.bytes) === batch.chain;
    if (!good) return end.txnid >= base.txnid ? { ...log, to: i } : emptyLog(base);
    end = positionOf(batch);
  }
  return log;
}

function newIdentity(random: Random): Identity {
  const half = (): string => random.nextUint64().toString(16).padStart(16, "0");
  return toIdentity(half() + half());
}

/** A table that names this directory's identity is the ensemble's word that it counts again. */
export function readmitted(image: DiskImage): DiskImage {
  if (image.damage === null) return image;
  for (const identity of image.members.values()) {
    if (identity === image.identity) return { ...image, damage: null };
  }
  return image;
}
