import { crc32 } from "node:zlib";
import type Database from "better-sqlite3";
import {
  formatTxnid,
  parseTxnid,
  QuorateError,
  toEpoch,
  toIdentity,
  toNodeId,
  type AcceptedEpoch,
  type Chain,
  type Epoch,
  type Identity,
  type LogPosition,
  type NodeId,
  type Txnid,
} from "@quorate/protocol";
import type { CheckpointFact } from "./worker-messages.js";

/** The row that every transaction rewrites: where the log lies and what it reaches. */
export interface Marks {
  /** Rises by one with each transaction. */
  readonly sequence: number;
  /** The rows of the log are those with `first <= position < next`. */
  readonly first: number;
  readonly next: number;
  /** Bytes of all blocks before `next`. */
  readonly offset: number;
  readonly start: LogPosition;
  readonly end: LogPosition;
  readonly commitMark: Txnid;
}

export type Members = readonly (readonly [NodeId, Identity])[];

export interface Facts {
  readonly marks: Marks;
  readonly identity: Identity;
  readonly accepted: AcceptedEpoch;
  readonly current: Epoch;
  readonly members: Members;
  readonly checkpoint: CheckpointFact | null;
  readonly damage: string | null;
}

export type FactName = keyof Facts;

/** The small rows of log.db: JSON, so that an operator can read them, each with a checksum. */
const encoders: { readonly [N in FactName]: (value: Facts[N]) => unknown } = {
  marks: (marks) => ({
    ...marks,
    start: positionText(marks.start),
    end: positionText(marks.end),
    commitMark: formatTxnid(marks.commitMark),
  }),
  identity: (identity) => identity,
  accepted: (accepted) => accepted,
  current: (epoch) => epoch,
  members: (members) => members,
  checkpoint: (checkpoint) =>
    checkpoint === null
      ? null
      : {
          ...checkpoint,
          position: positionText(checkpoint.position),
          digest: checkpoint.digest.toString(16),
        },
  damage: (damage) => damage,
};

const decoders: { readonly [N in FactName]: (value: Json) => Facts[N] } = {
  marks: (value) => ({
    sequence: numberIn(value, "sequence"),
    first: numberIn(value, "first"),
    next: numberIn(value, "next"),
    offset: numberIn(value, "offset"),
    start: positionOfText(textIn(value, "start")),
    end: positionOfText(textIn(value, "end")),
    commitMark: parseTxnid(textIn(value, "commitMark")),
  }),
  identity: (value) => toIdentity(text(value)),
  accepted: (value) => {
    const leader = numberIn(value, "leader");
    return {
      epoch: toEpoch(numberIn(value, "epoch")),
      leader: leader === 0 ? 0 : toNodeId(leader),
    };
  },
  current: (value) => toEpoch(Number(value)),
  members: membersOf,
  checkpoint: (value) =>
    value === null
      ? null
      : {
          position: positionOfText(textIn(value, "position")),
          digest: BigInt(`0x${textIn(value, "digest")}`),
          members: membersOf(fieldOf(value, "members")),
          table: numberIn(value, "table"),
          generation: numberIn(value, "generation"),
          rowCount: numberIn(value, "rowCount"),
          rowSum: numberIn(value, "rowSum"),
        },
  damage: (value) => (value === null ? null : text(value)),
};

/** Reads and writes the facts over one connection. */
export class FactTable {
  readonly #db: Database.Database;
  readonly #put: Database.Statement;
  readonly #get: Database.Statement;

  constructor(db: Database.Database) {
    this.#db = db;
    this.#put = db.prepare("INSERT OR REPLACE INTO facts (name, value, checksum) VALUES (?, ?, ?)");
    this.#get = db.prepare("SELECT value, checksum FROM facts WHERE name = ?").raw(true);
  }

  put<N extends FactName>(name: N, fact: Facts[N]): void {
    const text = JSON.stringify(encoders[name](fact));
    this.#put.run(name, text, checksumOf(name, text));
  }

  /** @throws ERR_STORE_DAMAGED when the row is missing or is not what was written. */
  get<N extends FactName>(name: N): Facts[N] {
    const row = this.#get.get(name) as [string, number] | undefined;
    if (row === undefined) throw damaged(name, "is missing");
    const [text, checksum] = row;
    if (checksumOf(name, text) !== checksum) throw damaged(name, "fails its checksum");
    try {
      return decoders[name](JSON.parse(text) as Json);
    } catch (error) {
      throw damaged(name, "cannot be read", error);
    }
  }

  get database(): Database.Database {
    return this.#db;
  }
}

export function checksumOf(name: string, text: string): number {
  return crc32(`${name}=${text}`);
}

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

function damaged(name: string, what: string, cause?: unknown): QuorateError {
  return new QuorateError("ERR_STORE_DAMAGED", `the ${name} row ${what}`, { cause });
}

function positionText({ txnid, chain }: LogPosition): string {
  return `${formatTxnid(txnid)}/${chain.toString(16).padStart(16, "0")}`;
}

function positionOfText(text: string): LogPosition {
  const [txnid = "", chain = ""] = text.split("/");
  return { txnid: parseTxnid(txnid), chain: BigInt(`0x${chain}`) as Chain };
}

function fieldOf(value: Json, name: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`no field ${name}`);
  }
  return (value as { readonly [key: string]: Json })[name] ?? null;
}

function numberIn(value: Json, name: string): number {
  const field = fieldOf(value, name);
  if (typeof field !== "number" || !Number.isSafeInteger(field)) throw new TypeError(name);
  return field;
}

function textIn(value: Json, name: string): string {
  const field = fieldOf(value, name);
  if (typeof field !== "string") throw new TypeError(name);
  return field;
}

function membersOf(value: Json): Members {
  if (!Array.isArray(value)) throw new TypeError("members");
  return (value as readonly Json[]).map((pair) => {
    if (!Array.isArray(pair)) throw new TypeError("member");
    const [id, identity] = pair as readonly Json[];
    return [toNodeId(Number(id)), toIdentity(text(identity))];
  });
}

function text(value: Json | undefined): string {
  if (typeof value !== "string") throw new TypeError("not a text");
  return value;
}
