import { ZkOp } from "@quorate/zookeeper";
import { checkOrder, type LoadOrder } from "./order.js";
import { directoryPath, freshPath, keyPath, KEYS_PER_DIRECTORY } from "./zk/frames.js";
import { WriteBuffers } from "./zk/write-buffers.js";
import { ZkConnection } from "./zk/zk-connection.js";
import { valueOf } from "./zk-load.js";

const OPEN_MS = 30_000;
/** Creates on their way at a time. */
const WINDOW = 500;
const REMOVE_MS_MAX = 600_000;

export type TreeOrder = Pick<LoadOrder, "servers" | "root" | "keys" | "valueBytes">;

/** Makes the nodes of an order. Those that are there already are left as they are. */
export async function prepare(
  order: TreeOrder,
  onProgress?: (done: number, total: number) => void,
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
      await create(connection, keyPath(order.root, i), data);
      if ((i + 1) % WINDOW === 0) onProgress?.(i + 1, order.keys);
    });
  });
}

const empty = new Uint8Array(0);
const openAcl = [{ perms: 31, id: { scheme: "world", id: "anyone" } }];

/** Removes what `prepare` made, and what a load may have left; not the nodes above the root. */
export async function cleanUp(
  order: TreeOrder & { readonly fresh?: readonly number[] },
): Promise<void> {
  const deadline = performance.now() + REMOVE_MS_MAX;
  await withConnection(order, async (connection) => {
    const remove = async (path: string): Promise<void> => {
      if (performance.now() > deadline) throw new Error(`removing ${order.root} took too long`);
      const error = await connection.request(ZkOp.delete, { path, version: -1 });
      if (error !== null && error !== "noNode") throw new Error(`cannot remove ${path}: ${error}`);
    };
    for (const key of order.fresh ?? []) await remove(freshPath(order.root, key));
    await each(order.keys, (i) => remove(keyPath(order.root, i)));
    const directories = Math.ceil(order.keys / KEYS_PER_DIRECTORY);
    await each(directories, (i) => remove(directoryPath(order.root, i)));
    await remove(`${order.root}/fresh`);
    await remove(order.root);
  });
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
    await connection.open(performance.now() + OPEN_MS);
    await use(connection);
  } finally {
    await connection.close();
  }
}

async function create(connection: ZkConnection, path: string, data: Uint8Array): Promise<void> {
  const error = await connection.request(ZkOp.create, { path, data, acl: openAcl, flags: 0 });
  if (error !== null && error !== "nodeExists") throw new Error(`cannot create ${path}: ${error}`);
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
