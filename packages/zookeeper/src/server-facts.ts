import type { SessionInfo } from "@quorate/protocol";

/** What the four-letter words tell of a node that its front end cannot know by itself. */
export interface ServerFacts {
  /** As it stands behind "Zookeeper version: ". */
  readonly version: string;
  readonly startedAtWallTime: number;
  mode(): "leader" | "follower" | "observer" | "standalone";
  znodeCount(): number;
  /** Bytes of paths and data. */
  dataBytes(): number;
  ephemeralCount(): number;
  sessions(): Iterable<SessionInfo>;
  directoryBytes(): { readonly data: number; readonly log: number };
  /** The newest txnids with the digest of the tree there. */
  digests(): readonly (readonly [txnid: bigint, digest: bigint])[];
  /** Further lines of `conf`, `envi` and `mntr`, under ZooKeeper's names. */
  configuration(): readonly (readonly [name: string, value: string])[];
  environment(): readonly (readonly [name: string, value: string])[];
  monitor(): readonly (readonly [name: string, value: string | number])[];
}
