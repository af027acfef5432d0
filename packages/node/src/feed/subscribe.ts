import { CommittedStream, QuorateError, type CommittedEvent, type Txnid } from "@quorate/protocol";
import type { Feed } from "./feed.js";

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
 * The iterator throws ERR_CLIENT_COMPACTED when what follows is no longer here (`details.oldest`
 * names the oldest start), ERR_CLIENT_TOO_SLOW when the consumer took nothing for too long, and
 * ERR_SERVER_NOT_READY or ERR_SERVER_CLOSED of its node.
 * @throws ERR_ARG_VALUE, ERR_ARG_TOO_LARGE for the prefix; ERR_SERVER_BUSY, ERR_SERVER_CLOSED.
 */
export function subscribe(
  feed: Pick<Feed, "subscribe">,
  { prefix = "", from, signal, bookmarks = false }: SubscribeOptions,
): AsyncIterableIterator<CommittedEvent, undefined> {
  if (signal?.aborted === true) throw aborted(signal);
  const onAbort = (): void => {
    handle.close();
    stream.end(signal === undefined ? null : aborted(signal));
  };
  const stream = new CommittedStream({
    bookmarks,
    onTaken: (upTo) => handle.taken(upTo),
    onReturn: () => {
      signal?.removeEventListener("abort", onAbort);
      handle.close();
    },
  });
  const handle = feed.subscribe(
    // There is no other node to turn to: it stays with this one while nobody leads.
    { prefix, after: from ?? null, staysUnserved: true },
    {
      deliver: ({ upTo, events }) => stream.push(upTo, events),
      bookmark: (upTo) => stream.push(upTo, []),
      end: (error) => {
        signal?.removeEventListener("abort", onAbort);
        stream.end(error);
      },
    },
  );
  signal?.addEventListener("abort", onAbort, { once: true });
  return stream;
}

function aborted(signal: AbortSignal): QuorateError {
  return new QuorateError("ERR_CLIENT_ABORTED", "the subscription was aborted", {
    cause: signal.reason,
  });
}
