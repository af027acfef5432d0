import { formatTxnid, type Txnid } from "@quorate/protocol";
import type { Violations } from "../violations.js";
import { markOf } from "./acl-rules.js";
import type { Effect } from "./transaction.js";
import type { ModelEvents } from "./service-model.js";

/** A value says who wrote it: client, connection, and the how-manieth write of that client. */
export function writerOf(
  value: string,
): { readonly client: number; readonly connection: number; readonly write: number } | null {
  const match = /^s(\d+)\.(\d+)\.(\d+)(?:\.\d+)?$/.exec(value);
  if (match === null) return null;
  const [, client, connection, write] = match.map(Number);
  return { client: client ?? 0, connection: connection ?? 0, write: write ?? 0 };
}

function valueOf(effect: Effect): string {
  if ("data" in effect) return effect.data;
  return effect.kind === "setAcl" ? markOf(effect.acl) : "";
}

interface Client {
  write: number;
  /** The server of each connection that was told of its session. */
  readonly nodes: Map<number, number>;
  /** Where the client was told last that its session is, and when. */
  node: number;
  sinceMs: number;
}

/**
 * Holds the part of Invariant 8 that is about writes: those of one session take effect in the
 * order in which they were sent, and none that came through another server than the one that the
 * client was told of last takes effect when it was proposed after that, under whatever leader.
 * (What was sent to the same server over an older connection may still, as long as it comes before
 * all that was sent since.)
 */
export class WriteOrderChecker implements ModelEvents {
  readonly #violations: Violations;
  readonly #clients = new Map<number, Client>();
  /** When each transaction was first proposed. */
  readonly #proposedAtMs = new Map<bigint, number>();

  constructor(violations: Violations) {
    this.#violations = violations;
  }

  /** The client was told that its session goes on, or begins, on this connection. */
  connected(
    client: number,
    { number, node }: { number: number; node: number },
    nowMs: number,
  ): void {
    const known = this.#of(client);
    known.nodes.set(number, node);
    if (known.node === node) return;
    known.node = node;
    known.sinceMs = nowMs;
  }

  proposed(txnid: bigint, nowMs: number): void {
    if (!this.#proposedAtMs.has(txnid)) this.#proposedAtMs.set(txnid, nowMs);
  }

  readonly onApplied = (txnid: Txnid, effects: readonly Effect[]): void => {
    const seen = new Set<number>();
    for (const effect of effects) {
      const writer = writerOf(valueOf(effect));
      // A multi is one write.
      if (writer === null || seen.has(writer.client)) continue;
      seen.add(writer.client);
      this.#wrote(writer, txnid);
    }
  };

  readonly onSessionClosed = (): void => undefined;

  #wrote(
    { client, connection, write }: { client: number; connection: number; write: number },
    txnid: Txnid,
  ): void {
    const known = this.#of(client);
    const proposedAtMs = this.#proposedAtMs.get(txnid) ?? 0;
    const node = known.nodes.get(connection) ?? known.node;
    const isLate = node !== known.node && proposedAtMs > known.sinceMs;
    this.#violations.expect(
      write > known.write,
      "fifoOrder",
      () => `${formatTxnid(txnid)} is write ${write} of client ${client}, after ${known.write}`,
    );
    this.#violations.expect(
      !isLate,
      "moveIsObeyed",
      () =>
        `${formatTxnid(txnid)} of client ${client} came through n${node} and was proposed at ` +
        `${proposedAtMs} ms; since ${known.sinceMs} ms it is known to be on n${known.node}`,
    );
    known.write = Math.max(known.write, write);
  }

  #of(client: number): Client {
    const known = this.#clients.get(client) ?? {
      write: 0,
      nodes: new Map<number, number>(),
      node: 0,
      sinceMs: 0,
    };
    this.#clients.set(client, known);
    return known;
  }
}
