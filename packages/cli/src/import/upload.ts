import { errorCodeOf } from "@quorate/protocol";
import { CHUNK_BYTES_SOFT_MAX, CHUNK_NODES_MAX, CHUNKS_IN_FLIGHT_MAX } from "./limits.js";
import type { SourceTree } from "./source-tree.js";
import type { Target } from "./target.js";

type Chunk = readonly Uint8Array[];

/** Writes the tree into the target. Gives how many nodes were not there before. */
export async function upload(
  tree: SourceTree,
  target: Target,
  onWritten: (nodes: number) => void,
): Promise<number> {
  let added = 0;
  let window: Chunk[] = [];
  const send = async (): Promise<void> => {
    added += await sendAll(window, target);
    onWritten(window.reduce((sum, chunk) => sum + chunk.length, 0));
    window = [];
  };
  for await (const chunk of chunksOf(tree)) {
    window.push(chunk);
    if (window.length === CHUNKS_IN_FLIGHT_MAX) await send();
  }
  if (window.length > 0) await send();
  return added;
}

async function* chunksOf(tree: SourceTree): AsyncGenerator<Chunk, undefined> {
  let chunk: Uint8Array[] = [];
  let bytes = 0;
  for (const [, node] of tree.nodes()) {
    const packed = await tree.packed(node);
    const isFull = chunk.length === CHUNK_NODES_MAX || bytes + packed.length > CHUNK_BYTES_SOFT_MAX;
    if (chunk.length > 0 && isFull) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(packed);
    bytes += packed.length;
  }
  if (chunk.length > 0) yield chunk;
}

/**
 * All at once; on one connection they arrive in order. When one has to be asked for again, those
 * behind it may have been refused for want of their parents: they follow one by one.
 */
async function sendAll(window: readonly Chunk[], target: Target): Promise<number> {
  const outcomes = await Promise.allSettled(window.map((chunk) => target.import(chunk)));
  let added = 0;
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.status === "fulfilled") {
      added += outcome.value;
      continue;
    }
    const isOrphan = index > 0 && errorCodeOf(outcome.reason) === "ERR_ZNODE_NO_NODE";
    if (!isOrphan) throw outcome.reason;
    added += await target.import(window[index] ?? []);
  }
  return added;
}
