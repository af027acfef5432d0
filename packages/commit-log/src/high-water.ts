import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { toTxnid, type Chain, type Identity, type LogPosition } from "@quorate/protocol";

/** What was durable at some time: the log must hold no less for ever after. */
export interface HighWater {
  /** The number of the transaction. */
  readonly sequence: number;
  readonly end: LogPosition;
  /** Of the identity that log.db had (see {@link ownerOf}); 0 was written before it was noted. */
  readonly owner: number;
}

/** Tells the log of this directory from that of another which is at the same point (F33). */
export function ownerOf(identity: Identity): number {
  return crc32(identity) || 1;
}

/**
 * Two slots, written in turn, each in a sector of its own: a torn write costs the newer one only.
 *
 * A slot is written after its transaction is durable and never before, so it claims nothing that
 * is not. It may lag: after kill -9 by the one transaction that was being answered, after a power
 * cut by what the kernel had not written back. Both only weaken what it can detect. It is synced
 * once a second and not per commit, because the log it guards is itself synced per commit.
 *
 * Slot, big-endian: u32 magic | u32 owner | u64 sequence | u64 txnid | u64 chain | u32 crc32
 */
const MAGIC = 0x51484d31;
const SLOT_BYTES = 36;
const SLOT_STRIDE_BYTES = 4096;
const SYNC_INTERVAL_MS = 1000;

export class HighWaterFile {
  readonly #fd: number;
  readonly #slot = Buffer.alloc(SLOT_BYTES);
  #syncedAt = 0;

  private constructor(fd: number) {
    this.#fd = fd;
    this.#slot.writeUInt32BE(MAGIC, 0);
  }

  /** Opens or makes it. `found` is null when no slot is readable; `existed` tells why. */
  static open(path: string): {
    readonly file: HighWaterFile;
    readonly existed: boolean;
    readonly found: HighWater | null;
  } {
    const existed = existsSync(path);
    const fd = openSync(path, existed ? "r+" : "w+");
    if (!existed) {
      // Room for both slots, lest a full disk refuses a slot after its transaction is durable.
      writeSync(fd, Buffer.alloc(2 * SLOT_STRIDE_BYTES));
      fsyncSync(fd);
      syncDirectory(dirname(path));
    }
    return { file: new HighWaterFile(fd), existed, found: newestSlot(fd) };
  }

  write(highWater: HighWater): void {
    const slot = this.#slot;
    slot.writeUInt32BE(highWater.owner, 4);
    slot.writeBigUInt64BE(BigInt(highWater.sequence), 8);
    slot.writeBigUInt64BE(highWater.end.txnid, 16);
    slot.writeBigUInt64BE(highWater.end.chain, 24);
    slot.writeUInt32BE(crc32(slot.subarray(0, 32)), 32);
    writeSync(this.#fd, slot, 0, SLOT_BYTES, (highWater.sequence % 2) * SLOT_STRIDE_BYTES);
    const now = performance.now();
    if (now - this.#syncedAt < SYNC_INTERVAL_MS) return;
    this.#syncedAt = now;
    fdatasyncSync(this.#fd);
  }

  sync(): void {
    fsyncSync(this.#fd);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Reads it beside a store that may be running. Null when there is none or no slot is readable. */
export function readHighWater(path: string): HighWater | null {
  if (!existsSync(path)) return null;
  const fd = openSync(path, "r");
  try {
    return newestSlot(fd);
  } finally {
    closeSync(fd);
  }
}

export function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function newestSlot(fd: number): HighWater | null {
  const slots = [readSlot(fd, 0), readSlot(fd, SLOT_STRIDE_BYTES)];
  return slots.reduce((a, b) => (b !== null && (a === null || b.sequence > a.sequence) ? b : a));
}

function readSlot(fd: number, at: number): HighWater | null {
  const slot = Buffer.alloc(SLOT_BYTES);
  if (readSync(fd, slot, 0, SLOT_BYTES, at) !== SLOT_BYTES) return null;
  if (slot.readUInt32BE(0) !== MAGIC) return null;
  if (crc32(slot.subarray(0, 32)) !== slot.readUInt32BE(32)) return null;
  return {
    owner: slot.readUInt32BE(4),
    sequence: Number(slot.readBigUInt64BE(8)),
    end: {
      txnid: toTxnid(slot.readBigUInt64BE(16)),
      chain: slot.readBigUInt64BE(24) as Chain,
    },
  };
}
