/** The bounds of one client. */

/** Requests that wait for their answer, sent or not. One more is refused: ERR_CLIENT_BUSY. */
export const OUTSTANDING_MAX = 20_000;
/** Bytes of those requests. Beyond it: ERR_CLIENT_BUSY. */
export const OUTSTANDING_BYTES_MAX = 64 * 1024 * 1024;
/** Deadlines are looked at this often, all in one sweep: no request has a timer of its own. */
export const SWEEP_MS = 50;
/** For one attempt to connect. */
export const CONNECT_MS = 1000;
/** Pauses between rounds of attempts; half of each is random. */
export const RECONNECT_MS = 20;
export const RECONNECT_MS_MAX = 1000;
/** Pauses before a request that a server could not take on is sent again, likewise. */
export const RETRY_MS = 20;
export const RETRY_MS_MAX = 200;
/** After so many such refusals in a row the client turns to another server. */
export const REFUSALS_MAX = 5;
/** A connection on which answers are due and nothing was heard for this long is asked. */
export const PING_AFTER_MS = 1000;
/** And this long after the question it is given up. */
export const SILENCE_MS_MAX = 2000;
/** A client that leaves its server waits so long for what is still to be answered there. */
export const LEAVE_MS_MAX = 2000;
/** A connection that lasted so long was no mistake: servers that turned it away are forgotten. */
export const KEPT_MS = 1000;
/** For the other side to take part in closing. Then the connection is cut. */
export const CLOSE_MS = 1000;
export const REQUEST_TIMEOUT_MS = 5000;
/** The longest that a call may be told to wait, which is what a timer can count. ERR_ARG_VALUE. */
export const TIMEOUT_MS_MAX = 2 ** 31 - 1;
export const SERVERS_MAX = 100;
/** Subscriptions of one client, as many as a server takes of one connection. ERR_CLIENT_BUSY. */
export const SUBSCRIPTIONS_MAX = 32;
/** For a server to take up a client that comes to it: its identities, its session, its watches. */
export const GREETING_MS_MAX = 5000;
/** Identities that one client proves. One more is refused: ERR_CLIENT_BUSY. */
export const PROOFS_MAX = 60;
/** A client without a session that watches something asks its server for a sign of life. */
export const WATCH_LIFE_MS = 3000;
/** Of a session, when nothing is said of it; the server has bounds of its own. */
export const SESSION_MS = 10_000;
/** For what is told a server in passing, without anybody waiting for it. */
export const MENTION_MS = 5000;
