import { ZkOp, type AclEntry } from "@quorate/zookeeper";
import type { Difference } from "./compare.js";
import { digestId, passwords } from "./generate-values.js";
import type { NormalItem } from "./normalise.js";
import type { RequestStep, Step } from "./steps.js";
import { WatchModes } from "./watch-modes.js";

const READ = 1;
const OK = 0;

type Acl = readonly AclEntry[];

/**
 * Who may read what and who watches how, as far as the steps and the left side's answers tell:
 * enough to say of a difference that it is about a node which its connection may not read, or about
 * a watch that the two sides keep in different ways.
 */
export class Access {
  readonly watchModes = new WatchModes();
  /** Connections that only the left side ended. */
  readonly #endedLeft = new Set<number>();
  readonly #acls = new Map<string, Acl>();
  /** What the last step replaced or took away. */
  #before = new Map<string, Acl>();
  /** Users, by connection; they are gone with it. */
  readonly #users = new Map<number, Set<string>>();
  /** Watches that one side set and the other refused, as `connection path`. */
  readonly #refused = new Set<string>();

  /** Takes in a step, before what differs in it is looked at. */
  note(step: Step, items: readonly NormalItem[]): void {
    this.#before = new Map();
    if (step.do !== "request") return;
    const reply = items.find(
      ({ kind, connection }) => kind === "reply" && connection === step.connection,
    );
    if (reply === undefined) return;
    this.watchModes.note(step, reply.fields.err);
    if (reply.fields.err !== OK) return;
    if (step.type === ZkOp.auth) this.#noteAuth(step);
    else if (step.type === ZkOp.multi) this.#noteMulti(step, reply);
    else this.#noteWrite(step.connection, step.type, step.value, reply.fields.body);
  }

  /** True when the node, before the last step or after it, is not for that connection to read. */
  isUnreadable(connection: number, path: string): boolean {
    return [this.#acls.get(path), this.#before.get(path)].some(
      (acl) => acl !== undefined && !this.#mayRead(connection, acl),
    );
  }

  noteEndedLeft(connection: number): void {
    this.#endedLeft.add(connection);
  }

  isEndedLeft(connection: number): boolean {
    return this.#endedLeft.has(connection);
  }

  noteRefusedWatch({ connection }: Difference, path: string): void {
    this.#refused.add(`${connection} ${path}`);
  }

  /** True when only one side has that watch, for a reason that was known then. */
  isWatchRefused(connection: number, path: string): boolean {
    return this.#refused.has(`${connection} ${path}`);
  }

  #noteAuth({ connection, value }: RequestStep): void {
    const { scheme, auth } = value as { scheme: string | null; auth: Uint8Array | null };
    if (scheme !== "digest" || auth === null) return;
    const [user = ""] = new TextDecoder().decode(auth).split(":");
    const users = this.#users.get(connection) ?? new Set();
    this.#users.set(connection, users.add(user));
  }

  #noteMulti({ connection, value }: RequestStep, reply: NormalItem): void {
    const ops = value as readonly { type: number; request: unknown }[];
    const { body } = reply.fields;
    const results = Array.isArray(body)
      ? (body as readonly { type: number; value: unknown }[])
      : [];
    if (results.some(({ type }) => type === ZkOp.error)) return;
    for (const [i, { type, request }] of ops.entries()) {
      this.#noteWrite(connection, type, request, results[i]?.value);
    }
  }

  #noteWrite(connection: number, type: number, value: unknown, body: unknown): void {
    const { path, acl } = (value ?? {}) as { path?: string | null; acl?: Acl | null };
    if (typeof path !== "string") return;
    switch (type) {
      case ZkOp.create:
      case ZkOp.create2:
      case ZkOp.createContainer:
      case ZkOp.createTtl: {
        const made = (body as { path?: string } | undefined)?.path ?? path;
        this.#replace(made, this.#resolved(connection, acl ?? []));
        return;
      }
      case ZkOp.setAcl:
        this.#replace(path, this.#resolved(connection, acl ?? []));
        return;
      case ZkOp.delete:
        this.#replace(path, null);
        return;
      default:
    }
  }

  #replace(path: string, acl: Acl | null): void {
    const old = this.#acls.get(path);
    if (old !== undefined) this.#before.set(path, old);
    if (acl === null) this.#acls.delete(path);
    else this.#acls.set(path, acl);
  }

  /** `auth` stands for whoever the connection has proved to be. */
  #resolved(connection: number, acl: Acl): Acl {
    const users = [...(this.#users.get(connection) ?? [])];
    return acl.flatMap((entry) =>
      entry.id.scheme === "auth"
        ? users.map((user) => ({
            perms: entry.perms,
            id: { scheme: "digest", id: digestId(user) },
          }))
        : [entry],
    );
  }

  #mayRead(connection: number, acl: Acl): boolean {
    const users = this.#users.get(connection) ?? new Set();
    if (users.has("super")) return true;
    return acl.some(({ perms, id: { scheme, id } }) => {
      if ((perms & READ) === 0) return false;
      if (scheme === "world") return true;
      if (scheme === "ip") return id?.startsWith("127.") === true;
      const named = Object.keys(passwords).find((user) => digestId(user) === id);
      return scheme === "digest" && named !== undefined && users.has(named);
    });
  }
}
