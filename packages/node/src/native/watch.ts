import type { IncomingMessage, ServerResponse } from "node:http";
import {
  formatTxnid,
  parseTxnid,
  QuorateError,
  type Clock,
  type CommittedEvent,
  type Txnid,
} from "@quorate/protocol";
import { eventDocument } from "@quorate/codec";
import type { Feed, SubscriptionRequest } from "../feed/feed.js";
import { WATCH_CLOSE_MS, WATCH_QUIET_SWEEPS_MAX } from "./limits.js";

const PARAMETERS: ReadonlySet<string> = new Set(["prefix", "from"]);
const encoder = new TextEncoder();

/**
 * Reads `/watch?prefix=/a&from=e1:5`. A browser that comes back repeats the address and says in
 * `Last-Event-ID` how far it came, so that counts more.
 * @throws ERR_ARG_VALUE, ERR_ARG_TXNID, ERR_ARG_EPOCH.
 */
export function watchRequestOf(
  request: Pick<IncomingMessage, "url" | "headers">,
): SubscriptionRequest {
  const query = new URLSearchParams((request.url ?? "").split("?").slice(1).join("?"));
  for (const name of query.keys()) {
    if (PARAMETERS.has(name) && query.getAll(name).length === 1) continue;
    throw new QuorateError("ERR_ARG_VALUE", "a watch has the parameters prefix and from, once", {
      details: { parameter: name.slice(0, 100) },
    });
  }
  const lastSeen = request.headers["last-event-id"];
  const from = typeof lastSeen === "string" && lastSeen !== "" ? lastSeen : query.get("from");
  return { prefix: query.get("prefix") ?? "", after: from === null ? null : parseTxnid(from) };
}

/** One watch over HTTP: server-sent events until either side has enough. */
export interface Watch {
  sweep(): void;
}

/**
 * Begins a watch. The id of each event is its txnid; an id without data is a bookmark; the last
 * event, `end`, says why. What the client's socket does not take fills its window.
 * @throws what {@link Feed.subscribe} refuses; then nothing was written.
 */
export function openWatch(
  request: SubscriptionRequest,
  response: ServerResponse,
  deps: { readonly server: Pick<Feed, "subscribe">; readonly clock: Clock },
): Watch {
  let quietSweeps = 0;
  const write = (chunk: string | Uint8Array, upTo: Txnid): void => {
    quietSweeps = 0;
    response.write(chunk, () => handle.taken(upTo));
  };
  const handle = deps.server.subscribe(request, {
    deliver: (page) => {
      const last = page.events.at(-1)?.txnid;
      write(page.encodedBy(encodeServerSent), last ?? page.upTo);
      if (last !== page.upTo) write(idOnly(page.upTo), page.upTo);
    },
    bookmark: (upTo) => write(idOnly(upTo), upTo),
    end: (error) => {
      response.end(`event: end\ndata: ${JSON.stringify(endDocument(error))}\n\n`);
      // Who takes nothing does not take this either.
      deps.clock.setTimer(WATCH_CLOSE_MS, () => response.destroy());
    },
  });
  response.once("close", () => handle.close());
  response.writeHead(200, {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    // Proxies that gather an answer before they pass it on would gather for ever.
    "X-Accel-Buffering": "no",
  });
  response.write("retry: 1000\n\n");
  return {
    sweep() {
      quietSweeps += 1;
      if (quietSweeps < WATCH_QUIET_SWEEPS_MAX || response.writableEnded) return;
      // What waits to be written is sign enough, and a reader that takes nothing gets no more.
      if (response.writableLength > 0) return;
      quietSweeps = 0;
      response.write(":\n\n");
    },
  };
}

/** For all watches of one prefix at once. */
export function encodeServerSent(events: readonly CommittedEvent[]): Uint8Array {
  const blocks = events.map((event) => {
    const document = eventDocument(event);
    return `id: ${document.txnid}\ndata: ${JSON.stringify(document)}\n\n`;
  });
  return encoder.encode(blocks.join(""));
}

function idOnly(upTo: Txnid): string {
  return `id: ${formatTxnid(upTo)}\n\n`;
}

function endDocument({ code, message, retryable, details }: QuorateError): object {
  return { code, message, retryable, ...details };
}
