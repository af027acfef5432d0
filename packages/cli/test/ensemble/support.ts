import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vi } from "vitest";
import {
  createClient,
  errorCodeOf,
  type Ambient,
  type ClientDeps,
  type ClientOptions,
  type QuorateClient,
} from "@quorate/client";
import { embedEnsemble, type EmbeddedNode } from "@quorate/node";

/** No wait of these tests takes so long on the slowest of machines. */
const UNTIL_MS_MAX = 30_000;

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (data: Uint8Array): string => new TextDecoder().decode(data);

export async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(
    () => undefined,
    (error: unknown) => errorCodeOf(error) ?? String(error),
  );
}

export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  await vi.waitUntil(condition, { interval: 5, timeout: UNTIL_MS_MAX });
}

/** Of a program that can be made to hang: its timers run no more, though it still hears. */
export class HangingClock {
  isHanging = false;
  now = (): number => performance.now();
  defer = (callback: () => void): void => void setImmediate(callback);

  setTimer(ms: number, callback: () => void): ReturnType<Ambient["clock"]["setTimer"]> {
    const timer = setTimeout(() => {
      if (!this.isHanging) callback();
    }, ms);
    return { cancel: () => clearTimeout(timer) };
  }
}

/** Nodes of one ensemble in this process, and their addresses. */
export class Ensemble implements AsyncDisposable {
  private constructor(
    readonly nodes: EmbeddedNode[],
    readonly servers: readonly string[],
    readonly dataDir: string,
  ) {}

  static async start(count: number): Promise<Ensemble> {
    const dataDir = await mkdtemp(join(tmpdir(), "quorate-ensemble-"));
    const nodes = await embedEnsemble(count, { dataDir });
    await Promise.all(nodes.map((node) => node.ready({ timeoutMs: UNTIL_MS_MAX })));
    const servers = nodes.map((node) => `127.0.0.1:${node.requestAddress.port}`);
    return new Ensemble(nodes, servers, dataDir);
  }

  client(options: Partial<ClientOptions> = {}, deps: ClientDeps = {}): QuorateClient & Disposable {
    const client = createClient({ servers: this.servers, timeoutMs: 20_000, ...options }, deps);
    return Object.assign(client, { [Symbol.dispose]: () => client.close() });
  }

  get leader(): EmbeddedNode {
    const leader = this.nodes.find((node) => node.status()?.role === "leading");
    if (leader === undefined) throw new Error("nobody leads");
    return leader;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.nodes.map((node) => node.close()));
    await rm(this.dataDir, { recursive: true, force: true });
  }
}
