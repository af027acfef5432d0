import {
  decodeWatched,
  encodeUnwatch,
  encodeWatch,
  NATIVE_OP_UNWATCH,
  NATIVE_OP_WATCH,
} from "@quorate/codec";
import { openWatch, type NodeEvent, type PathMap, type WatchKind } from "@quorate/znode";
import type { CallOptions, Carrier } from "./carrier.js";
import type { Standing } from "./standing.js";

export interface WatchSettings {
  /** Default: `persistent`. */
  readonly kind?: WatchKind;
  /** Ends it with ERR_CLIENT_ABORTED. */
  readonly signal?: AbortSignal;
  /** For a server to arm it, instead of the client's. Once armed it is armed again for ever. */
  readonly timeoutMs?: number;
}

export interface WatcherParts {
  readonly carrier: Carrier;
  readonly standing: Standing;
  readonly paths: PathMap;
}

/** Begins to watch at the call: a change behind any read that is asked for later is told. */
export function watchNode(
  { carrier, standing, paths }: WatcherParts,
  path: string,
  kind: WatchKind,
  options: Pick<CallOptions, "timeoutMs" | "signal">,
): AsyncIterableIterator<NodeEvent, undefined> {
  const forget = (): void => {
    const content = encodeUnwatch(kind, false);
    carrier.mention({ op: NATIVE_OP_UNWATCH, key: watch.path, content });
  };
  const { watches } = standing;
  const watch = openWatch(watches, { path, kind, paths, signal: options.signal, onLeave: forget });
  const { stream } = watch;
  if (stream.hasEnded) return stream;
  const content = encodeWatch(kind === "children" ? "child" : kind);
  carrier.ask(
    "standing",
    { op: NATIVE_OP_WATCH, key: watch.path, content },
    { ...options, isWrite: false, linearizable: false },
    {
      resolve: (answer) => {
        const isThere = decodeWatched(answer.content);
        // In this very turn: what fired directly behind it is in the same frame.
        if (!stream.hasEnded) watches.armed(watch, isThere);
        else if (!watches.has(watch.path, kind)) forget();
        carrier.stand();
      },
      reject: (error) => stream.end(error),
    },
  );
  return stream;
}
