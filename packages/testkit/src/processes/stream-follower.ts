import { setTimeout as pause } from "node:timers/promises";
import { createClient, type QuorateClient } from "@quorate/client";
import { formatTxnid, TXNID_ZERO, type Txnid } from "@quorate/protocol";
import type { ParentRecord } from "./write-load.js";

const POLL_MS = 5;
const WAIT_MS = 30_000;

/** Follows the committed entries from the first one on and remembers what it hears. */
export class StreamFollower {
  readonly prefix: string;
  readonly txnids: Txnid[] = [];
  /** Of the same events; the first operation's. */
  readonly paths: string[] = [];
  readonly #client: QuorateClient;
  #error: unknown = null;

  constructor(servers: readonly string[], prefix: string) {
    this.prefix = prefix;
    this.#client = createClient({ servers });
    this.#follow().catch((error: unknown) => (this.#error = error));
  }

  get last(): Txnid {
    return this.txnids.at(-1) ?? TXNID_ZERO;
  }

  /** Waits until it has heard everything up to there; @throws (rejects) when its stream ended. */
  async until(txnid: Txnid): Promise<void> {
    const deadline = performance.now() + WAIT_MS;
    while (this.last < txnid) {
      if (this.#error !== null) throw new Error("a stream ended", { cause: this.#error });
      if (performance.now() > deadline) {
        const [at, goal] = [formatTxnid(this.last), formatTxnid(txnid)];
        throw new Error(`a follower of ${this.prefix} is at ${at}, not at ${goal}`);
      }
      await pause(POLL_MS);
    }
  }

  close(): void {
    this.#client.close();
  }

  async #follow(): Promise<void> {
    const events = this.#client.subscribe({ prefix: this.prefix, from: TXNID_ZERO });
    for await (const { txnid, operations } of events) {
      this.txnids.push(txnid);
      this.paths.push(operations[0]?.path ?? "");
    }
  }
}

/**
 * What the followers heard against each other and against what was acknowledged; empty when it is
 * right. They follow whole paths' worth of components, and the first one follows all of them.
 */
export async function verifyStreams(
  followers: readonly StreamFollower[],
  parents: readonly ParentRecord[],
): Promise<string[]> {
  const [whole, ...others] = followers;
  if (whole === undefined) return [];
  const newest = followers.reduce((max, { last }) => (last > max ? last : max), TXNID_ZERO);
  await whole.until(newest);
  const problems: string[] = [];
  const heard = new Set(whole.paths);
  if (heard.size !== whole.paths.length) problems.push("stream: a create was heard twice");
  for (const { path, acknowledged, refused } of parents) {
    for (const name of acknowledged) {
      if (!heard.has(`${path}/${name}`)) problems.push(`stream: ${path}/${name} is missing`);
    }
    for (const name of refused) {
      if (heard.has(`${path}/${name}`)) problems.push(`stream: ${path}/${name} was refused`);
    }
  }
  for (let i = 1; i < whole.txnids.length; i += 1) {
    if ((whole.txnids[i] ?? 0n) > (whole.txnids[i - 1] ?? 0n)) continue;
    problems.push(`stream: ${formatTxnid(whole.txnids[i] ?? TXNID_ZERO)} is out of order`);
  }
  for (const follower of others) {
    const expected = whole.txnids.filter((_, i) => covers(follower.prefix, whole.paths[i] ?? ""));
    await follower.until(expected.at(-1) ?? TXNID_ZERO);
    const at = expected.findIndex((txnid, i) => follower.txnids[i] !== txnid);
    if (at < 0 && follower.txnids.length === expected.length) continue;
    const where = formatTxnid(expected[at] ?? follower.last);
    problems.push(`stream: a follower of ${follower.prefix} heard something else at ${where}`);
  }
  return problems;
}

function covers(prefix: string, path: string): boolean {
  return prefix === "/" || path === prefix || path.startsWith(`${prefix}/`);
}
