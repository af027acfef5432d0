import { TXNID_ZERO, toTxnid, type QuorateError, type Txnid } from "@quorate/protocol";
import {
  decodeOpenedSession,
  encodeRewatch,
  encodeSessionOpening,
  NATIVE_OP_AUTH,
  NATIVE_OP_REWATCH,
  NATIVE_OP_SESSION,
  NATIVE_REWATCH_PATHS_MAX,
  type NativeChange,
  type OpenedSession,
} from "@quorate/codec";
import { WatchBook, type ArmedAs } from "@quorate/znode";
import type { Answer } from "./call.js";
import { PROOFS_MAX, WATCH_LIFE_MS } from "./limits.js";

/** One request that makes a new connection what the last one was. */
export interface Greeting {
  readonly op: number;
  readonly key: string;
  readonly content: Uint8Array;
}

/** Of one request that sets watches again. */
const REWATCH_BYTES_MAX = 256 * 1024;

/** What a client is to its servers beside its calls, over all its connections. */
export class Standing {
  readonly watches = new WatchBook();
  readonly #askedMs: number | null;
  readonly #proofs = new Map<string, Greeting>();
  #session: OpenedSession | null = null;
  /** Everything up to it that is watched was told. */
  #seen: Txnid = TXNID_ZERO;
  #isGreeting = false;

  /** With a time, it has a session, which is to live so long without a sign of life. */
  constructor(sessionMs: number | null, proofs: readonly Greeting[] = []) {
    this.#askedMs = sessionMs;
    for (const { key, content } of proofs) this.proved(key, content);
  }

  /** What was proved, as a server is told. */
  get proofs(): readonly Greeting[] {
    return [...this.#proofs.values()];
  }

  get hasSession(): boolean {
    return this.#askedMs !== null;
  }

  get session(): OpenedSession | null {
    return this.#session;
  }

  /** It wants a connection also while nothing is asked. */
  get needsConnection(): boolean {
    return this.#askedMs !== null || !this.watches.isEmpty;
  }

  /** How often it gives a sign of life; null when nobody waits for one. */
  get lifeMs(): number | null {
    if (this.#session !== null) return this.#session.timeoutMs / 3;
    return this.watches.isEmpty ? null : WATCH_LIFE_MS;
  }

  saw(txnid: Txnid): void {
    // Until all watches are set again, those that are not may have missed what was seen.
    if (!this.#isGreeting && txnid > this.#seen) this.#seen = txnid;
  }

  /** Each proof once. */
  proved(scheme: string, content: Uint8Array): void {
    this.#proofs.set(`${scheme} ${content.join()}`, { op: NATIVE_OP_AUTH, key: scheme, content });
  }

  get hasRoomForProof(): boolean {
    return this.#proofs.size < PROOFS_MAX;
  }

  /** What a new connection is to be told, in order, before anything else. */
  greetings(): readonly Greeting[] {
    const greetings = [...this.#proofs.values()];
    if (this.#askedMs !== null) {
      greetings.push({ op: NATIVE_OP_SESSION, key: "", content: this.#opening(this.#askedMs) });
    }
    for (const watches of chunksOf(this.watches.toArm())) {
      greetings.push({
        op: NATIVE_OP_REWATCH,
        key: "",
        content: encodeRewatch(this.#seen, watches),
      });
    }
    this.#isGreeting = greetings.length > 0;
    return greetings;
  }

  /** One of them was answered. */
  answered({ op }: Greeting, { content }: Answer): void {
    if (op === NATIVE_OP_SESSION) this.#session = decodeOpenedSession(content);
  }

  /** All of them were answered; the newest transaction that the answers told of. */
  greeted(newest: Txnid): void {
    this.#isGreeting = false;
    this.watches.rearmed(newest, newest > this.#seen);
    this.saw(newest);
  }

  told({ change, path, txnid }: NativeChange): void {
    // Others of the same transaction may be on their way in a frame that never comes: only what
    // was before it is known to be told (Invariant 9). The next answer covers it.
    if (txnid > TXNID_ZERO) this.saw(toTxnid(txnid - 1n));
    this.watches.tell(change, path, txnid);
  }

  /** Nothing follows for whoever watches. */
  end(error: QuorateError): void {
    for (const watch of [...this.watches.values()]) watch.stream.end(error);
  }

  #opening(timeoutMs: number): Uint8Array {
    const session = this.#session;
    return encodeSessionOpening(
      session === null
        ? { kind: "new", seen: this.#seen, timeoutMs }
        : {
            kind: "resume",
            seen: this.#seen,
            id: session.id,
            password: session.password,
            timeoutMs,
          },
    );
  }
}

type Arm = { readonly kind: ArmedAs; readonly path: string };

/** As many as one request takes. */
function* chunksOf(watches: readonly Arm[]): IterableIterator<readonly Arm[]> {
  let from = 0;
  let bytes = 0;
  for (const [index, { path }] of watches.entries()) {
    const own = 3 + path.length * 3;
    const isFull = bytes + own > REWATCH_BYTES_MAX || index - from === NATIVE_REWATCH_PATHS_MAX;
    if (isFull && index > from) {
      yield watches.slice(from, index);
      from = index;
      bytes = 0;
    }
    bytes += own;
  }
  if (from < watches.length) yield watches.slice(from);
}
