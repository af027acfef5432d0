import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { vi } from "vitest";
import { WebSocketServer, type WebSocket } from "ws";
import {
  QuorateError,
  toTxnid,
  type CommittedEvent,
  type ErrorCode,
  type Txnid,
} from "@quorate/protocol";
import {
  decodeNativeRequests,
  decodeSubscribe,
  decodeTaken,
  encodeEvents,
  encodeEventsHead,
  encodeNativeReplies,
  NATIVE_OP_PING,
  NATIVE_OP_SUBSCRIBE,
  NATIVE_OP_TAKEN,
  NATIVE_OP_UNSUBSCRIBE,
  NATIVE_SUBPROTOCOL,
  type NativeReply,
  type NativeRequest,
} from "@quorate/codec";

/** No wait of these tests takes so long on the slowest of machines. */
const UNTIL_MS_MAX = 20_000;

export type Answering = (request: NativeRequest) => Uint8Array | QuorateError | "later";

export interface FakeSubscription {
  readonly id: number;
  readonly prefix: string;
  readonly after: Txnid | null;
  send(upTo: Txnid, events?: readonly CommittedEvent[]): void;
  end(error: QuorateError): void;
}

/** A server's port as a script: answers as it is told, and can hold answers back or vanish. */
export class FakeEndpoint implements AsyncDisposable {
  readonly requests: NativeRequest[] = [];
  frames = 0;
  pings = 0;
  answersPings = true;
  closesAtOnce = false;
  connections = 0;
  /** In order of arrival, over all connections. */
  readonly subscriptions: FakeSubscription[] = [];
  readonly taken: Txnid[] = [];
  unsubscribes = 0;
  /** What happens when one arrives. By default it is told where it starts. */
  subscribing: (subscription: FakeSubscription) => void = ({ after, send }) => send(after ?? NOW);
  answering: Answering;
  readonly #server: WebSocketServer;
  readonly #held: (() => void)[] = [];

  private constructor(server: WebSocketServer, answering: Answering) {
    this.#server = server;
    this.answering = answering;
    server.on("connection", (socket) => this.#serve(socket));
  }

  static async open(answering: Answering, port = 0, host = "127.0.0.1"): Promise<FakeEndpoint> {
    const server = new WebSocketServer({
      port,
      host,
      handleProtocols: () => NATIVE_SUBPROTOCOL,
    });
    await once(server, "listening");
    return new FakeEndpoint(server, answering);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `127.0.0.1:${this.port}`;
  }

  get connectionCount(): number {
    return this.#server.clients.size;
  }

  releaseHeld(): void {
    for (const run of this.#held.splice(0)) run();
  }

  /** As a killed process: every connection is reset. */
  cut(): void {
    for (const socket of this.#server.clients) socket.terminate();
  }

  sendRaw(bytes: Uint8Array): void {
    for (const socket of this.#server.clients) socket.send(bytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  get lastSubscription(): FakeSubscription {
    const last = this.subscriptions.at(-1);
    if (last === undefined) throw new Error("nobody subscribed");
    return last;
  }

  #takesSubscription({ id, op, key, content }: NativeRequest, socket: WebSocket): boolean {
    if (op === NATIVE_OP_TAKEN) this.taken.push(decodeTaken(content));
    else if (op === NATIVE_OP_UNSUBSCRIBE) this.unsubscribes += 1;
    else if (op !== NATIVE_OP_SUBSCRIBE) return false;
    else {
      const subscription: FakeSubscription = {
        id,
        prefix: key,
        after: decodeSubscribe(content),
        send: (upTo, events = []) =>
          socket.send(Buffer.concat([encodeEventsHead(id, upTo), encodeEvents(events)])),
        end: (error) => socket.send(encodeNativeReplies([{ id, ok: false, error }])),
      };
      this.subscriptions.push(subscription);
      this.subscribing(subscription);
    }
    return true;
  }

  #serve(socket: WebSocket): void {
    this.connections += 1;
    if (this.closesAtOnce) socket.terminate();
    socket.on("message", (data: Buffer) => {
      this.frames += 1;
      const replies: NativeReply[] = [];
      for (const request of decodeNativeRequests(data)) {
        if ("error" in request) continue;
        if (request.op === NATIVE_OP_PING) {
          this.pings += 1;
          if (this.answersPings) replies.push(replyOf(request.id, new Uint8Array()));
          continue;
        }
        if (this.#takesSubscription(request, socket)) continue;
        this.requests.push(request);
        const answer = this.answering(request);
        if (answer === "later") {
          this.#held.push(() =>
            socket.send(encodeNativeReplies([replyOf(request.id, request.content)])),
          );
        } else {
          replies.push(replyOf(request.id, answer));
        }
      }
      if (replies.length > 0) socket.send(encodeNativeReplies(replies));
    });
  }
}

/** Where a subscription from now on starts. */
export const NOW = toTxnid((7n << 32n) | 100n);

function replyOf(id: number, answer: Uint8Array | QuorateError): NativeReply {
  return answer instanceof QuorateError
    ? { id, ok: false, error: answer }
    : { id, ok: true, txnid: toTxnid((7n << 32n) | 12n), content: answer };
}

export function refusal(code: ErrorCode): QuorateError {
  return new QuorateError(code, "as told");
}

/** Resolves once `condition` holds: a look each millisecond leaves the processor to the others. */
export async function until(condition: () => boolean): Promise<void> {
  await vi.waitUntil(condition, { interval: 1, timeout: UNTIL_MS_MAX });
}
