import { CommittedStream, QuorateError, type CommittedEvent, type Txnid } from "@quorate/protocol";
import type { Feed, SubscriptionHandle, SubscriptionSink } from "./feed.js";

export interface SubscribeOptions {
  /** In whole components: `/a` covers `/a` and `/a/b`. Default: everything, broadcasts included. */
  readonly prefix?: string;
  /** Events behind this txnid, that one excluded. Default: from now on. */
  readonly from?: Txnid;
  /** Ends it with ERR_CLIENT_ABORTED. */
  readonly signal?: AbortSignal;
  /** Also gives events without operations, which say how far it has come. Default false. */
  readonly bookmarks?: boolean;
}

/**
 * Follows the committed entries of this node: each transaction once, in txnid order, without a
 * hole. It goes on through changes of the leader. Data are views into the log: never change them.
 *
 * Every error comes through the iterator: ERR_CLIENT_COMPACTED when what follows is no longer here
 * (`details.oldest` names the oldest start), ERR_ARG_TXNID when the node serves and never came to
 * `from`, ERR_CLIENT_TOO_SLOW when the consumer took nothing for too long, ERR_CLIENT_ABORTED,
 * ERR_ARG_VALUE or ERR_ARG_TOO_LARGE for the prefix, ERR_SERVER_BUSY, ERR_SERVER_NOT_READY or
 * ERR_SERVER_CLOSED of the node.
 */
export function subscribe(
  feed: Pick<Feed, "subscribe">,
  { prefix = "", from, signal, bookmarks = false }: SubscribeOptions,
): AsyncIterableIterator<CommittedEvent, undefined> {
  let handle: SubscriptionHandle | null = null;
  const onAbort = (): void => end(signal === undefined ? null : aborted(signal));
  const leave = (): void => {
    signal?.removeEventListener("abort", onAbort);
    handle?.close();
  };
  const end = (error: QuorateError | null): void => {
    leave();
    stream.end(error);
  };
  const stream = new CommittedStream({
    bookmarks,
    onTaken: (upTo) => handle?.taken(upTo),
    onReturn: leave,
  });
  const sink: SubscriptionSink = {
    deliver: ({ upTo, events }) => stream.push(upTo, events),
    bookmark: (upTo) => stream.push(upTo, []),
    end,
  };
  try {
    if (signal?.aborted === true) throw aborted(signal);
    // There is no other node to turn to: it stays with this one while nobody leads.
    handle = feed.subscribe({ prefix, after: from ?? null, staysUnserved: true }, sink);
    signal?.addEventListener("abort", onAbort, { once: true });
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error;
    end(error);
  }
  return stream;
}

function aborted(signal: AbortSignal): QuorateError {
  return new QuorateError("ERR_CLIENT_ABORTED", "the subscription was aborted", {
    cause: signal.reason,
  });
}
