import { QuorateError } from "@quorate/protocol";
import type { AclEntry } from "./acl.js";
import { CreateMode, isTtl, TTL_MS_MAX } from "./create-mode.js";
import { ZNODE_DATA_BYTES_MAX } from "./limits.js";
import { checkPath } from "./paths.js";
import type { CreateRequest, MultiOperation } from "./requests.js";
import type { CreateResult } from "./answers.js";
import type { Stat } from "./stat.js";
import { NO_DATA } from "./node-header.js";

/** How a node is made. */
export interface CreateSettings {
  /** Default: `persistent`. The ephemeral ones need a session. */
  readonly mode?: keyof typeof CreateMode;
  /** Of `ttl` and `ttlSequential`: deleted so long after its last change, without children. */
  readonly ttlMs?: number;
  /** Default: everybody may do everything. */
  readonly acl?: readonly AclEntry[];
}

export interface CreateOp extends CreateSettings {
  readonly kind: "create";
  readonly path: string;
  readonly data?: Uint8Array;
}

export interface SetOp {
  readonly kind: "set";
  readonly path: string;
  readonly data: Uint8Array;
  readonly version?: number;
}

export interface DeleteOp {
  readonly kind: "delete";
  readonly path: string;
  readonly version?: number;
}

export interface CheckOp {
  readonly kind: "check";
  readonly path: string;
  readonly version?: number;
}

/** One operation of a multi; {@link op} makes them. */
export type MultiOp = CreateOp | SetOp | DeleteOp | CheckOp;

/** Operations of a multi, as values: `client.multi([op.check("/a", 3), op.delete("/b")])`. */
export const op = {
  create: (path: string, data?: Uint8Array, settings: CreateSettings = {}): CreateOp => ({
    kind: "create",
    path,
    ...(data === undefined ? {} : { data }),
    ...settings,
  }),
  /** Only if the node has that version, when one is given. */
  set: (path: string, data: Uint8Array, version?: number): SetOp => ({
    kind: "set",
    path,
    data,
    ...(version === undefined ? {} : { version }),
  }),
  delete: (path: string, version?: number): DeleteOp => ({
    kind: "delete",
    path,
    ...(version === undefined ? {} : { version }),
  }),
  /** Changes nothing; the whole is refused unless the node is there and has that version. */
  check: (path: string, version?: number): CheckOp => ({
    kind: "check",
    path,
    ...(version === undefined ? {} : { version }),
  }),
} as const;

/** What became of one operation. */
export type ResultOf<Op extends MultiOp> = Op extends { readonly kind: "create" }
  ? { readonly kind: "create" } & CreateResult
  : Op extends { readonly kind: "set" }
    ? { readonly kind: "set"; readonly stat: Stat }
    : { readonly kind: Op["kind"] };

/** In the order of the operations, each of its own type. */
export type ResultsOf<Ops extends readonly MultiOp[]> = {
  readonly [Index in keyof Ops]: ResultOf<Ops[Index]>;
};

/** What can be refused without asking is refused here. */
export function checkTarget(path: string, data: Uint8Array, mode: CreateMode = 0): void {
  // A sequential node may have no name of its own: its number is one.
  const isSequential = mode === 2 || mode === 3 || mode === 6;
  const problem = checkPath(isSequential ? `${path}0` : path);
  if (problem !== null) throw new QuorateError(problem.code, problem.message);
  if (data.length > ZNODE_DATA_BYTES_MAX) {
    throw new QuorateError("ERR_ARG_TOO_LARGE", `data has at most ${ZNODE_DATA_BYTES_MAX} bytes`);
  }
}

/** @throws ERR_ARG_VALUE for a mode that there is not, or a time to live where there is none. */
export function createRequestOf(data: Uint8Array, settings: CreateSettings): CreateRequest {
  const { mode = "persistent", ttlMs, acl } = settings;
  // A program without types may give anything.
  const number = Object.hasOwn(CreateMode, mode) ? CreateMode[mode] : undefined;
  if (number === undefined) {
    const modes = Object.keys(CreateMode).join(", ");
    throw new QuorateError("ERR_ARG_VALUE", `mode is one of ${modes}`);
  }
  if (isTtl(number) !== (ttlMs !== undefined)) {
    throw new QuorateError("ERR_ARG_VALUE", "ttlMs belongs to the modes ttl and ttlSequential");
  }
  if (ttlMs !== undefined && !(Number.isInteger(ttlMs) && ttlMs > 0 && ttlMs <= TTL_MS_MAX)) {
    throw new QuorateError("ERR_ARG_VALUE", `ttlMs is an integer in 1..${TTL_MS_MAX}`);
  }
  return {
    data,
    mode: number,
    ...(ttlMs === undefined ? {} : { ttlMs }),
    ...(acl === undefined ? {} : { acl }),
  };
}

/** As it is encoded, with the server's path. */
export function requestOf(operation: MultiOp, toServer: (path: string) => string): MultiOperation {
  const path = toServer(operation.path);
  if (operation.kind === "create") {
    const request = createRequestOf(operation.data ?? NO_DATA, operation);
    checkTarget(operation.path, request.data, request.mode);
    return { kind: "create", path, ...request };
  }
  checkTarget(operation.path, operation.kind === "set" ? operation.data : NO_DATA);
  const version = operation.version === undefined ? {} : { version: operation.version };
  if (operation.kind === "set") return { kind: "set", path, data: operation.data, ...version };
  return { kind: operation.kind, path, ...version };
}
