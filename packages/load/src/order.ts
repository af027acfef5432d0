import { QuorateError } from "@quorate/protocol";

/** What is asked for. `mixed` is 90 reads of a hundred requests, the others writes. */
export const workloads = ["set", "get", "mixed", "create-delete"] as const;
export type Workload = (typeof workloads)[number];

/** Which key is next: each in turn, all alike, or a few much more often than the others. */
export const keyChoices = ["in-turn", "uniform", "zipfian"] as const;
export type KeyChoice = (typeof keyChoices)[number];

/** A load, as plain values: it may be handed to another process. */
export interface LoadOrder {
  /** `host:port`; connections are dealt out over them in turn. */
  readonly servers: readonly string[];
  readonly connections: number;
  /** Requests of one connection that are not answered. Of an open loop: at most so many. */
  readonly outstanding: number;
  readonly workload: Workload;
  readonly valueBytes: number;
  /** Nodes that exist below `root`, see `prepare`. At most `KEYS_MAX`. */
  readonly keys: number;
  readonly keyChoice: KeyChoice;
  /** Requests per second of an open loop; null for a closed one: each answer asks the next. */
  readonly ratePerSecond: number | null;
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** Ends a closed loop after so many; the measured time is as long as they take then. */
  readonly requests: number | null;
  readonly seed: number;
  /** An absolute path; everything is written below it. */
  readonly root: string;
}

/** A node's number has eight digits in its path. */
export const KEYS_MAX = 100_000_000;
/** More sockets than that one process cannot drive. */
export const CONNECTIONS_MAX = 10_000;
/** What a server's own bound on a packet allows. */
export const VALUE_BYTES_MAX = 1_000_000;
/** In all; each takes 13 bytes here, and more in servers. */
export const OUTSTANDING_MAX = 1_000_000;

/** @throws ERR_ARG_VALUE for what is beyond a bound. */
export function checkOrder(
  order: Pick<LoadOrder, "connections" | "outstanding" | "keys" | "valueBytes" | "root">,
): void {
  const { connections, outstanding, keys, valueBytes, root } = order;
  const check = (name: string, value: number, min: number, max: number): void => {
    if (Number.isInteger(value) && value >= min && value <= max) return;
    throw new QuorateError("ERR_ARG_VALUE", `${name} is a whole number from ${min} to ${max}`, {
      details: { [name]: value },
    });
  };
  check("connections", connections, 1, CONNECTIONS_MAX);
  check("outstanding", outstanding, 1, Math.floor(OUTSTANDING_MAX / connections));
  check("keys", keys, 1, KEYS_MAX);
  check("valueBytes", valueBytes, 0, VALUE_BYTES_MAX);
  if (!/^(\/[^/]+)+$/.test(root)) {
    throw new QuorateError("ERR_ARG_VALUE", "the root is an absolute path below /", {
      details: { root },
    });
  }
}

/** One request. Numbers, not names: they are kept in typed arrays. */
export const Kind = { set: 0, get: 1, create: 2, remove: 3 } as const;
export type Kind = (typeof Kind)[keyof typeof Kind];
export const kindNames = ["set", "get", "create", "delete"] as const;
