import { QuorateError, TXNID_ZERO, type AuthIdentity, type Txnid } from "@quorate/protocol";
import {
  decodeSubscribe,
  decodeTaken,
  encodeEvents,
  encodeEventsHead,
  NATIVE_OP_SUBSCRIBE,
  NATIVE_OP_TAKEN,
  type NativeReply,
  type NativeRequest,
} from "@quorate/codec";
import type { Feed, SubscriptionHandle } from "../feed/feed.js";
import { CONNECTION_SUBSCRIPTIONS_MAX } from "../feed/limits.js";

/** Up to here a copy into one piece costs less than a second write. */
const JOINED_BYTES_MAX = 4096;
const NO_CONTENT = new Uint8Array(0);
const NO_EVENTS = encodeEvents([]);

export interface SubscriptionsDeps {
  /** What the client has proved so far. */
  readonly identities: () => readonly AuthIdentity[];
  reply(reply: NativeReply): void;
  /** One message in pieces, in order. */
  send(parts: readonly Uint8Array[]): void;
}

/** The subscriptions of one native connection, by the ids that its client chose. */
export class ConnectionSubscriptions {
  readonly #feed: Pick<Feed, "subscribe">;
  readonly #deps: SubscriptionsDeps;
  readonly #handles = new Map<number, SubscriptionHandle>();

  constructor(feed: Pick<Feed, "subscribe">, deps: SubscriptionsDeps) {
    this.#feed = feed;
    this.#deps = deps;
  }

  /** False when the client uses an id twice: then it cannot tell what it hears. */
  take(request: NativeRequest): boolean {
    if (request.op === NATIVE_OP_SUBSCRIBE) {
      if (this.#handles.has(request.id)) return false;
      this.#orRefuse(request.id, () => this.#subscribe(request));
    } else if (request.op === NATIVE_OP_TAKEN) {
      // One that has just ended may still be answered: that is no mistake.
      const handle = this.#handles.get(request.id);
      this.#orRefuse(request.id, () => handle?.taken(decodeTaken(request.content)));
    } else {
      this.#forget(request.id)?.close();
      this.#deps.reply({ id: request.id, ok: true, txnid: TXNID_ZERO, content: NO_CONTENT });
    }
    return true;
  }

  close(): void {
    for (const handle of this.#handles.values()) handle.close();
    this.#handles.clear();
  }

  #subscribe({ id, key, content }: NativeRequest): void {
    const after = decodeSubscribe(content);
    if (this.#handles.size >= CONNECTION_SUBSCRIPTIONS_MAX) {
      throw new QuorateError("ERR_SERVER_BUSY", "too many subscriptions of one connection");
    }
    const handle = this.#feed.subscribe(
      { prefix: key, after, identities: this.#deps.identities },
      {
        deliver: (page) => this.#send(id, page.upTo, page.encodedBy(encodeEvents)),
        bookmark: (upTo) => this.#send(id, upTo, NO_EVENTS),
        end: (error) => {
          this.#forget(id);
          this.#deps.reply({ id, ok: false, error });
        },
      },
    );
    this.#handles.set(id, handle);
  }

  #send(id: number, upTo: Txnid, body: Uint8Array): void {
    const head = encodeEventsHead(id, upTo);
    if (body.length > JOINED_BYTES_MAX) {
      this.#deps.send([head, body]);
      return;
    }
    const whole = new Uint8Array(head.length + body.length);
    whole.set(head);
    whole.set(body, head.length);
    this.#deps.send([whole]);
  }

  #orRefuse(id: number, run: () => void): void {
    try {
      run();
    } catch (error) {
      // Also for a defect: its client is told that it has ended.
      this.#forget(id)?.close();
      if (!(error instanceof QuorateError)) throw error;
      this.#deps.reply({ id, ok: false, error });
    }
  }

  #forget(id: number): SubscriptionHandle | undefined {
    const handle = this.#handles.get(id);
    this.#handles.delete(id);
    return handle;
  }
}
