/**
 * Every bound of the system, with its unit. Invariant 11: each queue, buffer, batch, datagram,
 * frame and retry has a named bound, and reaching it has the effect named here.
 */

const KIB = 1024;
const MIB = 1024 * KIB;

export const EPOCH_MAX = 0xffff_ffff;
/** An operator may ask for epochs so far ahead at once; further with force. Else: ERR_ARG_EPOCH. */
export const EPOCH_FLOOR_JUMP_MAX = 2 ** 16;
/**
 * Nobody may ask for epochs above this: ERR_ARG_EPOCH. ZooKeeper's clients take a txnid for a
 * signed number, so from 2^31 on it would be below all others; room for terms is left.
 */
export const EPOCH_FLOOR_MAX = 2 ** 31 - 2 ** 24;
export const TXN_COUNTER_MAX = 0xffff_ffff;
/** Node ids are ZooKeeper's `myid`: they are the high byte of session ids, and 255 is reserved. */
export const NODE_ID_MIN = 1;
export const NODE_ID_MAX = 254;

/** Bytes of a cluster name in UTF-8. Longer: ERR_CONFIG_VALUE. */
export const CLUSTER_NAME_BYTES_MAX = 64;
/** Bytes of a ballot datagram. Larger datagrams are dropped unread. */
export const DATAGRAM_BYTES_MAX = 1000;
/** A vote whose round lies further ahead than this is refused (a stray or forged round). */
export const ROUND_JUMP_MAX = 2 ** 20;

/**
 * Content bytes of a request or entry: all data that fit one of ZooKeeper's packets
 * (jute.maxbuffer, 0xfffff) and who asks for what around them. Larger: ERR_ARG_TOO_LARGE.
 */
export const CONTENT_BYTES_MAX = 0xfffff + 64 * KIB;
/** Bytes of a key (a path) in UTF-8. */
export const KEY_BYTES_MAX = 64 * KIB;
/** Entries in one batch: bounds the time to apply it on the event loop. */
export const BATCH_ENTRIES_MAX = 1000;
/** A batch is closed when its bytes reach this; one entry may exceed it, up to its own limits. */
export const BATCH_BYTES_SOFT_MAX = 256 * KIB;
/** Bytes of one batch as read from a peer or the disk. */
export const BATCH_BYTES_MAX = 2 * MIB;

/** Bytes of one peer frame. A larger one closes the pipe. */
export const FRAME_BYTES_MAX = 4 * MIB;
/** Messages in one peer frame. */
export const FRAME_MESSAGES_MAX = 10_000;
/**
 * Times `followerTimeoutMs` that a peer may take to answer a heartbeat. Beyond it: pipe closed, and
 * the peer serves nobody until it has caught up.
 */
export const LATE_TIMEOUTS_MAX = 2;
/** Bytes queued towards one peer. Beyond it the pipe is closed and the peer syncs again. */
export const PIPE_QUEUE_BYTES_MAX = 64 * MIB;
/** Pipes that wait for a role before any has taken them. The oldest is closed. */
export const PENDING_PIPES_MAX = 64;

/** Bytes of one chunk of history (entries or snapshot rows) during sync. */
export const HISTORY_CHUNK_BYTES_MAX = 256 * KIB;
/** Chunks of history sent and not yet answered: with the size above, 1 MiB in flight. */
export const HISTORY_CHUNKS_IN_FLIGHT_MAX = 4;
/**
 * The same of messages of whatever size, once the peer has answered one: a log of small batches
 * would wait for the peer's disk after every four of them.
 */
export const HISTORY_MESSAGES_IN_FLIGHT_MAX = 1024;
/** Bytes that the leader's queue for one synchronising peer may hold. Beyond it: pipe closed. */
export const OBSERVER_QUEUE_BYTES_MAX = 64 * MIB;
/** A peer further behind than this is streamed from the log before live registration. */
export const OBSERVER_QUEUE_LAG_BYTES = 1 * MIB;

/**
 * Requests waiting in the leader for a batch. Beyond it: ERR_SERVER_BUSY. Above what waits where
 * each node judges its own clients' (ADR 0025), so that those it lets in are not refused here.
 */
export const LEADER_QUEUE_REQUESTS_MAX = 100_000;
/** Bytes of requests waiting in the leader for a batch. Beyond it: ERR_SERVER_BUSY. */
export const LEADER_QUEUE_BYTES_MAX = 64 * MIB;
/** Proposed, uncommitted entries. At the bound the queue above fills. */
export const OUTSTANDING_ENTRIES_MAX = 50_000;
/** Proposed batches that are not committed; later requests gather meanwhile. */
export const BATCHES_IN_FLIGHT_MAX = 4;
/** Requests of this node's clients that wait for their outcome. Beyond it: ERR_SERVER_BUSY. */
export const PENDING_REQUESTS_MAX = 50_000;
/**
 * Their bytes; effect as above. Less than a pipe's queue holds: all of them may wait in it, and it
 * must not be closed for that.
 */
export const PENDING_REQUEST_BYTES_MAX = 32 * MIB;
/**
 * So many of them may wait whatever is answered: what one connection of ZooKeeper's may have on its
 * way. Above it, once more have waited for BACKLOG_MS_MAX than were answered lately:
 * ERR_SERVER_BUSY, except for what keeps sessions.
 */
export const BACKLOG_REQUESTS_MIN = 1_000;
/** So many of one client's may wait beyond any backlog: whoever waits for answers makes none. */
export const CLIENT_REQUESTS_MIN = 16;
/** How long a backlog may stand. */
export const BACKLOG_MS_MAX = 100;
/** Lately: within this window and the one before. */
export const BACKLOG_WINDOW_MS = 250;
/** Linearizable reads that wait for a round. Beyond it: ERR_SERVER_BUSY. */
export const PENDING_READS_MAX = 50_000;
/** A watcher gathers committed entries for so long or so many bytes before it writes them. */
export const LAZY_APPEND_MS = 1000;
export const LAZY_APPEND_BYTES_MAX = 1 * MIB;

/** Custom requests that wait for the host's handler at the leader. Beyond it: ERR_SERVER_BUSY. */
export const CUSTOM_REQUESTS_MAX = 10_000;
/** How long one of them waits. Then its client is told that the outcome is unknown. */
export const CUSTOM_REQUEST_MS_MAX = 30_000;

/** Bytes of a session's password. */
export const SESSION_PASSWORD_BYTES = 16;
/** Operations of one multi, so that applying it is one short turn. More: ERR_ARG_TOO_LARGE. */
export const MULTI_OPERATIONS_MAX = 10_000;
/** Sessions that one heartbeat names. The rest goes with the next ones. */
export const TOUCHES_PER_HEARTBEAT_MAX = 8192;
/**
 * Sessions whose sign of life waits at a node for the next heartbeat. Beyond it the sign is lost,
 * and the session has those that follow, before its timeout is over.
 */
export const TOUCHES_HELD_MAX = 500_000;

export const ENSEMBLE_SIZE_MAX = 50;
export const WATCHERS_PER_NODE_MAX = 100;

/**
 * Times `checkpointBytes` that the log may grow while there is no room for a checkpoint. Beyond it:
 * ERR_STORE_FULL, and the node is not ready until one is written.
 */
export const LOG_INTERVALS_MAX = 16;
