import { ZkError, ZkOp, type MultiOp } from "@quorate/zookeeper";
import type { PipelinedClient } from "./pipelined-client.js";

const ROOT = "/million";
/** A node of its own, whose data tell how current a server is. */
export const MARKER = `${ROOT}/marker`;
const CHILDREN_PER_PARENT = 1000;
/** Operations of a multi, and multis that a client has outstanding. */
const OPERATIONS = 200;
const OUTSTANDING = 2;
const TRIES_MAX = 10;

const OPEN_ACL = [{ perms: 31, id: { scheme: "world", id: "anyone" } }];

/** Nodes of a tree of any size, by number: a thousand below each parent. */
export function pathOf(node: number): string {
  return `${parentOf(Math.floor(node / CHILDREN_PER_PARENT))}/node-${node}`;
}

function parentOf(parent: number): string {
  return `${ROOT}/parent-${parent}`;
}

export interface TreeShape {
  /** Nodes, without their parents. */
  readonly count: number;
  /** Of each one's data. */
  readonly bytes: number;
}

/** Makes the whole tree; @returns when all of it is acknowledged. */
export async function makeTree(
  clients: readonly PipelinedClient[],
  { count, bytes }: TreeShape,
  onProgress: (done: number) => void,
): Promise<void> {
  const [first] = clients;
  if (first === undefined) throw new Error("a tree is made by clients");
  const data = dataOf(bytes);
  await insist(first, ZkOp.create, createOf(ROOT, data));
  await insist(first, ZkOp.create, createOf(MARKER, data));
  const parents = Math.ceil(count / CHILDREN_PER_PARENT);
  await inMultis([first], parents, (i) => create(parentOf(i), data));
  await inMultis(clients, count, (i) => create(pathOf(i), data), onProgress);
}

/** Sets so many nodes, one behind the other from the given one on. */
export async function setMany(
  clients: readonly PipelinedClient[],
  { count, bytes }: TreeShape,
  range: { readonly from: number; readonly sets: number },
): Promise<void> {
  const data = dataOf(bytes);
  await inMultis(clients, range.sets, (i) => ({
    type: ZkOp.setData,
    request: { path: pathOf((range.from + i) % count), data, version: -1 },
  }));
}

export function dataOf(bytes: number): Uint8Array {
  return new Uint8Array(bytes).fill(120);
}

/**
 * Asks until it is done: when a connection is lost, nobody knows whether it was.
 * @throws (rejects) for an error that does not come of that.
 */
async function insist(client: PipelinedClient, type: number, value: unknown): Promise<void> {
  let isRepeated = false;
  for (let i = 0; i < TRIES_MAX; i += 1) {
    const err = await client.ask(type, value);
    if (err === ZkError.ok || (err === ZkError.nodeExists && isRepeated)) return;
    if (err !== null) throw new Error(`a request of type ${type} fails: ${err}`);
    isRepeated = true;
  }
  throw new Error(`a request of type ${type} is not answered`);
}

function createOf(path: string, data: Uint8Array) {
  return { path, data, acl: OPEN_ACL, flags: 0 };
}

function create(path: string, data: Uint8Array): MultiOp {
  return { type: ZkOp.create, request: createOf(path, data) };
}

async function inMultis(
  clients: readonly PipelinedClient[],
  count: number,
  opOf: (i: number) => MultiOp,
  onProgress?: (done: number) => void,
): Promise<void> {
  let next = 0;
  let done = 0;
  const worker = async (client: PipelinedClient): Promise<void> => {
    while (next < count) {
      const from = next;
      next = Math.min(count, from + OPERATIONS);
      const ops = Array.from({ length: next - from }, (_, i) => opOf(from + i));
      await insist(client, ZkOp.multi, ops);
      done += ops.length;
      onProgress?.(done);
    }
  };
  await Promise.all(
    clients.flatMap((client) => Array.from({ length: OUTSTANDING }, () => worker(client))),
  );
}
