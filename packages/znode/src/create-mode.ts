/** ZooKeeper's flags of a create. */
export const CreateMode = {
  persistent: 0,
  ephemeral: 1,
  persistentSequential: 2,
  ephemeralSequential: 3,
  container: 4,
  ttl: 5,
  ttlSequential: 6,
} as const;

export type CreateMode = (typeof CreateMode)[keyof typeof CreateMode];

const CREATE_MODE_MAX = CreateMode.ttlSequential;

/** A time to live is above 0 and at most this, some 34 years: what 40 bits hold. */
export const TTL_MS_MAX = 2 ** 40 - 1;

/** Nobody: an ordinary node. */
export const NO_OWNER = 0n;
/** As ZooKeeper marks a container: Long.MIN_VALUE. */
export const CONTAINER_OWNER = 1n << 63n;
/** As ZooKeeper marks a node with a time to live: this byte at the top, the ms at the bottom. */
const TTL_BYTE = 0xffn;
const TTL_MASK = TTL_BYTE << 56n;

export function isCreateMode(value: number): boolean {
  return value >= 0 && value <= CREATE_MODE_MAX;
}

export function isSequential(mode: number): boolean {
  return (
    mode === CreateMode.persistentSequential ||
    mode === CreateMode.ephemeralSequential ||
    mode === CreateMode.ttlSequential
  );
}

export function isEphemeral(mode: number): boolean {
  return mode === CreateMode.ephemeral || mode === CreateMode.ephemeralSequential;
}

export function isTtl(mode: number): boolean {
  return mode === CreateMode.ttl || mode === CreateMode.ttlSequential;
}

export function ttlOwner(ttlMs: number): bigint {
  return TTL_MASK | BigInt(ttlMs);
}

/** Of an ephemeral owner (u64): what kind of node has it. */
export type OwnerKind = "none" | "session" | "container" | "ttl";

export function ownerKind(owner: bigint): OwnerKind {
  if (owner === NO_OWNER) return "none";
  if (owner === CONTAINER_OWNER) return "container";
  return owner >> 56n === TTL_BYTE ? "ttl" : "session";
}

/** Of a node of kind "ttl". */
export function ttlOfOwner(owner: bigint): number {
  return Number(owner & BigInt(TTL_MS_MAX));
}

/**
 * ZooKeeper's suffix of a sequential node: Java's `%010d` of an int32. The sign counts as one of
 * the ten places: -2147483648 has eleven characters, -5 is -000000005.
 */
export function sequenceSuffix(creates: number): string {
  return creates < 0 ? `-${String(-creates).padStart(9, "0")}` : String(creates).padStart(10, "0");
}
