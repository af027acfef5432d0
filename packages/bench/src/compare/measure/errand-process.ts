import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Errand, ErrandName, Errands, ErrandMessage, Message, Notice } from "./errands.js";

const MAIN = fileURLToPath(new URL("./errand-main.ts", import.meta.url));

export interface ErrandOptions {
  /** It is ended, and the errand fails, after so long. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** In order; the next message is looked at when this has settled. */
  readonly onNotice?: (notice: Notice, tell: (message: ErrandMessage) => void) => Promise<void>;
}

/**
 * Runs an errand in a process of its own: what the load costs is not mixed with what measures it.
 * @throws (rejects) when it fails, is aborted, or takes too long.
 */
export async function runErrand<N extends ErrandName>(
  errand: Extract<Errand, { name: N }>,
  options: ErrandOptions,
): Promise<Errands[N]["result"]> {
  const child = fork(MAIN, [JSON.stringify(errand)], {
    execArgv: ["--conditions=@quorate/source", "--import", "tsx"],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  try {
    return (await resultOf(child, errand.name, options)) as Errands[N]["result"];
  } finally {
    child.kill("SIGKILL");
  }
}

function resultOf(
  child: ChildProcess,
  name: ErrandName,
  { timeoutMs, signal, onNotice }: ErrandOptions,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const fail = (text: string): void => finish(() => reject(new Error(`${name}: ${text}`)));
    const onAbort = (): void => fail("interrupted");
    const timer = setTimeout(() => fail(`took longer than ${timeoutMs} ms`), timeoutMs);
    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      settle();
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort);
    const tell = (message: ErrandMessage): void => void child.send(message);
    let notices = Promise.resolve();
    child.on("message", (message: Message) => {
      if (message.kind === "failed") fail(message.text);
      else if (message.kind === "result") {
        notices.then(
          () => finish(() => resolve(message.result)),
          (error: unknown) => fail(String(error)),
        );
      } else {
        notices = notices.then(() => onNotice?.(message, tell));
        notices.catch((error: unknown) => fail(String(error)));
      }
    });
    child.once("error", (error) => fail(error.message));
    child.once("exit", (code, by) => fail(`the load ended (${by ?? code ?? "?"})`));
  });
}
