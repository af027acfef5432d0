import { ItemStream, QuorateError } from "@quorate/protocol";
import {
  decodeWatched,
  encodeUnwatch,
  encodeWatch,
  NATIVE_OP_UNWATCH,
  NATIVE_OP_WATCH,
} from "@quorate/codec";
import {
  checkPath,
  type BookedWatch,
  type NodeEvent,
  type PathMap,
  type WatchKind,
} from "@quorate/znode";
import type { CallOptions, Carrier } from "./carrier.js";
import { WATCH_EVENTS_MAX, WATCHES_MAX } from "./limits.js";
import type { Standing } from "./standing.js";

export interface WatchSettings {
  /** Default: `persistent`. */
  readonly kind?: WatchKind;
  /** Ends it with ERR_CLIENT_ABORTED. */
  readonly signal?: AbortSignal;
  /** For a server to arm it, instead of the client's. Once armed it is armed again for ever. */
  readonly timeoutMs?: number;
}

const KINDS: readonly WatchKind[] = ["data", "children", "persistent", "persistentRecursive"];

export interface WatcherParts {
  readonly carrier: Carrier;
  readonly standing: Standing;
  readonly paths: PathMap;
}

/** Begins to watch at the call: a change behind any read that is asked for later is told. */
export function openWatch(
  { carrier, standing, paths }: WatcherParts,
  path: string,
  kind: WatchKind,
  options: Pick<CallOptions, "timeoutMs" | "signal">,
): AsyncIterableIterator<NodeEvent, undefined> {
  const { signal } = options;
  const onAbort = (): void => {
    const cause: unknown = signal?.reason;
    stream.end(new QuorateError("ERR_CLIENT_ABORTED", "the watch was aborted", { cause }));
  };
  const stream = new NodeEventStream(paths, () => {
    signal?.removeEventListener("abort", onAbort);
    leave();
  });
  const watch: BookedWatch = { path: paths.toServer(path), kind, stream, armedAs: null };
  const leave = (): void => {
    const wasArmed = watch.armedAs !== null;
    if (!standing.watches.remove(watch) || !wasArmed) return;
    const type = kind === "children" ? "children" : kind;
    const content = encodeUnwatch(type, false);
    carrier.mention({ op: NATIVE_OP_UNWATCH, key: watch.path, content });
  };
  const refused = refusalOf(path, kind, standing);
  if (refused !== null) {
    stream.end(refused);
    return stream;
  }
  standing.watches.add(watch);
  signal?.addEventListener("abort", onAbort, { once: true });
  const content = encodeWatch(kind === "children" ? "child" : kind);
  carrier.ask(
    "standing",
    { op: NATIVE_OP_WATCH, key: watch.path, content },
    { ...options, isWrite: false, linearizable: false },
    {
      resolve: (answer) => {
        // In this very turn: what fired directly behind it is in the same frame.
        standing.watches.armed(watch, decodeWatched(answer.content));
        if (stream.hasEnded) leave();
        carrier.stand();
      },
      reject: (error) => stream.end(error),
    },
  );
  return stream;
}

function refusalOf(path: string, kind: WatchKind, { watches }: Standing): QuorateError | null {
  const problem = checkPath(path);
  if (problem !== null) return new QuorateError(problem.code, problem.message);
  // A program without types may give anything.
  if (!KINDS.includes(kind)) {
    return new QuorateError("ERR_ARG_VALUE", `a watch's kind is one of ${KINDS.join(", ")}`);
  }
  if (watches.count < WATCHES_MAX) return null;
  return new QuorateError("ERR_CLIENT_BUSY", "this client has too many watches");
}

/** In the program's own paths. */
class NodeEventStream extends ItemStream<NodeEvent> {
  readonly #paths: PathMap;

  constructor(paths: PathMap, onEnd: () => void) {
    super({ itemsMax: WATCH_EVENTS_MAX, onEnd });
    this.#paths = paths;
  }

  override push(event: NodeEvent): void {
    super.push({ ...event, path: this.#paths.toProgram(event.path) });
  }
}
