import { ZkOp } from "@quorate/zookeeper";
import type { Difference } from "./compare.js";
import type { NormalItem } from "./normalise.js";
import { writesOf } from "./writes.js";
import { requestIn, type RequestStep, type Step } from "./steps.js";
import { eventKey, trigger, WatchTables, type Trigger } from "./watch-tables.js";

const NO_WATCHER = -121;
const MARSHALLING = -5;
const DELETED = 2;
const CHILDREN_CHANGED = 4;
/** The greatest type of watcher that both versions know. */
const TYPE_OLD_MAX = 3;

/** Why the two sides keep watches differently. */
export type WatchCause =
  "permission" | "modes" | "persistent type" | "another's" | "new type" | "no path";

/**
 * The watches of both sides, each by the rules of its own version: 3.8 on the left, 3.9 on the
 * right. A difference is one of rules only when those of each side demand exactly what it said.
 */
export class Watches {
  readonly #left = new WatchTables("3.8");
  readonly #right = new WatchTables("3.9");
  /** What each side must tell of the last step, if everybody may read it. */
  #due: readonly [ReadonlyMap<string, number>, ReadonlyMap<string, number>] = [NONE, NONE];
  /** What each side must answer to the last step, if that asks for a watch. */
  #answers: readonly [number, number] | null = null;
  #isOwnLeft = false;
  #staysLeft = false;
  /** Watches that the left side set and the right one refused, as `connection path`. */
  readonly #refused = new Set<string>();

  /** Takes in a step, before what differs in it is looked at. */
  note(step: Step, left: readonly NormalItem[], right: readonly NormalItem[]): void {
    const request = requestIn(step);
    const triggers = triggersOf(step, left, right);
    this.#due = [this.#left.fire(triggers), this.#right.fire(triggers)];
    this.#answers = null;
    if (request !== null && asksForWatch(request)) this.#predict(request);
    noteSide(this.#left, step, request, left);
    noteSide(this.#right, step, request, right);
  }

  noteRefused(connection: number, path: string): void {
    this.#refused.add(`${connection} ${path}`);
  }

  /** Null when the rules of the two sides do not lead to this difference. */
  causeOf(difference: Difference): WatchCause | null {
    const { step, connection, left, right } = difference;
    const event = left ?? right;
    if (event?.kind === "event") {
      if (left !== null && right !== null) return null;
      const path = String(event.fields.path);
      const key = eventKey(connection, Number(event.fields.type), path);
      const [ours, theirs] = this.#due.map((due) => due.get(key) ?? 0) as [number, number];
      if (left !== null ? ours <= theirs : theirs <= ours) return null;
      return this.#refused.has(`${connection} ${path}`) ? "permission" : "modes";
    }
    const request = requestIn(step);
    if (request === null || this.#answers === null || request.connection !== connection)
      return null;
    const [ours, theirs] = this.#answers;
    if (left?.fields.err !== ours || right?.fields.err !== theirs) return null;
    const { path, type } = request.value as { readonly path: string; readonly type: number };
    if (ours === MARSHALLING) return type > TYPE_OLD_MAX ? "new type" : "no path";
    if (theirs !== NO_WATCHER) return "modes";
    if (!this.#isOwnLeft) return "another's";
    if (this.#refused.has(`${connection} ${path}`)) return "permission";
    return this.#staysLeft && type < TYPE_OLD_MAX ? "persistent type" : "modes";
  }

  #predict(request: RequestStep): void {
    const { path, type } = request.value as { readonly path: string | null; readonly type: number };
    this.#answers = [this.#left.answer(request), this.#right.answer(request)];
    this.#isOwnLeft = this.#left.owns(request.connection, path ?? "", type);
    this.#staysLeft = this.#left.staysAt(request.connection, path ?? "");
  }
}

const NONE: ReadonlyMap<string, number> = new Map();

export function asksForWatch({ type }: RequestStep): boolean {
  return type === ZkOp.checkWatches || type === ZkOp.removeWatches;
}

function noteSide(
  tables: WatchTables,
  step: Step,
  request: RequestStep | null,
  items: readonly NormalItem[],
): void {
  const own = items.filter(({ connection }) => connection === step.connection);
  if (step.do === "open" && own.some(({ kind, fields }) => isSession(kind, fields))) {
    tables.open(step.connection, step.server);
  }
  const reply = own.find(({ kind }) => kind === "reply");
  if (request !== null && reply !== undefined) {
    const events = own.filter(({ kind }) => kind === "event");
    tables.note(request, reply.fields.err, events);
  }
  if (step.do === "drop" || step.do === "expire") tables.close(step.connection);
  for (const { kind, connection } of items) if (kind === "closed") tables.close(connection);
}

function isSession(kind: NormalItem["kind"], fields: NormalItem["fields"]): boolean {
  return kind === "connect" && fields.session !== "0";
}

/**
 * What a step makes fire: of a write, what it changes; where a session ends, what either side tells
 * of, since nobody else knows which nodes it had.
 */
function triggersOf(
  step: Step,
  left: readonly NormalItem[],
  right: readonly NormalItem[],
): readonly Trigger[] {
  const isEnd = step.do === "expire" || (step.do === "request" && step.type === ZkOp.closeSession);
  if (isEnd) return toldTriggers([...left, ...right]);
  return writesOf(step, left).flatMap(({ kind, path }) => {
    const parent = trigger.childrenChanged(parentOf(path));
    if (kind === "created") return [trigger.created(path), parent];
    if (kind === "deleted") return [trigger.deleted(path), parent];
    return kind === "dataChanged" ? [trigger.dataChanged(path)] : [];
  });
}

function toldTriggers(items: readonly NormalItem[]): readonly Trigger[] {
  const most = new Map<string, number>();
  const counts = new Map<NormalItem["connection"], Map<string, number>>();
  for (const { kind, connection, fields } of items) {
    if (kind !== "event") continue;
    const key = `${String(fields.type)} ${String(fields.path)}`;
    const own = counts.get(connection) ?? new Map<string, number>();
    counts.set(connection, own.set(key, (own.get(key) ?? 0) + 1));
    most.set(key, Math.max(most.get(key) ?? 0, own.get(key) ?? 0));
  }
  return [...most].flatMap(([key, count]) => {
    const type = Number(key.slice(0, key.indexOf(" ")));
    const path = key.slice(key.indexOf(" ") + 1);
    if (type === DELETED) return [trigger.deleted(path)];
    if (type !== CHILDREN_CHANGED) return [];
    return Array.from({ length: count }, () => trigger.childrenChanged(path));
  });
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash <= 0 ? "/" : path.slice(0, slash);
}
