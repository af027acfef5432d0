import { createHash } from "node:crypto";
import { ZkOp } from "@quorate/zookeeper";
import { decodeTrace, type Decoded } from "./decode.js";
import { requestIn, type Step } from "./steps.js";
import type { Baseline, Trace } from "./trace.js";
import { ZxidRanks } from "./zxid-ranks.js";

/** A packet without what is each target's own; equal ones have equal `text`. */
export interface NormalItem {
  readonly connection: number;
  readonly kind: Decoded["kind"];
  readonly text: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** By step, in the order of the trace. */
export type NormalTrace = readonly (readonly NormalItem[])[];

/** Owners that are no session. */
const CONTAINER_OWNER = -(2n ** 63n);
const TTL_MARK = 0xffn;
const TEXT_BYTES_MAX = 400;
const CONFIG_PATH = "/zookeeper/config";
/** No node was made before 2001. */
const TIME_MS_MIN = 1e12;

/**
 * Takes out what two ensembles cannot share: zxids become ranks, times are tied to the zxid that
 * set them, sessions are numbered as they appear. Lists without a promised order are sorted.
 */
export function normalise(trace: Trace): NormalTrace {
  const decoded = decodeTrace(trace);
  const normaliser = new Normaliser(trace, decoded);
  return decoded.map((items, i) => normaliser.step(items, trace.steps[i]));
}

class Normaliser {
  readonly #baseline: Baseline;
  readonly #ranks: ZxidRanks;
  readonly #sessions = new Map<bigint, number>();
  readonly #times = new Map<bigint, number>();

  constructor(trace: Trace, decoded: readonly (readonly Decoded[])[]) {
    this.#baseline = trace.baseline;
    this.#ranks = new ZxidRanks(trace.startZxid, decoded);
  }

  step(items: readonly Decoded[], step: Step | undefined): readonly NormalItem[] {
    const normal = items.map((item) => this.#item(item, step));
    // A session's nodes go in no promised order: its server keeps them in a hash set.
    return endsSession(step) ? sortedEvents(normal) : normal;
  }

  #item(item: Decoded, step: Step | undefined): NormalItem {
    const fields = this.#fields(item, step);
    const { connection, kind } = item;
    return { connection, kind, fields, text: `${kind} ${JSON.stringify(fields)}` };
  }

  #fields(item: Decoded, step: Step | undefined): Record<string, unknown> {
    switch (item.kind) {
      case "closed":
      case "silent":
        return {};
      case "connect": {
        const { protocolVersion, timeOut, sessionId, passwd } = item.response;
        const session = this.#session(sessionId);
        const password = passwd === null ? null : `${passwd.length}${isZero(passwd) ? " 0" : ""}`;
        return { protocolVersion, timeOut, session, password, readOnly: item.readOnly };
      }
      case "event": {
        const zxid = item.zxid === -1n ? "-1" : this.#ranks.before(item.zxid);
        return { ...item.event, err: item.err, zxid };
      }
      case "reply": {
        const { type, xid, err, body, isExact, rest } = item;
        const normal = this.#body(body, step);
        const zxid = this.#ranks.before(item.zxid);
        const more = {
          ...(isExact ? {} : { encoding: "another" }),
          ...(rest.length === 0 ? {} : { rest: textOf(rest) }),
        };
        return { op: type, xid, err, zxid, ...(body === null ? {} : { body: normal }), ...more };
      }
      case "unreadable":
        return { bytes: textOf(item.bytes) };
    }
  }

  #body(body: unknown, step: Step | undefined): unknown {
    const value = step === undefined ? null : requestIn(step)?.value;
    if (!Array.isArray(body)) return this.#value(body, pathOf(value));
    // Results of a multi, each to its own operation.
    const ops = Array.isArray(value) ? (value as readonly { request: unknown }[]) : [];
    return body.map((result, i) => this.#value(result, pathOf(ops[i]?.request)));
  }

  #value(value: unknown, path: string | null): unknown {
    if (typeof value === "bigint") return String(value);
    if (value instanceof Uint8Array) return textOf(value);
    if (Array.isArray(value)) return value.map((item) => this.#value(item, path));
    if (typeof value !== "object" || value === null) return value;
    if ("czxid" in value) return this.#stat(value as unknown as StatLike, path);
    const entries = Object.entries(value).map(([name, field]) => [
      name,
      this.#field(name, field, path),
    ]);
    return Object.fromEntries(entries) as unknown;
  }

  #field(name: string, field: unknown, path: string | null): unknown {
    if (name === "data" && path === CONFIG_PATH && field instanceof Uint8Array) {
      return configShape(field);
    }
    if ((name === "children" || name === "ephemerals") && Array.isArray(field)) {
      return (field as readonly string[]).toSorted();
    }
    // Who a connection is, its server keeps in a hash set.
    if (name === "clientInfo" && Array.isArray(field)) {
      return field.map((one) => JSON.stringify(one)).toSorted();
    }
    return this.#value(field, path);
  }

  #stat(stat: StatLike, path: string | null): unknown {
    // Without a path a read is one of the root.
    const base = path === null ? undefined : this.#baseline[path === "" ? "/" : path];
    return {
      czxid: this.#ranks.of(stat.czxid),
      mzxid: this.#ranks.of(stat.mzxid),
      pzxid: this.#ranks.of(stat.pzxid),
      ctime: this.#time(stat.ctime, stat.czxid),
      mtime: this.#time(stat.mtime, stat.mzxid),
      version: stat.version - (base?.version ?? 0),
      cversion: stat.cversion - (base?.cversion ?? 0),
      aversion: stat.aversion - (base?.aversion ?? 0),
      owner: this.#owner(stat.ephemeralOwner),
      dataLength: path === CONFIG_PATH ? "config" : stat.dataLength,
      numChildren: stat.numChildren,
    };
  }

  /** A transaction has one time, and whatever it set shows that one. */
  #time(time: number, zxid: bigint): string {
    if (this.#ranks.isOld(zxid)) return time === 0 ? "0" : "old";
    const known = this.#times.get(zxid) ?? time;
    this.#times.set(zxid, known);
    return known === time && time > TIME_MS_MIN ? "t" : "another time";
  }

  #owner(owner: bigint): string {
    if (owner === 0n) return "0";
    if (owner === CONTAINER_OWNER) return "container";
    const unsigned = BigInt.asUintN(64, owner);
    if (unsigned >> 56n === TTL_MARK) return `ttl ${unsigned & ((1n << 40n) - 1n)}`;
    return this.#session(owner);
  }

  #session(id: bigint): string {
    if (id === 0n) return "0";
    const known = this.#sessions.get(id) ?? this.#sessions.size + 1;
    this.#sessions.set(id, known);
    return `s${known}`;
  }
}

interface StatLike {
  readonly czxid: bigint;
  readonly mzxid: bigint;
  readonly pzxid: bigint;
  readonly ctime: number;
  readonly mtime: number;
  readonly version: number;
  readonly cversion: number;
  readonly aversion: number;
  readonly ephemeralOwner: bigint;
  readonly dataLength: number;
  readonly numChildren: number;
}

function pathOf(value: unknown): string | null {
  if (typeof value !== "object" || value === null || !("path" in value)) return null;
  return typeof value.path === "string" ? value.path : null;
}

function endsSession(step: Step | undefined): boolean {
  return step?.do === "expire" || (step?.do === "request" && step.type === ZkOp.closeSession);
}

/** Sorts each run of events of one connection, and leaves everything else where it is. */
function sortedEvents(items: readonly NormalItem[]): readonly NormalItem[] {
  const sorted: NormalItem[] = [];
  let run: NormalItem[] = [];
  const flush = (): void => {
    sorted.push(...run.toSorted((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0)));
    run = [];
  };
  for (const item of items) {
    if (item.kind !== "event" || (run[0] && run[0].connection !== item.connection)) flush();
    if (item.kind === "event") run.push(item);
    else sorted.push(item);
  }
  flush();
  return sorted;
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

function textOf(bytes: Uint8Array): string {
  if (bytes.length > TEXT_BYTES_MAX) {
    const digest = createHash("sha1").update(bytes).digest("hex").slice(0, 12);
    return `${bytes.length} bytes, ${digest}`;
  }
  const isText = bytes.every((byte) => byte >= 0x20 && byte < 0x7f);
  return isText ? `"${Buffer.from(bytes).toString()}"` : Buffer.from(bytes).toString("hex");
}

/** Addresses and the version are the ensemble's own; how many servers, and which keys, are not. */
function configShape(data: Uint8Array): string {
  const lines = Buffer.from(data).toString().split("\n");
  return lines.map((line) => line.replace(/=.*$/, "=")).join(" ");
}
