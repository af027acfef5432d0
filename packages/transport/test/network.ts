import { connect, type LookupFunction, type Socket } from "node:net";
import {
  silentLogger,
  toNodeId,
  type Logger,
  type Meter,
  type NodeId,
  type PeerPipe,
} from "@quorate/protocol";
import {
  createClock,
  createPeerConnector,
  createPeerListener,
  type BoundPeerListener,
  type PeerConnectorOptions,
  type PeerListenerOptions,
  type TransportDeps,
} from "../src/index.js";

export const one = toNodeId(1);
export const two = toNodeId(2);
export const three = toNodeId(3);
export const loopback = { host: "127.0.0.1", port: 0 };

const WAIT_MS_MAX = 10_000;

/** Between two looks, so that one who waits leaves the processor to what is waited for. */
const POLL_MS = 1;

export async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + WAIT_MS_MAX;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`never held: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

export class CountingMeter implements Meter {
  readonly counts = new Map<string, number>();
  count(name: string, by = 1): void {
    this.counts.set(name, this.of(name) + by);
  }
  of(name: string): number {
    return this.counts.get(name) ?? 0;
  }
  observe(): void {}
  gauge(): void {}
}

export function makeDeps(logger: Logger = silentLogger): TransportDeps & { meter: CountingMeter } {
  return { clock: createClock(), logger, meter: new CountingMeter() };
}

/** A name service with one address, which may move or go, and what it was asked for. */
export class FakeNames {
  readonly asked: string[] = [];
  answered = 0;
  address: string | null = "127.0.0.1";
  isSilent = false;

  readonly lookup: LookupFunction = (name, { all }, callback) => {
    this.asked.push(name);
    const { address } = this;
    if (this.isSilent) return;
    setImmediate(() => {
      this.answered += 1;
      if (address === null) callback(new Error("ENOTFOUND"), "", 4);
      else if (all === true) callback(null, [{ address, family: 4 }]);
      else callback(null, address, 4);
    });
  };
}

/** Listeners, pipes and raw sockets of one test, closed together at its end. */
export class Network {
  readonly #listeners: BoundPeerListener[] = [];
  readonly #sockets: Socket[] = [];

  async listen(
    options: Partial<PeerListenerOptions> = {},
    deps: TransportDeps = makeDeps(),
  ): Promise<BoundPeerListener & { readonly pipes: PeerPipe[] }> {
    const listener = await createPeerListener(
      {
        nodeId: two,
        cluster: "test",
        bind: loopback,
        voters: [one, two],
        allowsWatchers: false,
        ...options,
      },
      deps,
    );
    this.#listeners.push(listener);
    const pipes: PeerPipe[] = [];
    listener.onPipe((pipe) => pipes.push(pipe));
    return Object.assign(listener, { pipes });
  }

  dial(
    listener: { readonly address: { readonly host: string; readonly port: number } },
    options: Partial<PeerConnectorOptions> = {},
    signal: AbortSignal = new AbortController().signal,
    to: NodeId = two,
    deps: TransportDeps = makeDeps(),
  ): Promise<PeerPipe> {
    const peers = new Map([[to, listener.address]]);
    return createPeerConnector(
      { nodeId: one, cluster: "test", role: "voter", peers, ...options },
      deps,
    ).connect(to, { signal });
  }

  /** A raw TCP connection, and how it ended. */
  raw(port: number): { readonly socket: Socket; readonly isClosed: () => boolean } {
    let isClosed = false;
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.on("close", () => {
      isClosed = true;
    });
    socket.resume();
    this.#sockets.push(socket);
    return { socket, isClosed: () => isClosed };
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#listeners.map((listener) => listener.close()));
  }
}
