/** Every bound of an import, with its unit, and what happens there (invariant 11). */

const KIB = 1024;
const MIB = 1024 * KIB;

/** For a connection to the source, its session and its credentials. Then the next server. */
export const CONNECT_MS = 5000;
/** Between two rounds over the source's servers. */
export const RECONNECT_MS = 200;
/** A source that answers nobody for so long ends the import: ERR_CLIENT_UNREACHABLE. */
export const SOURCE_SILENCE_MS_MAX = 60_000;
/** Asked for; the source may grant less. Pings go out at a third of what it grants. */
export const SESSION_MS = 30_000;
/** A connection whose oldest request waits so long is given up, and its requests asked anew. */
export const ANSWER_MS_MAX = 20_000;
/** Bytes of one answer: the data of one node, or the names of its children. ERR_PROTOCOL_DECODE. */
export const ANSWER_BYTES_MAX = 64 * MIB;
/** Nodes that are being read at a time, each with two or three requests on their way. */
export const READS_IN_FLIGHT_MAX = 64;
/** A node whose parts do not fit together, since it changes, is read again so often in one pass. */
export const READ_AGAIN_MAX = 5;

/** Nodes in one request to the target. */
export const CHUNK_NODES_MAX = 500;
/** A chunk is closed when its bytes reach this; one node may exceed it. */
export const CHUNK_BYTES_SOFT_MAX = 256 * KIB;
/** Chunks that wait for their outcome. */
export const CHUNKS_IN_FLIGHT_MAX = 4;
/** Comparisons on their way. */
export const COMPARES_IN_FLIGHT_MAX = 64;
/** A target that takes nothing on for so long ends the import: its last refusal is told. */
export const TARGET_BUSY_MS_MAX = 60_000;
export const TARGET_RETRY_MS = 100;
/** Asking for a higher epoch, until whoever leads has it. */
export const EPOCH_MS_MAX = 60_000;
/**
 * Elections that the source may still hold before its last client has moved: the target's epoch is
 * so far above.
 */
export const EPOCH_HEADROOM = 64;

/** Paths of one kind that a report names. Of the rest it tells the number. */
export const PATHS_TOLD_MAX = 100;
/** Of a request to the target, besides its nodes: who asks, and the proof that it may. */
export const CHUNK_OVERHEAD_BYTES = 256;
