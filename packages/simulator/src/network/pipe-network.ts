import {
  PENDING_PIPES_MAX,
  QuorateError,
  type NodeId,
  type PeerConnector,
  type PeerListener,
  type PeerPipe,
} from "@quorate/protocol";
import type { HostEnd, NodeHost } from "../engine/node-host.js";
import type { RandomStream } from "../engine/random-stream.js";
import type { Scheduler } from "../engine/scheduler.js";
import { Channel } from "./channel.js";
import type { LinkMap } from "./link-map.js";
import { PipeEnd, type PipeObserver } from "./pipe-end.js";
import type { WireCodec } from "./wire-codec.js";

/** An attempt that no packet answers ends after this. */
const CONNECT_TIMEOUT_MS = 1000;
const HANDSHAKE_MS = 0.5;
const CONNECT_RETRY_MS = 20;

interface Connection {
  readonly id: number;
  readonly a: PipeEnd;
  readonly b: PipeEnd;
  readonly ab: Channel;
  readonly ba: Channel;
}

interface ListenerState {
  readonly host: NodeHost;
  readonly incarnation: number;
  acceptor: ((pipe: PeerPipe) => void) | null;
  readonly waiting: PipeEnd[];
}

export interface PipeNetworkDeps {
  readonly scheduler: Scheduler;
  readonly random: RandomStream;
  readonly links: LinkMap;
  readonly codec: WireCodec;
  readonly observer: PipeObserver;
}

/** TCP with the peer handshake on top: pipes are in order or dead, and may be half-open. */
export class PipeNetwork {
  readonly #deps: PipeNetworkDeps;
  readonly #queueBytesMax: number;
  readonly #listeners = new Map<NodeId, ListenerState>();
  readonly #connections = new Map<number, Connection>();
  #nextId = 1;

  constructor(deps: PipeNetworkDeps, options: { readonly queueBytesMax: number }) {
    this.#deps = deps;
    this.#queueBytesMax = options.queueBytesMax;
    deps.links.onCut((from, to, isCut) => {
      if (!isCut) this.#wake(from, to);
    });
  }

  /** Watches the host: the kernel resets the sockets of a killed process. */
  addHost(host: NodeHost): void {
    host.onEnd((incarnation, how) => this.#onHostEnd(host, incarnation, how));
  }

  /** Ids of connections in which both ends still believe, ascending. */
  openConnections(): number[] {
    const open: number[] = [];
    for (const [id, { a, b }] of this.#connections) if (!a.isShut && !b.isShut) open.push(id);
    return open;
  }

  listener(host: NodeHost): PeerListener {
    const state: ListenerState = {
      host,
      incarnation: host.incarnation,
      acceptor: null,
      waiting: [],
    };
    this.#listeners.set(host.id, state);
    return {
      onPipe: (acceptor) => {
        state.acceptor = acceptor;
        if (acceptor === null || state.waiting.length === 0) return;
        host.after(0, `accept n${host.id}`, () => {
          while (state.acceptor !== null) {
            const pipe = state.waiting.shift();
            if (pipe === undefined) break;
            if (!pipe.isShut) state.acceptor(pipe);
          }
        });
      },
      close: () => {
        if (this.#listeners.get(host.id) === state) this.#listeners.delete(host.id);
        return Promise.resolve();
      },
    };
  }

  connector(host: NodeHost): PeerConnector {
    const incarnation = host.incarnation;
    return {
      connect: (to, { signal }) =>
        new Promise((resolve, reject) => {
          if (!host.mayCall(incarnation)) return;
          let isOver = false;
          const abort = (): void => fail(new QuorateError("ERR_SERVER_CLOSED", "aborted"));
          const finish = (act: () => void): void => {
            if (isOver) return;
            isOver = true;
            signal.removeEventListener("abort", abort);
            act();
          };
          const fail = (error: QuorateError): void => finish(() => reject(error));
          if (signal.aborted) {
            abort();
            return;
          }
          signal.addEventListener("abort", abort, { once: true });
          const attempt = {
            host,
            to,
            deadlineMs: this.#deps.scheduler.nowMs + CONNECT_TIMEOUT_MS,
            isOver: () => isOver || !host.isCurrent(incarnation),
            fail: (error: QuorateError) => host.enter(incarnation, () => fail(error)),
            succeed: (pipe: PipeEnd) =>
              host.enter(incarnation, () => {
                // The caller gave up while the answer waited: nobody will ever attach to it.
                if (isOver) pipe.close(new QuorateError("ERR_SERVER_CLOSED", "aborted"));
                finish(() => resolve(pipe));
              }),
          };
          this.#attempt(attempt);
        }),
    };
  }

  /** F12: both ends lose the connection, and what was on its way. */
  resetConnection(id: number): void {
    const found = this.#connections.get(id);
    if (found === undefined) return;
    this.#connections.delete(id);
    found.ab.silence();
    found.ba.silence();
    for (const { host, incarnation, reset } of [ends(found.a), ends(found.b)]) {
      host.enter(incarnation, reset);
    }
  }

  /** F14: every connection of a node is gone. */
  resetConnectionsOf(node: NodeId): void {
    for (const { id, a, b } of [...this.#connections.values()]) {
      if (a.host.id === node || b.host.id === node) this.resetConnection(id);
    }
  }

  /** F6: one end (default: either) is told that the connection is gone, the other is not. */
  halfOpen(connection: number | PipeEnd): void {
    const id = typeof connection === "number" ? connection : connection.pipeId >> 1;
    const found = this.#connections.get(id);
    if (found === undefined) return;
    const isFirst =
      typeof connection === "number" ? this.#deps.random.chance(0.5) : connection === found.a;
    const lost = isFirst ? found.a : found.b;
    (isFirst ? found.ab : found.ba).silence();
    lost.host.enter(lost.incarnation, () => lost.reset(closed("connection lost")));
  }

  /** F5: damages the next frame in one direction. */
  corruptNextFrame(id: number): void {
    const found = this.#connections.get(id);
    if (found === undefined) return;
    (this.#deps.random.chance(0.5) ? found.ab : found.ba).corruptNext();
  }

  #attempt(attempt: Attempt): void {
    const { scheduler, links, random } = this.#deps;
    const { host, to } = attempt;
    const roundTripMs =
      HANDSHAKE_MS + links.of(host.id, to).extraDelayMs + links.of(to, host.id).extraDelayMs;
    scheduler.after(roundTripMs + random.next() * 0.5, `connect n${host.id}`, () => {
      if (attempt.isOver()) return;
      const listener = this.#listeners.get(to);
      const isCut = links.of(host.id, to).isCut || links.of(to, host.id).isCut;
      const isListening = listener?.host.isCurrent(listener.incarnation) === true;
      const isSilent =
        isCut || listener?.host.isMachineUp === false || (isListening && listener.host.isPaused);
      if (isSilent) {
        if (scheduler.nowMs < attempt.deadlineMs) {
          scheduler.after(CONNECT_RETRY_MS, `connect n${host.id}`, () => this.#attempt(attempt));
        } else {
          attempt.fail(new QuorateError("ERR_PROTOCOL_TIMEOUT", "no answer", { retryable: true }));
        }
        return;
      }
      if (!isListening) attempt.fail(closed("connection refused"));
      else attempt.succeed(this.#open(host, listener));
    });
  }

  #open(host: NodeHost, listener: ListenerState): PipeEnd {
    const { scheduler, random, links, codec, observer } = this.#deps;
    const id = this.#nextId;
    this.#nextId += 1;
    const target = listener.host;
    const common = { queueBytesMax: this.#queueBytesMax };
    const ab = new Channel(
      { from: host.id, to: target.id, ...common },
      { scheduler, random, links },
    );
    const ba = new Channel(
      { from: target.id, to: host.id, ...common },
      { scheduler, random, links },
    );
    const a = new PipeEnd({ peer: target.id, pipeId: id * 2, host }, { codec, observer, out: ab });
    const b = new PipeEnd(
      { peer: host.id, pipeId: id * 2 + 1, host: target },
      { codec, observer, out: ba },
    );
    const connection: Connection = { id, a, b, ab, ba };
    this.#connections.set(id, connection);
    this.#join(connection, ab, b, ba);
    this.#join(connection, ba, a, ab);
    target.enter(listener.incarnation, () => {
      if (listener.acceptor !== null) listener.acceptor(b);
      else this.#wait(listener, b);
    });
    return a;
  }

  #wait(listener: ListenerState, pipe: PipeEnd): void {
    listener.waiting.push(pipe);
    if (listener.waiting.length <= PENDING_PIPES_MAX) return;
    listener.waiting.shift()?.close(new QuorateError("ERR_PROTOCOL_OVERFLOW", "too many pipes"));
  }

  /** Frames of `channel` go into `end`; `back` carries the answer of its kernel. */
  #join(connection: Connection, channel: Channel, end: PipeEnd, back: Channel): void {
    const enter = (run: () => void): void => end.host.enter(end.incarnation, run);
    channel.attach({
      onFrame: (bytes, isCorrupt) => {
        if (end.host.isCurrent(end.incarnation) && !end.isShut) {
          enter(() => end.receive(isCorrupt ? this.#damage(bytes) : bytes, isCorrupt));
        } else if (end.host.isMachineUp && !end.isDraining) {
          // A socket that nobody owns any more answers with a reset.
          channel.silence();
          this.#resetOther(connection, end, back);
        }
      },
      onFinish: (text) => {
        enter(() => end.end(text));
        this.#forgetIfOver(connection);
      },
      onKill: (text) => {
        enter(() => end.reset(closed(text)));
        back.silence();
        this.#forgetIfOver(connection);
      },
    });
  }

  #resetOther(connection: Connection, dead: PipeEnd, back: Channel): void {
    const other = dead === connection.a ? connection.b : connection.a;
    if (other.isShut) {
      this.#connections.delete(connection.id);
      return;
    }
    const { scheduler, links } = this.#deps;
    scheduler.after(0.3, `reset n${other.host.id}`, () => {
      if (links.of(back.from, back.to).isCut) return;
      other.host.enter(other.incarnation, () => other.reset(closed("reset by peer")));
      this.#connections.delete(connection.id);
    });
  }

  #damage(bytes: Uint8Array): Uint8Array {
    const damaged = bytes.slice();
    const at = this.#deps.random.below(damaged.length);
    damaged[at] = (damaged[at] ?? 0) ^ (1 << this.#deps.random.below(8));
    return damaged;
  }

  #forgetIfOver(connection: Connection): void {
    if (connection.a.isShut && connection.b.isShut) this.#connections.delete(connection.id);
  }

  #wake(from: NodeId, to: NodeId): void {
    for (const { ab, ba } of this.#connections.values()) {
      for (const channel of [ab, ba]) {
        if (channel.from === from && channel.to === to) channel.wake();
      }
    }
  }

  #onHostEnd(host: NodeHost, incarnation: number, how: HostEnd): void {
    const listener = this.#listeners.get(host.id);
    if (listener?.incarnation === incarnation) listener.acceptor = null;
    for (const connection of [...this.#connections.values()]) {
      for (const [end, out] of [
        [connection.a, connection.ab],
        [connection.b, connection.ba],
      ] as const) {
        if (end.host !== host || end.incarnation !== incarnation) continue;
        if (how === "powerLoss") out.silence();
        // The kernel may still send what was written, or drop it with a reset.
        else if (this.#deps.random.chance(0.5)) out.finish("the process ended");
        else out.kill("reset: the process ended");
      }
    }
  }
}

interface Attempt {
  readonly host: NodeHost;
  readonly to: NodeId;
  readonly deadlineMs: number;
  isOver(): boolean;
  fail(error: QuorateError): void;
  succeed(pipe: PipeEnd): void;
}

function ends(end: PipeEnd): { host: NodeHost; incarnation: number; reset: () => void } {
  return {
    host: end.host,
    incarnation: end.incarnation,
    reset: () => end.reset(closed("connection reset")),
  };
}

function closed(text: string): QuorateError {
  return new QuorateError("ERR_PROTOCOL_CLOSED", text, { retryable: true });
}
