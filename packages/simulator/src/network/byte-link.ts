import type { ByteChannel, ByteHandler } from "@quorate/zookeeper";
import type { NodeHost } from "../engine/node-host.js";
import type { RandomStream } from "../engine/random-stream.js";

const LATENCY_MS = [0.05, 0.4] as const;
/** TCP tries again after this at the latest when a cut path is whole again. */
const RETRANSMIT_MS_MAX = 400;

export interface ByteLinkEvents {
  /** To the client; after nothing else when it has closed its end. */
  onData(bytes: Uint8Array): void;
  onClosed(): void;
  /** Bytes of the client have reached the node's process. */
  onTaken(): void;
  /** The node's process has written to the client. */
  onWritten(): void;
}

type Item = Uint8Array | "fin";

/** One direction: in order, or dead. */
class Lane {
  readonly #items: Item[] = [];
  #isBusy = false;

  constructor(
    readonly isOpen: () => boolean,
    readonly travel: (extraMs: number, arrive: () => void) => void,
    readonly deliver: (items: Item[]) => void,
  ) {}

  get isEmpty(): boolean {
    return this.#items.length === 0;
  }

  get bytes(): number {
    return this.#items.reduce((sum, item) => sum + (item === "fin" ? 0 : item.length), 0);
  }

  push(item: Item): void {
    this.#items.push(item);
    this.pump();
  }

  pump(extraMs = 0): void {
    if (this.#isBusy || this.#items.length === 0 || !this.isOpen()) return;
    this.#isBusy = true;
    this.travel(extraMs, () => {
      this.#isBusy = false;
      // Cut while it travelled: it stays with the sender.
      if (this.isOpen()) this.deliver(this.#items.splice(0));
    });
  }
}

/**
 * A client's TCP connection to one process of a node. Either side may stop reading; the path may
 * be cut, and what was written before goes on when it is whole again, even when one side has left.
 */
export class ByteLink implements ByteChannel {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly host: NodeHost;
  readonly incarnation: number;
  readonly #random: RandomStream;
  readonly #events: ByteLinkEvents;
  readonly #toNode: Lane;
  readonly #toClient: Lane;
  #handler: ByteHandler | null = null;
  #isCut = false;
  /** The client's process takes nothing. */
  #isStalled = false;
  #isPaused = false;
  #isClientGone = false;
  /** The node has closed its end, or heard of the other's. */
  #isNodeGone = false;

  constructor(
    host: NodeHost,
    client: { readonly id: number; readonly port: number },
    deps: { readonly random: RandomStream; readonly events: ByteLinkEvents },
  ) {
    this.host = host;
    this.incarnation = host.incarnation;
    this.remoteAddress = `10.0.0.${client.id}`;
    this.remotePort = client.port;
    this.#random = deps.random;
    this.#events = deps.events;
    const travel = (label: string) => (extraMs: number, arrive: () => void) => {
      host.scheduler.after(this.#random.between(...LATENCY_MS) + extraMs, label, arrive);
    };
    this.#toNode = new Lane(
      () => !this.#isCut && !this.#isPaused,
      travel("client bytes"),
      (items) => this.#arriveAtNode(items),
    );
    this.#toClient = new Lane(
      () => !this.#isCut && !this.#isStalled,
      travel("node bytes"),
      (items) => this.#arriveAtClient(items),
    );
    host.onEnd((incarnation, how) => {
      if (incarnation !== this.incarnation || this.#isNodeGone) return;
      this.#isNodeGone = true;
      // The kernel resets what its process had open; a machine without power says nothing.
      if (how !== "powerLoss") this.#toClient.push("fin");
    });
  }

  // ---- the client's end ----

  send(bytes: Uint8Array): void {
    if (!this.#isClientGone) this.#toNode.push(bytes);
  }

  /** The node hears of it when the path allows, behind what was sent. */
  hangUp(): void {
    if (this.#isClientGone) return;
    this.#isClientGone = true;
    this.#toNode.push("fin");
  }

  setCut(isCut: boolean, lateMsMax = RETRANSMIT_MS_MAX): void {
    this.#isCut = isCut;
    this.#wake(this.#random.next() * lateMsMax);
  }

  setStalled(isStalled: boolean): void {
    this.#isStalled = isStalled;
    this.#wake(0);
  }

  // ---- the node's end ----

  /** What the kernel takes of a healthy connection is taken. */
  get bufferedBytes(): number {
    return this.#isCut || this.#isStalled ? this.#toClient.bytes : 0;
  }

  attach(handler: ByteHandler): void {
    this.#handler = handler;
  }

  write(bytes: Uint8Array): void {
    if (this.#isNodeGone || !this.host.mayCall(this.incarnation)) return;
    this.#toClient.push(bytes.slice());
    this.#events.onWritten();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#toNode.pump();
  }

  end(): void {
    this.destroy();
  }

  destroy(): void {
    if (this.#isNodeGone || !this.host.mayCall(this.incarnation)) return;
    this.#isNodeGone = true;
    this.#toClient.push("fin");
    // Never from within a call of the port.
    this.host.after(0, "client port", () => this.#handler?.onClosed());
  }

  // ---- internals ----

  #wake(extraMs: number): void {
    this.#toNode.pump(extraMs);
    this.#toClient.pump(extraMs);
    if (this.#isNodeGone || this.#isCut || this.#isStalled || this.#toClient.isEmpty) return;
    this.host.enter(this.incarnation, () => this.#handler?.onDrain());
  }

  #arriveAtNode(items: readonly Item[]): void {
    for (const item of items) {
      this.host.enter(this.incarnation, () => {
        if (this.#isNodeGone) return;
        if (item === "fin") {
          this.#isNodeGone = true;
          this.#handler?.onClosed();
        } else {
          this.#events.onTaken();
          this.#handler?.onData(item);
        }
      });
    }
  }

  #arriveAtClient(items: readonly Item[]): void {
    for (const item of items) {
      if (this.#isClientGone) return;
      if (item === "fin") {
        this.#isClientGone = true;
        this.#events.onClosed();
      } else {
        this.#events.onData(item);
      }
    }
  }
}
