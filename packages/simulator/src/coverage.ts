/** Every fault that the nemesis can do, by its number in the list of faults. */
export const FAULT_KINDS = [
  "F1 drop",
  "F2 duplicate",
  "F3 reorder",
  "F4 slow link",
  "F5 corrupt",
  "F6 half-open",
  "F7 one-way partition",
  "F8 split",
  "F9 bridge",
  "F9 ring",
  "F10 isolated leader",
  "F11 flapping",
  "F12 reset",
  "F13 replay",
  "F13 spoof",
  "F14 new address",
  "F15 slow receiver",
  "F16 kill at port call",
  "F16 kill around persist",
  "F17 pause",
  "F18 restart loop",
  "F19 crash of a quorum",
  "F19 crash of all",
  "F23 lost unsynced write",
  "F24 torn write",
  "F25 lost tail",
  "F25 flipped batch",
  "F28 failed fsync",
  "F29 disk full",
  "F31 slow fsync",
  "F32 wiped disk",
  "F34 clock jump",
  "F35 skew",
  "F36 rate drift",
  "F37 timer starvation",
  "F44 reconnect storm",
  "F48 moved session",
  "F50 mass expiry",
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

/** What the protocol must have done. */
export const EVENT_KINDS = [
  "leader change",
  "diff",
  "truncate",
  "snapshot",
  "abdicate",
  "superseded",
  "uncounted promise",
  "late joiner",
  "recovering",
  "compaction",
  "log too long",
  "handover",
  "pipe overflow",
] as const;

/** What the service to sessions must have done. */
export const SERVICE_EVENTS = [
  "session opened",
  "session moved",
  "session at a watcher",
  "session's timeout changed",
  "session closed",
  "session expired",
  "session found expired",
  "session kept through a change of leader",
  "ephemerals deleted by a close",
  "ephemerals deleted by expiry",
  "thirty ephemerals deleted at once",
  "write refused after a move",
  "server behind its client",
  "numbered create",
  "multi",
  "sync",
  "read between a refused write and the next",
  "watch event",
  "persistent watch",
  "watches set again",
  "missed event told",
  "event withheld by an ACL",
  "read refused by an ACL",
  "write refused by an ACL",
  "multiRead",
  "setAcl",
  "setAcl with a condition",
  "setAcl refused by its condition",
  "setAcl refused by an ACL",
  "getAcl",
  "getAcl refused by an ACL",
  "change told to a follower",
  "setAcl told to a follower",
  "change kept from a follower by an ACL",
  "follower behind the log's begin",
  "container removed",
  "node removed at its time",
  "read without a quorum",
  "write refused without a quorum",
] as const;

/** Operations of a multi that is refused, at each of which the refusal must have been. */
export const MULTI_PARTS_MAX = 4;

export type EventKind = (typeof EVENT_KINDS)[number] | (typeof SERVICE_EVENTS)[number];

/** Kinds of durable writes, for crashes between each pair of them. */
export type PersistKind =
  | "acceptedEpoch"
  | "truncate"
  | "append"
  | "stage"
  | "install"
  | "currentEpoch"
  | "members"
  | "checkpoint";

/** A crash that left the first durable and the second not, though it was asked for or due. */
export const CRASH_PAIRS = [
  "acceptedEpoch > append",
  "acceptedEpoch > truncate",
  "acceptedEpoch > stage",
  "acceptedEpoch > currentEpoch",
  "truncate > append",
  "truncate > currentEpoch",
  "stage > install",
  "install > currentEpoch",
  "append > currentEpoch",
  "append > append",
  "currentEpoch > append",
] as const;

/** What a fault may aim at: whatever is aimed at must also be hit. */
export type CrashPair = (typeof CRASH_PAIRS)[number];

/** Counts by name; of one run, or of many added up. */
export class Coverage {
  readonly counts = new Map<string, number>();

  constructor(counts: Iterable<readonly [string, number]> = []) {
    for (const [name, count] of counts) this.add(name, count);
  }

  fault(kind: FaultKind): void {
    this.add(`fault ${kind}`, 1);
  }

  event(kind: EventKind): void {
    this.add(`event ${kind}`, 1);
  }

  multiRefusedAt(position: number): void {
    this.add(`multi refused at ${position}`, 1);
  }

  crash(last: PersistKind, next: PersistKind): void {
    this.add(`crash ${last} > ${next}`, 1);
  }

  add(name: string, count: number): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + count);
  }

  get(name: string): number {
    return this.counts.get(name) ?? 0;
  }

  faultKinds(): number {
    return FAULT_KINDS.filter((kind) => this.get(`fault ${kind}`) > 0).length;
  }

  /** All that must occur, with its count, in a defined order. */
  rows(): readonly (readonly [string, number])[] {
    return REQUIRED.map((name) => [name, this.get(name)] as const);
  }

  /** What must occur and did not. */
  zeros(): readonly string[] {
    return REQUIRED.filter((name) => this.get(name) === 0);
  }
}

const REQUIRED: readonly string[] = [
  ...FAULT_KINDS.map((kind) => `fault ${kind}`),
  ...EVENT_KINDS.map((kind) => `event ${kind}`),
  ...SERVICE_EVENTS.map((kind) => `event ${kind}`),
  ...Array.from({ length: MULTI_PARTS_MAX }, (_, position) => `multi refused at ${position}`),
  ...CRASH_PAIRS.map((pair) => `crash ${pair}`),
];
