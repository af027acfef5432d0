import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { LoadOrder, LoadReport } from "./load-worker.js";

const WORKER = fileURLToPath(new URL("./load-worker.ts", import.meta.url));

/** Carries an order out in a process of its own. */
export async function runLoadProcess(order: LoadOrder): Promise<LoadReport> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--conditions=@quorate/source", "--import", "tsx", WORKER, JSON.stringify(order)],
    { maxBuffer: 2 ** 24 },
  );
  return JSON.parse(stdout) as LoadReport;
}
