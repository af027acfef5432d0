import { LOG_START, type SnapshotSource } from "@quorate/protocol";

/** What a node sends that has no checkpoint yet: nothing, and then its whole log. */
export function emptySnapshot(digest: bigint): SnapshotSource {
  return {
    info: { position: LOG_START, digest, members: [] },
    read: () => Promise.resolve([]),
    close: () => undefined,
  };
}
