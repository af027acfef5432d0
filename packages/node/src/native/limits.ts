/** The bounds of the native port, each with the effect of reaching it. */
const KIB = 1024;
const MIB = 1024 * KIB;

/** Connections that speak HTTP or WebSocket. One more is dropped and counted. ZooKeeper's clients
 * have bounds of their own (`zookeeper.maxCnxns`). */
export const CONNECTIONS_MAX = 1000;
/** Connections that have said nothing yet: as many as a burst of clients makes before the first of
 * them is read. One more is dropped and counted. */
export const SILENT_SOCKETS_MAX = 10_000;
/** Connections to the port for TLS, in their handshake or after it. One more is dropped. */
export const SECURE_CONNECTIONS_MAX = 60_000;
/** For a TLS handshake. Then the connection is closed. */
export const HANDSHAKE_MS = 5000;
/** Connections that wait to be accepted, as far as the system grants it. One more is tried again by
 * its client's system after one second, three and seven; so long would some be away when a leader's
 * death has sent thousands here at once. */
export const LISTEN_BACKLOG = 2048;
/** A connection that says nothing over so many sweeps is closed at the next. */
export const SILENT_SWEEPS_MAX = 1;
/** Requests of one connection that wait for their outcome. At the bound it is not read from. */
export const OUTSTANDING_MAX = 1000;
/** Reads among them: an answer may be ten thousand times its question. Effect as above. */
export const OUTSTANDING_READS_MAX = 32;
/** Bytes of the requests of one connection that wait. Effect as above. */
export const OUTSTANDING_BYTES_MAX = 8 * MIB;
/** The same over all connections, unsent replies added. Beyond it: ERR_SERVER_BUSY. */
export const PORT_BYTES_MAX = 128 * MIB;
/** Reply bytes that a connection's reader has not taken. Above it nothing more is read from it. */
export const SEND_PAUSE_BYTES = 1 * MIB;
/** Reply bytes that a connection's reader has not taken. Above it the connection is closed. All
 * the answers that may be outstanding fit in it. */
export const SEND_QUEUE_BYTES_MAX = 112 * MIB;
/** A reader that takes none of its waiting replies over this many sweeps is closed. */
export const STALLED_SWEEPS_MAX = 2;
/** Between two looks at all connections: a silent one is pinged, and closed at the next look. */
export const SWEEP_MS = 5000;
/** For a whole HTTP request to arrive. */
export const HTTP_REQUEST_MS = 5000;
/** Pieces in which one frame may come: each may keep the whole read that it came with, 64 KiB, in
 * memory. A further one closes the connection. Browsers cut a large frame into some dozens. */
export const FRAME_FRAGMENTS_MAX = 128;
/** Reads of the socket that may wait for the rest of a frame: a byte in each costs 200. Beyond it
 * the connection is closed; the largest frame in the smallest segments of common networks fits. */
export const FRAME_READS_MAX = 8192;
/** For a connection to close politely. */
export const CLOSE_MS = 200;
/** Bytes of the headers of an HTTP request. */
export const HTTP_HEADER_BYTES_MAX = 8 * KIB;
/** Watches over HTTP among the connections, so that there is room for others. Beyond it: 503. */
export const WATCHES_MAX = 500;
/** A watch to which nothing was written for so many sweeps is sent a comment. */
export const WATCH_QUIET_SWEEPS_MAX = 2;
/** For the last words of a watch to be taken. Then its connection is cut. */
export const WATCH_CLOSE_MS = 5000;
/** Bytes of watched changes that a client has not taken. Beyond it the connection is closed: its
 * client connects again, sets its watches again and hears what it missed. */
export const CHANGE_BYTES_MAX = 4 * MIB;
/** The same while the whole port is at its bound, so that one slow client does not fill it. */
export const CHANGE_BYTES_FAIR = 64 * KIB;
/** Watches of all connections (a persistent one counts twice). Beyond it: ERR_SERVER_BUSY. */
export const WATCHES_HELD_MAX = 2_000_000;
/** Characters of all paths that are watched. Effect as above. */
export const WATCHED_PATH_CHARS_MAX = 64 * MIB;
/** Watches of connections that are gone that are taken down within one turn. */
export const REMOVED_WATCHES_PER_TURN = 5_000;
