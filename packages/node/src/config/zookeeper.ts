import * as z from "zod";
import { QuorateError } from "@quorate/protocol";
import { WORDS, zkOptions } from "@quorate/zookeeper";
import { saslPasswordsOf, type SaslPasswords } from "./sasl-users.js";

const MIB = 1024 * 1024;
const count = z.int().min(0).max(1_000_000);
const ms = z
  .int()
  .min(1)
  .max(2 ** 31 - 1);

/** `user:` and the base64 of a SHA-1, as ZooKeeper's DigestAuthenticationProvider prints it. */
const SUPER_DIGEST = /^[^:]+:[A-Za-z0-9+/]{27}=$/;

/** What ZooKeeper's clients are granted; named as in zoo.cfg where that has a name for it. */
export const zookeeperSchema = z
  .strictObject({
    tickMs: ms,
    minSessionTimeoutMs: ms,
    maxSessionTimeoutMs: ms,
    /** 0 for no bound, as the next. */
    maxClientCnxns: count,
    maxCnxns: count,
    globalOutstandingLimit: z.int().min(1).max(1_000_000),
    /** Bytes of one request. */
    juteMaxBuffer: z
      .int()
      .min(1024)
      .max(64 * MIB),
    fourLetterWords: z.array(z.enum(["*", ...WORDS])).max(100),
    readOnlyMode: z.boolean(),
    superDigest: z
      .string()
      .regex(SUPER_DIGEST, { error: "it has the form user:base64(sha1(user:password))" }),
    requiredSchemes: z.array(z.enum(["digest", "ip", "x509", "sasl"])).max(4),
    /** By name: users who may log in by SASL. In place of it: a JSON file with the same. */
    saslPasswords: z.record(z.string(), z.string()),
    saslPasswordsFile: z.string().min(1),
    /** One of them, who may do everything. */
    saslSuperUser: z.string().min(1),
    /** Watches of one connection, a persistent one counted twice. */
    maxWatches: z.int().min(1).max(100_000_000),
  })
  .partial();

export type ZookeeperInput = z.infer<typeof zookeeperSchema>;

/** Complete. */
export interface ZookeeperConfig {
  readonly tickMs: number;
  readonly minSessionTimeoutMs: number;
  readonly maxSessionTimeoutMs: number;
  readonly maxClientCnxns: number;
  readonly maxCnxns: number;
  readonly globalOutstandingLimit: number;
  readonly juteMaxBuffer: number;
  readonly fourLetterWords: readonly string[];
  readonly readOnlyMode: boolean;
  /** Null: there is no superuser. */
  readonly superDigest: string | null;
  readonly requiredSchemes: readonly string[];
  /** By name; null: nobody logs in by SASL. */
  readonly saslPasswords: SaslPasswords | null;
  readonly saslSuperUser: string | null;
  readonly maxWatches: number;
}

/** @throws ERR_CONFIG_RELATION; of the file of passwords ERR_CONFIG_FILE, ERR_CONFIG_VALUE. */
export function zookeeperOf(input: ZookeeperInput = {}): ZookeeperConfig {
  const defaults = zkOptions({ tickMs: input.tickMs ?? zkOptions().tickMs });
  const config: ZookeeperConfig = {
    tickMs: defaults.tickMs,
    minSessionTimeoutMs: input.minSessionTimeoutMs ?? defaults.sessionMsMin,
    maxSessionTimeoutMs: input.maxSessionTimeoutMs ?? defaults.sessionMsMax,
    maxClientCnxns: input.maxClientCnxns ?? defaults.connectionsPerAddressMax,
    maxCnxns: input.maxCnxns ?? defaults.connectionsMax,
    globalOutstandingLimit: input.globalOutstandingLimit ?? defaults.outstandingMax,
    juteMaxBuffer: input.juteMaxBuffer ?? defaults.packetBytesMax,
    fourLetterWords: input.fourLetterWords ?? ["srvr"],
    readOnlyMode: input.readOnlyMode ?? defaults.isReadOnlyEnabled,
    superDigest: input.superDigest ?? null,
    requiredSchemes: input.requiredSchemes ?? [],
    saslPasswords: saslPasswordsOf(input),
    saslSuperUser: input.saslSuperUser ?? null,
    maxWatches: input.maxWatches ?? defaults.watchesMax,
  };
  const { minSessionTimeoutMs: min, maxSessionTimeoutMs: max } = config;
  if (min > max) {
    throw new QuorateError(
      "ERR_CONFIG_RELATION",
      `zookeeper.minSessionTimeoutMs ${min} must not exceed zookeeper.maxSessionTimeoutMs ${max}`,
      { details: { key: "zookeeper.minSessionTimeoutMs" } },
    );
  }
  return config;
}
