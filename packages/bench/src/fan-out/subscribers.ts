import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { FanOutOrder, FanOutReport } from "./fan-out-worker.js";

const WORKER = fileURLToPath(new URL("./fan-out-worker.ts", import.meta.url));

/** @returns how to end them and have their report, once everything that was sent has arrived. */
export async function startSubscribers(order: FanOutOrder): Promise<() => Promise<FanOutReport>> {
  const child = spawn(
    process.execPath,
    ["--conditions=@quorate/source", "--import", "tsx", WORKER, JSON.stringify(order)],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  if (order.subscribers > 0) await once(child.stdout, "data");
  return async () => {
    // The last pages are on their way; a bookmark's time is more than they need.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    child.stdin.end();
    await once(child, "close");
    return JSON.parse(text) as FanOutReport;
  };
}
