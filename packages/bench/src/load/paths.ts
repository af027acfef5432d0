import type { QuorateClient } from "@quorate/client";

/** Nodes that are written to, in turn: enough that no write waits for another of its node. */
const PATHS = 1000;

export function pathOf(write: number): string {
  return `/load/${write % PATHS}`;
}

/** Makes them, in an ensemble that has none yet. */
export async function makePaths(client: QuorateClient): Promise<void> {
  await client.create("/load");
  await Promise.all(Array.from({ length: PATHS }, (_, i) => client.create(pathOf(i))));
}
