import * as z from "zod";
import { CLUSTER_NAME_BYTES_MAX, NODE_ID_MAX, NODE_ID_MIN } from "@quorate/protocol";
import { tlsSchema } from "./tls.js";
import { zookeeperSchema } from "./zookeeper.js";
import { SECRET_LENGTH_MAX, SECRET_LENGTH_MIN } from "./secret.js";

/** Upstreams of one watcher; more are refused. */
const UPSTREAMS_MAX = 16;

const nodeId = z.int().min(NODE_ID_MIN).max(NODE_ID_MAX);
const bytes = z
  .int()
  .min(64 * 1024)
  .max(2 ** 40);
const ms = z.number().positive().max(3_600_000);

const addresses = {
  /** Ballots, UDP. */
  electionAddr: z.string(),
  /** Peers, WebSocket. */
  messageAddr: z.string(),
  /** Native clients and status, HTTP and WebSocket. */
  requestAddr: z.string(),
};

/** A watcher is ZooKeeper's observer: it follows, votes nowhere and counts in no quorum. */
const role = z.enum(["voter", "watcher"]);

const timings = z
  .strictObject({
    heartbeatMs: ms,
    leaseMs: ms,
    followerTimeoutMs: ms,
    diskTimeoutMs: ms,
    ballotResendMs: ms,
    ballotResendMsMax: ms,
    finalizeWaitMs: ms,
    connectRetryMs: ms,
    connectRetryMsMax: ms,
    connectTimeoutMs: ms,
    discoveryTimeoutMs: ms,
    syncTimeoutMs: ms,
    roleRestartMs: ms,
    drainTimeoutMs: ms,
    nodeExpiryMs: ms,
  })
  .partial();

const log = z
  .strictObject({
    level: z.enum(["error", "warn", "info", "debug"]),
    format: z.enum(["auto", "human", "json"]),
  })
  .partial();

/** What a configuration file may say; every key may be absent, none may be unknown. */
export const configSchema = z
  .strictObject({
    nodeId,
    /** Of a node that the list does not name; the list has the say on those that it names. */
    role,
    cluster: z
      .string()
      .min(1)
      .refine((name) => Buffer.byteLength(name) <= CLUSTER_NAME_BYTES_MAX, {
        error: `at most ${CLUSTER_NAME_BYTES_MAX} bytes`,
      }),
    host: z.strictObject(addresses),
    peers: z.array(z.strictObject({ id: nodeId, role: role.optional(), ...addresses })),
    /** Of a watcher: whom to follow in place of the leader, in this order. */
    upstreams: z.array(nodeId).max(UPSTREAMS_MAX),
    dataDir: z.string().min(1),
    secret: z
      .string()
      .min(SECRET_LENGTH_MIN, { error: `a secret has at least ${SECRET_LENGTH_MIN} characters` })
      .max(SECRET_LENGTH_MAX),
    secretFile: z.string().min(1),
    timings,
    checkpointBytes: bytes,
    trustEmpty: z.boolean(),
    allowedOrigins: z.array(z.string()).max(100),
    allowedHosts: z.array(z.string()).max(100),
    zookeeper: zookeeperSchema,
    tls: tlsSchema,
    log,
  })
  .partial();

export type ConfigInput = z.infer<typeof configSchema>;
