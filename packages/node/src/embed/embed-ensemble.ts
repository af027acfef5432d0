import { join } from "node:path";
import { ENSEMBLE_SIZE_MAX, errorCodeOf, QuorateError } from "@quorate/protocol";
import type { RawSettings } from "../config/located.js";
import { embed, type EmbeddedNode, type EmbedParts } from "./embed.js";

const LOOPBACK = "127.0.0.1";
/** Ports are tried, not looked for: somebody could take them between the look and the use. */
const ATTEMPTS_MAX = 20;
/** Below those that systems hand out by themselves. */
const PORT_MIN = 20_000;
const PORT_MAX = 32_000;

/**
 * Runs several nodes of one ensemble in this process, on free ports of loopback: for tests. Node N
 * has its data in `dataDir`/N, so that the same call goes on with the same data.
 * @throws (rejects) as {@link embed}; then none of them is left running.
 */
export async function embedEnsemble(
  count: number,
  settings: RawSettings & { readonly dataDir: string },
  parts: (nodeId: number) => EmbedParts = () => ({}),
): Promise<EmbeddedNode[]> {
  if (!Number.isInteger(count) || count < 1 || count > ENSEMBLE_SIZE_MAX) {
    throw new QuorateError("ERR_CONFIG_VALUE", `count: an ensemble has 1..${ENSEMBLE_SIZE_MAX}`);
  }
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await attemptEnsemble(count, settings, parts);
    } catch (error) {
      const isTaken = errorCodeOf(error) === "ERR_SERVER_PORT_IN_USE";
      if (!isTaken || attempt === ATTEMPTS_MAX) throw error;
    }
  }
}

async function attemptEnsemble(
  count: number,
  settings: RawSettings & { readonly dataDir: string },
  parts: (nodeId: number) => EmbedParts,
): Promise<EmbeddedNode[]> {
  const ids = Array.from({ length: count }, (_, i) => i + 1);
  const first = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
  const addressOf = (i: number): string => `${LOOPBACK}:${first + i}`;
  const peers = ids.map((id, i) => ({
    id,
    electionAddr: addressOf(i),
    messageAddr: addressOf(count + i),
    requestAddr: addressOf(2 * count + i),
  }));
  const dataDir = (id: number): string => join(settings.dataDir, String(id));
  const starting = await Promise.allSettled(
    ids.map(async (id) =>
      // Asynchronous as a whole: `parts` may throw, and those before it run by then.
      embed({ ...settings, nodeId: id, dataDir: dataDir(id), peers }, parts(id)),
    ),
  );
  const nodes = starting.filter((one) => one.status === "fulfilled").map(({ value }) => value);
  const failed = starting.find((one) => one.status === "rejected");
  if (failed === undefined) return nodes;
  await Promise.allSettled(nodes.map((node) => node.close()));
  throw failed.reason;
}
