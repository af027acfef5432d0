/** Bounds of sessions at the leader. */

/** Expired sessions that are being closed at a time, so that others' writes have their turn. */
export const EXPIRIES_IN_FLIGHT_MAX = 100;
/** A close that was proposed and has not come back by then is proposed again. */
export const EXPIRY_RETRY_MS = 2000;
/** Heartbeat intervals that a sign of life may be on its way through a tree of watchers. */
export const TOUCH_DELAY_HEARTBEATS = 5;
/** A leader's clock that jumps by more than so many heartbeat intervals counts as so many. */
export const CLOCK_STEP_HEARTBEATS = 5;
/** Nodes that the leader removes by itself in a minute (ZooKeeper's container.maxPerMinute). */
export const EXPIRED_NODES_PER_MINUTE_MAX = 10_000;
