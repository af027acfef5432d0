/** Every bound of the front end, with its unit, and what happens there (invariant 11). */

const KIB = 1024;
const MIB = 1024 * KIB;

/** Bytes of one packet from a client (jute.maxbuffer). A longer one closes the connection. */
export const PACKET_BYTES_MAX = 0xfffff;
/** Bytes of a connect request; a longer first packet closes the connection. */
export const CONNECT_BYTES_MAX = KIB;
/** How long a socket may be open without a connect request or a four-letter word. Then closed. */
export const CONNECT_MS_MAX = 10_000;

/** Connections from one address (maxClientCnxns; 0 for no bound). One more is closed at once. */
export const CONNECTIONS_PER_ADDRESS_MAX = 60;
/** Connections in all. One more is closed at once. */
export const CONNECTIONS_MAX = 50_000;

/**
 * Reads of clients' sockets that are carried out within one turn of the event loop. The others wait
 * for the next turns, and are not read meanwhile.
 */
export const ARRIVALS_PER_TURN_MAX = 250;
/**
 * Bytes of them; effect as above. One read is 64 KiB at most, which may be a multi of hundreds of
 * operations: their number says little of the work that they are.
 */
export const ARRIVAL_BYTES_PER_TURN_MAX = 512 * KIB;

/**
 * Connections that are sent to within one turn of the event loop, at the end of it. The others
 * follow in the next turns: a write to a socket takes some 7 us, thousands may watch one node, and
 * the peers that are to hear of the change are written to in between.
 */
export const SENDS_PER_TURN_MAX = 64;

/** Requests of one connection that are not answered. At the bound its socket is not read. */
export const OUTSTANDING_PER_CONNECTION_MAX = 1_000;
/** Bytes of requests of one connection that wait behind others; effect as above. */
export const WAITING_BYTES_MAX = 2 * MIB;
/**
 * Requests in all that are not answered (globalOutstandingLimit). At the bound only connections
 * without any are read.
 */
export const OUTSTANDING_MAX = 20_000;

/**
 * Bytes of replies that a client has not taken. At the bound its socket is not read, and none of
 * its requests is run but those in front of a write that is on its way.
 */
export const UNTAKEN_REPLY_BYTES_MAX = 1 * MIB;
/**
 * Bytes of replies and events that a client has not taken. Beyond it, the connection closes: its
 * client will connect again and set its watches, and hears what it missed.
 */
export const UNTAKEN_BYTES_MAX = 16 * MIB;
/** How long a client may take nothing of what waits for it; its session's timeout if less. */
export const UNTAKEN_MS_MAX = 30_000;

/** How long a request may wait for the node to serve; a third of the session's timeout if less. */
export const NOT_SERVING_MS_MAX = 1_000;

/** Bytes of the answer of a multiRead. More: -8. */
export const MULTI_READ_BYTES_MAX = 4 * MIB;
/**
 * Watches of one connection, a persistent one counted twice. One more: -127, and without a watch
 * nothing is read. A client that sets more of them again at once is closed.
 */
export const WATCHES_PER_CONNECTION_MAX = 1_000_000;
/** Paths of a setWatches that are looked at within one turn of the event loop. */
export const SET_WATCHES_PATHS_PER_TURN = 1_000;
/** Watches of one connection that are taken down within one turn. */
export const REMOVED_WATCHES_PER_TURN = 5_000;
/** Session ids tried, should one exist already. Then the connection closes. */
export const SESSION_ID_TRIES_MAX = 3;
/** Bytes of a four-letter word's answer. The rest is cut off, and the answer says so. */
export const WORD_BYTES_MAX = 4 * MIB;
/** Bytes of it that a list leaves to what follows. A longer list is cut off before them. */
export const WORD_RESERVE_BYTES = 4 * KIB;
