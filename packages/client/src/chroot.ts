import type { CommittedEvent, CommittedOperation } from "@quorate/protocol";
import { SAME_PATHS, type PathMap } from "@quorate/znode";

type Events = AsyncIterableIterator<CommittedEvent, undefined>;

/** The same events with the paths that the program knows. */
export function inProgramsPaths(events: Events, paths: PathMap): Events {
  if (paths === SAME_PATHS) return events;
  const mapped = (result: IteratorResult<CommittedEvent, undefined>) =>
    result.done === true ? result : { done: false as const, value: eventOf(result.value, paths) };
  const iterator: Events = {
    next: async () => mapped(await events.next()),
    return: async () => {
      await events.return?.();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => iterator,
  };
  return iterator;
}

function eventOf({ txnid, operations }: CommittedEvent, paths: PathMap): CommittedEvent {
  return {
    txnid,
    operations: operations.map((operation): CommittedOperation => ({
      ...operation,
      path: paths.toProgram(operation.path),
    })),
  };
}
