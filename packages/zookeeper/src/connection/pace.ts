import type { Clock } from "@quorate/protocol";
import type { ByteChannel, ByteHandler } from "../byte-channel.js";
import { ARRIVAL_BYTES_PER_TURN_MAX, ARRIVALS_PER_TURN_MAX } from "../limits.js";

/**
 * Deals out the event loop's turns among the clients of one node. When thousands come at once, as
 * they do when a leader has died, all that they sent is there within one turn; carried out in one
 * go it would keep the node from its peers for longer than the leader's lease, and the next leader
 * would be lost as well.
 */
export class Pace {
  readonly #clock: Pick<Clock, "defer">;
  #taken = 0;
  #takenBytes = 0;
  #isTurnDue = false;
  #held: PacedChannel[] = [];

  constructor(clock: Pick<Clock, "defer">) {
    this.#clock = clock;
  }

  /** The same channel, from which no more arrives in a turn than there is room for. */
  channel(inner: ByteChannel): PacedChannel {
    return new PacedChannel(inner, this);
  }

  /** Whether something that has arrived may be carried out now. Who waits already goes first. */
  take(bytes: number): boolean {
    this.#schedule();
    return this.#held.length === 0 && this.#count(bytes);
  }

  hold(channel: PacedChannel): void {
    this.#held.push(channel);
  }

  /** Whether there is room for something more in this turn; the last may be beyond the bound. */
  #count(bytes: number): boolean {
    const isFull =
      this.#taken >= ARRIVALS_PER_TURN_MAX || this.#takenBytes >= ARRIVAL_BYTES_PER_TURN_MAX;
    if (isFull) return false;
    this.#taken += 1;
    this.#takenBytes += bytes;
    return true;
  }

  #schedule(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    this.#clock.defer(() => this.#turn());
  }

  #turn(): void {
    this.#isTurnDue = false;
    this.#taken = 0;
    this.#takenBytes = 0;
    const first = this.#held.findIndex(({ waitingBytes }) => !this.#count(waitingBytes));
    const due = this.#held.splice(0, first === -1 ? this.#held.length : first);
    for (const channel of due) channel.release();
    if (this.#taken > 0) this.#schedule();
  }
}

/** Not read while what it brought waits for its turn. */
export class PacedChannel implements ByteChannel {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly #inner: ByteChannel;
  readonly #pace: Pace;
  #handler: ByteHandler | null = null;
  /** Copies, in order: what arrives is its owner's again after the call. */
  #waiting: Uint8Array[] = [];
  #isPaused = false;
  #isClosed = false;

  constructor(inner: ByteChannel, pace: Pace) {
    this.remoteAddress = inner.remoteAddress;
    this.remotePort = inner.remotePort;
    this.#inner = inner;
    this.#pace = pace;
  }

  /** Of what has arrived and waits. */
  get waitingBytes(): number {
    return this.#waiting.reduce((sum, { length }) => sum + length, 0);
  }

  get bufferedBytes(): number {
    return this.#inner.bufferedBytes;
  }

  attach(handler: ByteHandler): void {
    this.#handler = handler;
    this.#inner.attach({
      onData: (bytes) => this.arrived(bytes),
      onDrain: () => handler.onDrain(),
      onClosed: () => {
        this.#isClosed = true;
        handler.onClosed();
      },
    });
  }

  /** Also what was read before this channel was made. */
  arrived(bytes: Uint8Array): void {
    if (this.#waiting.length === 0 && this.#pace.take(bytes.length)) {
      this.#handler?.onData(bytes);
      return;
    }
    this.#waiting.push(bytes.slice());
    if (this.#waiting.length > 1) return;
    this.#pace.hold(this);
    this.#inner.pause();
  }

  /** Its turn has come. */
  release(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const bytes of waiting) if (!this.#isClosed) this.#handler?.onData(bytes);
    if (!this.#isPaused && !this.#isClosed) this.#inner.resume();
  }

  write(bytes: Uint8Array): void {
    this.#inner.write(bytes);
  }

  pause(): void {
    this.#isPaused = true;
    this.#inner.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#waiting.length === 0) this.#inner.resume();
  }

  end(): void {
    this.#waiting = [];
    this.#isPaused = false;
    this.#inner.end();
  }

  destroy(): void {
    this.#waiting = [];
    this.#isClosed = true;
    this.#inner.destroy();
  }
}
