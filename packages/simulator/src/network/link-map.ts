import type { NodeId } from "@quorate/protocol";

/** What the path from one machine to another does to what is sent on it. */
export interface LinkFaults {
  /** Nothing arrives: pipes stall, datagrams are lost (F7, F8, F9, F11). */
  isCut: boolean;
  /** Added to every delivery (F4). */
  extraDelayMs: number;
  /** Uniformly added on top (F4). */
  jitterMs: number;
  /** 0: unlimited. A slow link or a slow receiver (F4, F15). */
  bytesPerMs: number;
  /** Probabilities per datagram (F1, F2, F3, F5). */
  drop: number;
  duplicate: number;
  reorder: number;
  corrupt: number;
}

export const PERFECT_LINK: Readonly<LinkFaults> = {
  isCut: false,
  extraDelayMs: 0,
  jitterMs: 0,
  bytesPerMs: 0,
  drop: 0,
  duplicate: 0,
  reorder: 0,
  corrupt: 0,
};

type CutListener = (from: NodeId, to: NodeId, isCut: boolean) => void;

/** One {@link LinkFaults} per direction. A node always reaches itself. */
export class LinkMap {
  readonly nodes: readonly NodeId[];
  readonly #links = new Map<number, LinkFaults>();
  readonly #listeners: CutListener[] = [];

  constructor(nodes: readonly NodeId[]) {
    this.nodes = nodes;
    for (const from of nodes) {
      for (const to of nodes) this.#links.set(from * 256 + to, { ...PERFECT_LINK });
    }
  }

  of(from: NodeId, to: NodeId): Readonly<LinkFaults> {
    return this.#links.get(from * 256 + to) ?? PERFECT_LINK;
  }

  change(from: NodeId, to: NodeId, change: Partial<LinkFaults>): void {
    const link = this.#links.get(from * 256 + to);
    if (link === undefined || from === to) return;
    const wasCut = link.isCut;
    Object.assign(link, change);
    if (wasCut !== link.isCut) for (const listen of this.#listeners) listen(from, to, link.isCut);
  }

  changeAll(change: Partial<LinkFaults>): void {
    for (const from of this.nodes) for (const to of this.nodes) this.change(from, to, change);
  }

  onCut(listener: CutListener): void {
    this.#listeners.push(listener);
  }

  /** Cuts exactly the directions that `mayPass` denies. */
  partition(mayPass: (from: NodeId, to: NodeId) => boolean): void {
    for (const from of this.nodes) {
      for (const to of this.nodes) {
        if (from !== to) this.change(from, to, { isCut: !mayPass(from, to) });
      }
    }
  }

  heal(): void {
    this.changeAll({ ...PERFECT_LINK });
  }
}
