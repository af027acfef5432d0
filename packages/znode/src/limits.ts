import { CONTENT_BYTES_MAX } from "@quorate/protocol";

/**
 * Bytes of one znode's data and ACL (the open one has none); longer: ERR_ARG_TOO_LARGE. As much as
 * one of ZooKeeper's packets (jute.maxbuffer) holds. Every content that carries data (request,
 * transaction, answer with its Stat) must fit CONTENT_BYTES_MAX, which leaves room for headers.
 */
export const ZNODE_DATA_BYTES_MAX = 0xfffff;

/**
 * Bytes of a list of children. A longer one is not given out: ERR_ARG_TOO_LARGE. It is made within
 * one turn of the event loop: of 200,000 names in 0.4 s, of which a leader's lease has 1.
 */
export const CHILDREN_BYTES_MAX = 4 * 1024 * 1024;
/** Their number; effect as above. */
export const CHILDREN_MAX = 250_000;

/** Nodes whose hash may be out of date; at the bound all are hashed, a few ms of work. */
export const UNHASHED_NODES_MAX = 4096;
/** Data bytes written since the hashes were last brought up to date; effect as above. */
export const UNHASHED_BYTES_MAX = 4 * 1024 * 1024;

/** Open sessions of an ensemble. Beyond it: ERR_SERVER_BUSY for a new one. */
export const SESSIONS_MAX = 1_000_000;

/**
 * Bytes of the paths of one session's ephemerals, as the transaction that ends it lists them: they
 * must fit it. Beyond it: ERR_ZNODE_TOO_MANY_EPHEMERALS.
 */
export const EPHEMERAL_BYTES_MAX = CONTENT_BYTES_MAX - 16;

/** Bytes of a path that a transaction names beside its key. Longer: ERR_ARG_TOO_LARGE. */
export const NAMED_PATH_BYTES_MAX = 0xffff;

/** Watches of one client. One more is refused: ERR_CLIENT_BUSY. */
export const WATCHES_PER_CLIENT_MAX = 100_000;
/** Events of one watch that its program has not taken. Then it ends: ERR_CLIENT_TOO_SLOW. */
export const WATCH_EVENTS_MAX = 10_000;
/** Changes of a client's state that its program has not taken, likewise. */
export const STATES_WAITING_MAX = 1000;
