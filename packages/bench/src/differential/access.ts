import { ZkOp, type AclEntry } from "@quorate/zookeeper";
import { digestId, passwords } from "./generate-values.js";
import type { NormalItem } from "./normalise.js";
import type { RequestStep, Step } from "./steps.js";
import { Watches } from "./watches.js";
import { writesOf } from "./writes.js";

const READ = 1;
const OK = 0;

type Acl = readonly AclEntry[];

/**
 * Who may read what and who watches how, as far as the steps and the left side's answers tell:
 * enough to say of a difference that it is about a node which its connection may not read, or about
 * a watch that the two sides keep in different ways.
 */
export class Access {
  readonly watches = new Watches();
  /** Connections that only the left side ended. */
  readonly #endedLeft = new Set<number>();
  readonly #acls = new Map<string, Acl>();
  /** What the last step replaced or took away. */
  #before = new Map<string, Acl>();
  /** Users, by connection; they are gone with it. */
  readonly #users = new Map<number, Set<string>>();
  /** Takes in a step, before what differs in it is looked at. */
  note(step: Step, left: readonly NormalItem[], right: readonly NormalItem[]): void {
    this.watches.note(step, left, right);
    this.#before = new Map();
    const isDone = left.some(
      ({ kind, connection, fields }) =>
        kind === "reply" && connection === step.connection && fields.err === OK,
    );
    if (isDone && step.do === "request" && step.type === ZkOp.auth) this.#noteAuth(step);
    for (const { kind, path, acl } of writesOf(step, left)) {
      if (kind === "deleted") this.#replace(path, null);
      else if (acl !== null) this.#replace(path, this.#resolved(step.connection, acl));
    }
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

  #noteAuth({ connection, value }: RequestStep): void {
    const { scheme, auth } = value as { scheme: string | null; auth: Uint8Array | null };
    if (scheme !== "digest" || auth === null) return;
    const [user = ""] = new TextDecoder().decode(auth).split(":");
    const users = this.#users.get(connection) ?? new Set();
    this.#users.set(connection, users.add(user));
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
