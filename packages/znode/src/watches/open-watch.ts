import { ItemStream, QuorateError } from "@quorate/protocol";
import { WATCH_EVENTS_MAX, WATCHES_PER_CLIENT_MAX } from "../limits.js";
import type { PathMap } from "../path-map.js";
import { checkPath } from "../paths.js";
import type { BookedWatch, NodeEvent, WatchBook, WatchKind } from "./watch-book.js";

const KINDS: readonly WatchKind[] = ["data", "children", "persistent", "persistentRecursive"];

export interface WatchOpening {
  readonly path: string;
  readonly kind: WatchKind;
  readonly paths: PathMap;
  readonly signal: AbortSignal | undefined;
  /** The last of its kind there is gone, and was armed: the server is to forget it. */
  onLeave(watch: BookedWatch): void;
}

/** Enters a watch into a book. Refused, it is in none, and its stream has ended. */
export function openWatch(book: WatchBook, opening: WatchOpening): BookedWatch {
  const { path, kind, paths, signal } = opening;
  const onAbort = (): void => {
    const cause: unknown = signal?.reason;
    stream.end(new QuorateError("ERR_CLIENT_ABORTED", "the watch was aborted", { cause }));
  };
  const stream = new NodeEventStream(paths, () => {
    signal?.removeEventListener("abort", onAbort);
    if (book.remove(watch) && watch.armedAs !== null) opening.onLeave(watch);
  });
  const watch: BookedWatch = { path: paths.toServer(path), kind, stream, armedAs: null };
  const refused = refusalOf(path, kind, book);
  if (refused !== null) {
    stream.end(refused);
    return watch;
  }
  book.add(watch);
  if (signal?.aborted === true) onAbort();
  else signal?.addEventListener("abort", onAbort, { once: true });
  return watch;
}

function refusalOf(path: string, kind: WatchKind, book: WatchBook): QuorateError | null {
  const problem = checkPath(path);
  if (problem !== null) return new QuorateError(problem.code, problem.message);
  // A program without types may give anything.
  if (!KINDS.includes(kind)) {
    return new QuorateError("ERR_ARG_VALUE", `a watch's kind is one of ${KINDS.join(", ")}`);
  }
  if (book.count < WATCHES_PER_CLIENT_MAX) return null;
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
