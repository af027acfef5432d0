import { formatTxnid, type CommittedEvent, type Txnid } from "@quorate/protocol";
import type { Violations } from "../violations.js";
import { may, Perm, type Identities } from "./acl-rules.js";
import type { ServiceModel, Told } from "./service-model.js";

const decoder = new TextDecoder();

export interface FeedWitnessDeps {
  readonly model: ServiceModel;
  readonly violations: Violations;
  /** What it proves; null: the node's own program, which hears of everything. */
  readonly identities: Identities | null;
  readonly prefix: string;
  /** Something was not told, for an ACL's sake. */
  onWithheld(): void;
}

/**
 * Judges what one subscriber is told of the log, page by page. Holds the last part of Invariant 7
 * (who follows what is applied gets the same sequence, without a hole) and ADR 0024: it is told of
 * a change when it may read the node by the ACL of then, wherever it asks and however late. The
 * ACLs are the model's, not those that the entries name.
 */
export class FeedWitness {
  readonly #who: string;
  readonly #deps: FeedWitnessDeps;

  constructor(who: string, deps: FeedWitnessDeps) {
    this.#who = who;
    this.#deps = deps;
  }

  /** All that it is told of the transactions above `after`, `upTo` included. */
  told(after: bigint, upTo: bigint, events: readonly CommittedEvent[]): void {
    const { model, violations, onWithheld } = this.#deps;
    const all = model.toldBetween(after, upTo).filter(({ path }) => this.#covers(path));
    const due = all.filter(({ acl }) => this.#mayHear(acl));
    if (due.length < all.length) onWithheld();
    const got = events.flatMap(({ txnid, operations }) =>
      operations.map((operation) => ({ ...operation, txnid })),
    );
    const wrongAt = got.findIndex((one, index) => !isSame(due[index], one));
    if (wrongAt === -1 && got.length === due.length) return;
    const told = got[wrongAt === -1 ? due.length : wrongAt];
    const expected = due[wrongAt === -1 ? got.length : wrongAt];
    const isSecret =
      told !== undefined && all.some((one) => isSame(one, told) && !this.#mayHear(one.acl));
    violations.report(
      isSecret ? "aclIsObeyed" : "feedIsTheLog",
      `${this.#who} is told of ${describe(told)} between ${text(after)} and ${text(upTo)}, ` +
        (isSecret ? "which it may not read" : `where ${describe(expected)} is due`),
    );
  }

  #covers(path: string): boolean {
    const { prefix } = this.#deps;
    return prefix === "" || prefix === "/" || path === prefix || path.startsWith(`${prefix}/`);
  }

  #mayHear(acl: Told["acl"]): boolean {
    const { identities } = this.#deps;
    return identities === null || may(acl, Perm.read, identities);
  }
}

type Operation = CommittedEvent["operations"][number] & { readonly txnid: Txnid };

function isSame(due: Told | undefined, told: Operation): boolean {
  if (due?.txnid !== told.txnid || due.kind !== told.kind || due.path !== told.path) return false;
  const data = "data" in told ? decoder.decode(told.data) : "";
  const version = "version" in told ? told.version : null;
  return data === due.data && (due.version === null || due.version === version);
}

function describe(one: Told | Operation | undefined): string {
  return one === undefined ? "nothing" : `${one.kind} ${one.path} at ${text(one.txnid)}`;
}

function text(txnid: bigint): string {
  return formatTxnid(txnid as Txnid);
}
