/** The bounds of subscriptions to committed entries, each with the effect of reaching it. */
const KIB = 1024;
const MIB = 1024 * KIB;

/** Subscriptions of one node, in-process ones included. One more: ERR_SERVER_BUSY. */
export const SUBSCRIPTIONS_MAX = 2000;
/** Subscriptions of one native connection. One more: ERR_SERVER_BUSY. */
export const CONNECTION_SUBSCRIPTIONS_MAX = 32;
/** A page of history or news is closed when the entries gone through reach this. */
export const PAGE_BYTES_SOFT_MAX = 256 * KIB;
/** The same in entries. */
export const PAGE_ENTRIES_SOFT_MAX = 2000;
/** Bytes that are on their way to one subscriber and not taken. Then no more is sent to it. */
export const WINDOW_BYTES = 512 * KIB;
/** Events that are on their way to one subscriber and not taken. Effect as above. */
export const WINDOW_EVENTS = 4000;
/** A subscriber to whom no more can be sent and who takes nothing for this long is cut off. */
export const STALL_MS = 30_000;
/** Bytes on their way to all subscribers, shared ones once. Beyond it the slowest is cut off. */
export const IN_FLIGHT_BYTES_MAX = 64 * MIB;
/** Batches kept in memory for those who follow closely; older ones are read from the store. */
export const RECENT_BYTES_MAX = 4 * MIB;
/** The same in batches. */
export const RECENT_BATCHES_MAX = 2048;
/** Pages kept for the next who asks for the same: the oldest goes. */
export const PAGE_CACHE_BYTES_MAX = 8 * MIB;
/** The same in pages. */
export const PAGE_CACHE_PAGES_MAX = 4096;
/** Reads of history in the store at a time; others wait their turn. */
export const HISTORY_READS_MAX = 4;
/** The least time between two bookmarks. */
export const BOOKMARK_MS = 1000;
/** How often stalls, bookmarks and waits are looked at. */
export const TICK_MS = 500;
/** A subscription from a txnid that this node has not applied waits so long: ERR_ARG_TXNID. */
export const AHEAD_MS_MAX = 10_000;
/** A node that serves nobody for this long ends its subscriptions: others may know more. */
export const UNSERVED_MS_MAX = 5000;
/** A turn of fan-out ends after this; what is left follows in the next turn. */
export const TURN_MS = 5;
/** Of one page, kept for all who may hear of the same; beyond it each subscriber's is its own. */
export const PAGE_VIEWS_MAX = 64;
