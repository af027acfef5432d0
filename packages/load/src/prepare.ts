import { setTimeout as pause } from "node:timers/promises";
import { QuorateError, type ErrorCode } from "@quorate/protocol";
import { ZkOp } from "@quorate/zookeeper";
import { CONNECTION_LOSS } from "./connection.js";
import { checkOrder, type LoadOrder } from "./order.js";
import { directoryPath, keyPath, KEYS_PER_DIRECTORY } from "./zk/frames.js";
import { WriteBuffers } from "./zk/write-buffers.js";
import { ZkConnection } from "./zk/zk-connection.js";
import { OPEN_MS, openAll } from "./run-load.js";
import { valueOf } from "./value.js";

/** Creates on their way at a time. */
const WINDOW = 500;
const RETRY_MS = 50;
const REMOVE_MS_MAX = 600_000;

export interface TreeOrder extends Pick<LoadOrder, "servers" | "root" | "keys" | "valueBytes"> {
  /** How long to look for a server. */
  readonly openMs?: number;
}

export interface PrepareHooks {
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Makes the nodes of an order, and those above its root. What is there already is left as it is.
 * @throws (rejects) ERR_ARG_VALUE, ERR_CLIENT_UNREACHABLE, or why a node could not be made.
 */
export async function prepare(
  order: TreeOrder,
  { signal, onProgress }: PrepareHooks = {},
): Promise<void> {
  checkOrder({ ...order, connections: 1, outstanding: 1 });
  const data = valueOf(order.valueBytes);
  const directories = Math.ceil(order.keys / KEYS_PER_DIRECTORY);
  await withConnection(order, async (connection) => {
    const ancestors = order.root.split("/").slice(1);
    const parents = ancestors.map((_, i) => `/${ancestors.slice(0, i + 1).join("/")}`);
    for (const path of [...parents, `${order.root}/fresh`]) await create(connection, path, empty);
    await each(directories, (i) => create(connection, directoryPath(order.root, i), empty));
    await each(order.keys, async (i) => {
      if (signal?.aborted === true) return;
      await create(connection, keyPath(order.root, i), data);
      if ((i + 1) % WINDOW === 0) onProgress?.(i + 1, order.keys);
    });
  });
}

const empty = new Uint8Array(0);
const openAcl = [{ perms: 31, id: { scheme: "world", id: "anyone" } }];

/**
 * Makes the root itself, whose parent is there.
 * @throws (rejects) ERR_ZNODE_NODE_EXISTS when there is one: what is below it may be somebody's.
 */
export async function claimRoot(order: TreeOrder): Promise<void> {
  await withConnection(order, async (connection) => {
    const request = { path: order.root, data: empty, acl: openAcl, flags: 0 };
    const error = await connection.request(ZkOp.create, request);
    if (error !== null) throw refused(`create ${order.root}`, error);
  });
}

/** Removes what `prepare` made, and what a load may have left; not the nodes above the root. */
export async function cleanUp(order: TreeOrder): Promise<void> {
  const deadline = performance.now() + REMOVE_MS_MAX;
  await withConnection(order, async (connection) => {
    const remove = async (path: string): Promise<void> => {
      if (performance.now() > deadline) throw refused(`remove ${order.root}`, "it took too long");
      const error = await ask(connection, ZkOp.delete, { path, version: -1 });
      if (error !== null && error !== "noNode") throw refused(`remove ${path}`, error);
    };
    await each(order.keys, (i) => remove(keyPath(order.root, i)));
    const directories = Math.ceil(order.keys / KEYS_PER_DIRECTORY);
    await each(directories, (i) => remove(directoryPath(order.root, i)));
    await remove(`${order.root}/fresh`);
    await remove(order.root);
  });
}

/** By the names of errors on the wire; whatever else a server says, it should not. */
const codes: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ["noNode", "ERR_ZNODE_NO_NODE"],
  ["noAuth", "ERR_ZNODE_NO_AUTH"],
  ["notEmpty", "ERR_ZNODE_NOT_EMPTY"],
  ["nodeExists", "ERR_ZNODE_NODE_EXISTS"],
  ["badArguments", "ERR_ZNODE_BAD_ARGUMENTS"],
  ["quotaExceeded", "ERR_ZNODE_QUOTA_EXCEEDED"],
  ["noChildrenForEphemerals", "ERR_ZNODE_NO_CHILDREN_FOR_EPHEMERALS"],
  ["throttled", "ERR_SERVER_BUSY"],
]);

function refused(what: string, why: string): QuorateError {
  if (why === CONNECTION_LOSS) {
    return new QuorateError("ERR_CLIENT_OUTCOME_UNKNOWN", `cannot ${what}: the connection ended`);
  }
  return new QuorateError(codes.get(why) ?? "ERR_SERVER_INTERNAL", `cannot ${what}: ${why}`);
}

async function withConnection(
  order: TreeOrder,
  use: (connection: ZkConnection) => Promise<void>,
): Promise<void> {
  const silent = { opened: () => undefined, answered: () => undefined };
  const connection = new ZkConnection(
    {
      index: 0,
      servers: order.servers,
      outstanding: WINDOW,
      templates: [],
      buffers: new WriteBuffers(),
      reconnects: true,
    },
    silent,
  );
  try {
    await openAll([connection], performance.now() + (order.openMs ?? OPEN_MS));
    await use(connection);
  } finally {
    await connection.close();
  }
}

/**
 * Asks again when the connection ended, for a while: done twice, these requests do no more, and an
 * ensemble may elect while nodes are made or removed.
 */
async function ask(connection: ZkConnection, type: number, value: unknown): Promise<string | null> {
  const deadline = performance.now() + OPEN_MS;
  for (;;) {
    const error = await connection.request(type, value);
    if (error !== CONNECTION_LOSS || performance.now() > deadline) return error;
    await pause(RETRY_MS);
  }
}

async function create(connection: ZkConnection, path: string, data: Uint8Array): Promise<void> {
  const error = await ask(connection, ZkOp.create, { path, data, acl: openAcl, flags: 0 });
  if (error !== null && error !== "nodeExists") throw refused(`create ${path}`, error);
}

/** Runs over [0, count) with some of them at a time. */
async function each(count: number, run: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      next += 1;
      await run(next - 1);
    }
  };
  await Promise.all(Array.from({ length: Math.min(WINDOW, count) }, worker));
}
