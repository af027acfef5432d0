import { QuorateError, type Timer } from "@quorate/protocol";
import { NATIVE_SUBPROTOCOL } from "@quorate/codec";
import type { Ambient } from "./ambient.js";
import { CONNECT_MS, RECONNECT_MS, RECONNECT_MS_MAX } from "./limits.js";
import type { ClientSocket, OpenSocket } from "./socket.js";

export interface ConnectorEvents {
  onOpen(socket: ClientSocket, server: string): void;
}

/** Goes round the servers until one opens: the first round without a pause, then with back-off. */
export class Connector {
  readonly #servers: readonly string[];
  readonly #openSocket: OpenSocket;
  readonly #ambient: Ambient;
  readonly #events: ConnectorEvents;
  #next: number;
  #failures = 0;
  #turnedAway = 0;
  #timer: Timer | null = null;
  #attempt: ClientSocket | null = null;
  #attemptTimer: Timer | null = null;
  /** Why each server did not open, for the error of a request that never left. */
  readonly #reasons = new Map<string, string>();

  constructor(
    servers: readonly string[],
    openSocket: OpenSocket,
    ambient: Ambient,
    events: ConnectorEvents,
  ) {
    this.#servers = servers;
    this.#openSocket = openSocket;
    this.#ambient = ambient;
    this.#events = events;
    // Many clients with one list must not all go to its first server.
    this.#next = Math.floor(ambient.random() * servers.length);
  }

  get isBusy(): boolean {
    return this.#attempt !== null || this.#timer !== null;
  }

  start(): void {
    if (this.isBusy) return;
    const tries = Math.max(this.#failures, this.#turnedAway - 1);
    if (tries < this.#servers.length) {
      this.#open();
      return;
    }
    const rounds = Math.floor(tries / this.#servers.length) - 1;
    const pause = Math.min(RECONNECT_MS_MAX, RECONNECT_MS * 2 ** Math.min(rounds, 10));
    this.#timer = this.#ambient.clock.setTimer(pause * (0.5 + this.#ambient.random() / 2), () => {
      this.#timer = null;
      this.#open();
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#attemptTimer?.cancel();
    const attempt = this.#attempt;
    this.#attempt = null;
    attempt?.close();
  }

  /** A server answered: the next loss is followed by attempts without a pause again. */
  succeeded(): void {
    this.#failures = 0;
  }

  /**
   * A server that answers did not take something on and is left for another. Once all have, the
   * next is tried after a pause, although the connections themselves were good.
   */
  turnedAway(): void {
    this.#turnedAway += 1;
  }

  /** The connection has lasted. */
  kept(): void {
    this.#turnedAway = 0;
  }

  unreachable(): QuorateError {
    const reasons = [...this.#reasons].map(([server, why]) => `${server}: ${why}`);
    return new QuorateError(
      "ERR_CLIENT_UNREACHABLE",
      `no server could be reached (${reasons.join("; ") || "none answered in time"})`,
      { retryable: true, details: Object.fromEntries(this.#reasons) },
    );
  }

  /** Not at once: whoever asked for a connection is still at it. */
  #startSoon(): void {
    this.#timer = this.#ambient.clock.setTimer(0, () => {
      this.#timer = null;
      this.start();
    });
  }

  #open(): void {
    const server = this.#servers[this.#next % this.#servers.length] ?? "";
    this.#next += 1;
    // A server that opens and closes again is no better than one that does not open.
    this.#failures += 1;
    let socket: ClientSocket;
    try {
      socket = this.#openSocket(`ws://${server}`, NATIVE_SUBPROTOCOL);
    } catch (error) {
      // A page that came over https may not open ws at all; a proxy agent may not be configured.
      this.#reasons.set(server, error instanceof Error ? error.message : String(error));
      this.#startSoon();
      return;
    }
    let why = "the connection was closed";
    socket.binaryType = "arraybuffer";
    this.#attempt = socket;
    const timer = this.#ambient.clock.setTimer(CONNECT_MS, () => {
      why = `no answer within ${CONNECT_MS} ms`;
      settle(false);
    });
    this.#attemptTimer = timer;
    const settle = (isOpen: boolean): void => {
      timer.cancel();
      if (this.#attempt !== socket) return;
      this.#attempt = null;
      if (isOpen) {
        this.#reasons.delete(server);
        this.#events.onOpen(socket, server);
        return;
      }
      socket.onopen = null;
      socket.onclose = null;
      socket.close();
      this.#reasons.set(server, why);
      this.start();
    };
    socket.onopen = () => settle(true);
    socket.onerror = ({ message }) => {
      if (message !== undefined && message !== "") why = message;
    };
    socket.onclose = () => settle(false);
  }
}
