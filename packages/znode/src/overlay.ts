import { ChurnMap, type Txnid } from "@quorate/protocol";

/** What a judgement needs to know of a node; a Znode is one, too. */
export interface NodeView {
  readonly version: number;
  readonly creates: number;
  readonly childCount: number;
}

/** A node as it will be once everything prepared is applied (ZooKeeper's ChangeRecord). */
export interface PreparedNode extends NodeView {
  readonly exists: boolean;
  /** The newest transaction that touches the node: with it the record has done its service. */
  readonly txnid: Txnid;
}

/** Prepared and not yet applied changes, by path. Bounded by the outstanding entries, twice. */
export class Overlay {
  readonly #records = new ChurnMap<string, PreparedNode>();

  get size(): number {
    return this.#records.size;
  }

  get(path: string): PreparedNode | undefined {
    return this.#records.get(path);
  }

  put(path: string, record: PreparedNode): void {
    this.#records.set(path, record);
  }

  /** The transaction is applied to the node: what came no later is no longer pending. */
  release(path: string, txnid: Txnid): void {
    const record = this.#records.get(path);
    if (record !== undefined && record.txnid <= txnid) this.#records.delete(path);
  }

  clear(): void {
    this.#records.clear();
  }
}
