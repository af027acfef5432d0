import type { NodeId } from "@quorate/protocol";
import type { RandomStream } from "../engine/random-stream.js";
import type { Scheduler } from "../engine/scheduler.js";
import type { LinkMap } from "./link-map.js";

const BASE_DELAY_MS = 0.1;
const DELAY_SPREAD_MS = 0.3;
/** TCP tries again after this at the earliest when a cut path is whole again. */
const RETRANSMIT_MS_MAX = 400;

interface Frame {
  readonly bytes: Uint8Array;
  readonly isCorrupt: boolean;
}

export interface ChannelEvents {
  onFrame(bytes: Uint8Array, isCorrupt: boolean): void;
  /** All frames were delivered and the sender wrote nothing more. */
  onFinish(text: string): void;
  /** The sender dropped the connection; frames on their way are lost. */
  onKill(text: string): void;
}

/**
 * One direction of a TCP connection: what arrives is a prefix of what was written, in order. A cut
 * link stops the bytes; when it heals they go on, if the connection has not died meanwhile.
 */
export class Channel {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly queueBytesMax: number;
  readonly #scheduler: Scheduler;
  readonly #random: RandomStream;
  readonly #links: LinkMap;
  readonly #frames: Frame[] = [];
  readonly #label: string;
  #events: ChannelEvents | null = null;
  #queuedBytes = 0;
  #isDead = false;
  #isBusy = false;
  #finishText: string | null = null;
  #killText: string | null = null;
  #corruptNext = false;

  constructor(
    options: { from: NodeId; to: NodeId; queueBytesMax: number },
    deps: { scheduler: Scheduler; random: RandomStream; links: LinkMap },
  ) {
    this.from = options.from;
    this.to = options.to;
    this.queueBytesMax = options.queueBytesMax;
    this.#scheduler = deps.scheduler;
    this.#random = deps.random;
    this.#links = deps.links;
    this.#label = `frame n${options.to}`;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  attach(events: ChannelEvents): void {
    this.#events = events;
  }

  write(bytes: Uint8Array): void {
    if (this.#isDead || this.#finishText !== null) return;
    this.#frames.push({ bytes, isCorrupt: this.#corruptNext });
    this.#corruptNext = false;
    this.#queuedBytes += bytes.length;
    this.#pump();
  }

  /** F5: the next frame is damaged on its way. */
  corruptNext(): void {
    this.#corruptNext = true;
  }

  finish(text: string): void {
    if (this.#isDead || this.#finishText !== null) return;
    this.#finishText = text;
    this.#pump();
  }

  /** A reset travels like everything else: it does not pass a cut link. */
  kill(text: string): void {
    if (this.#isDead) return;
    this.#drop();
    this.#killText = text;
    this.#pump();
  }

  /** Nothing leaves any more, and nobody is told. */
  silence(): void {
    this.#drop();
    this.#isDead = true;
  }

  /** The link changed: stalled bytes may go on. */
  wake(): void {
    if (this.#isDead || this.#isBusy) return;
    this.#pump(this.#random.next() * RETRANSMIT_MS_MAX);
  }

  #drop(): void {
    this.#frames.length = 0;
    this.#queuedBytes = 0;
  }

  #isIdle(): boolean {
    return this.#frames.length === 0 && this.#finishText === null && this.#killText === null;
  }

  /** One frame is on its way at a time: so order needs no proof. */
  #pump(extraMs = 0): void {
    if (this.#isBusy || this.#isDead || this.#isIdle()) return;
    const link = this.#links.of(this.from, this.to);
    if (link.isCut) return;
    this.#isBusy = true;
    const bytes = this.#frames[0]?.bytes.length ?? 0;
    const slowMs = link.bytesPerMs > 0 ? bytes / link.bytesPerMs : 0;
    const jitterMs = this.#random.next() * (DELAY_SPREAD_MS + link.jitterMs);
    const delayMs = BASE_DELAY_MS + link.extraDelayMs + slowMs + jitterMs + extraMs;
    this.#scheduler.after(delayMs, this.#label, () => {
      this.#isBusy = false;
      // Cut while it travelled: it stays with the sender.
      if (this.#isDead || this.#links.of(this.from, this.to).isCut) return;
      this.#arrive();
      this.#pump();
    });
  }

  #arrive(): void {
    if (this.#killText !== null) {
      this.#isDead = true;
      this.#events?.onKill(this.#killText);
      return;
    }
    // Everything written meanwhile arrives with it: a stream has no gaps between its frames.
    const count = Math.min(this.#frames.length, this.#isSlow() ? 1 : FRAMES_PER_ARRIVAL_MAX);
    for (const frame of this.#frames.splice(0, count)) {
      if (this.#isDead) return;
      this.#queuedBytes = Math.max(0, this.#queuedBytes - frame.bytes.length);
      this.#events?.onFrame(frame.bytes, frame.isCorrupt);
    }
    if (this.#frames.length === 0 && this.#finishText !== null) {
      this.#isDead = true;
      this.#events?.onFinish(this.#finishText);
    }
  }

  #isSlow(): boolean {
    return this.#links.of(this.from, this.to).bytesPerMs > 0;
  }
}

const FRAMES_PER_ARRIVAL_MAX = 8;
