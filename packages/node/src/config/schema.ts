import * as z from "zod";
import { CLUSTER_NAME_BYTES_MAX, NODE_ID_MAX, NODE_ID_MIN } from "@quorate/protocol";

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
    cluster: z
      .string()
      .min(1)
      .refine((name) => Buffer.byteLength(name) <= CLUSTER_NAME_BYTES_MAX, {
        error: `at most ${CLUSTER_NAME_BYTES_MAX} bytes`,
      }),
    host: z.strictObject(addresses),
    peers: z.array(z.strictObject({ id: nodeId, ...addresses })),
    dataDir: z.string().min(1),
    secret: z.string().min(16, { error: "a secret has at least 16 characters" }).max(1024),
    secretFile: z.string().min(1),
    timings,
    checkpointBytes: bytes,
    trustEmpty: z.boolean(),
    allowedOrigins: z.array(z.string()).max(100),
    allowedHosts: z.array(z.string()).max(100),
    log,
  })
  .partial();

export type ConfigInput = z.infer<typeof configSchema>;
