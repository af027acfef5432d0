import {
  entriesOf,
  makeTxnid,
  OpCode,
  QuorateError,
  toEpoch,
  toIdentity,
  type EntryBatch,
  type ErrorCode,
  type LogPosition,
  type NodeId,
  type Txnid,
} from "@quorate/protocol";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import {
  embed,
  embedEnsemble,
  syncActionHandler,
  type HostContext,
  type OpenedHost,
  type PlainActionHandler,
} from "../src/index.js";

/** A host with blocking methods and a memory of its own: it keeps what is broadcast, in order. */
class DiaryHost implements PlainActionHandler {
  readonly pages: string[] = [];
  readonly #context: HostContext;
  #log: EntryBatch[] = [];
  #committed = makeTxnid(0, 0);
  #accepted = toEpoch(0);
  #acceptedLeader: NodeId | 0 = 0;
  #current = toEpoch(0);

  constructor(context: HostContext) {
    this.#context = context;
  }

  open(): OpenedHost {
    const { clock, nodeId } = this.#context;
    const handler = syncActionHandler(this, {
      clock,
      identity: toIdentity(String(nodeId).repeat(32)),
      getAcceptedLeader: () => this.#acceptedLeader,
      truncateAfter: ({ txnid }: LogPosition) =>
        void (this.#log = this.#log.filter(({ last }) => last <= txnid)),
    });
    const read = (op: number) =>
      op === OpCode.get
        ? ({ ok: true, content: new TextEncoder().encode(this.pages.join()) } as const)
        : ({ ok: false, code: "ERR_SERVER_UNSUPPORTED", message: "only get" } as const);
    return { handler, read };
  }

  getEnsembleSize = () => this.#context.quorum.voterIds.length;
  getQuorumVerifier = () => this.#context.quorum;
  getFollowerId = () => String(this.#context.nodeId);
  getStatus = () => "following" as const;
  getLastLoggedTxid = () => this.#log.at(-1)?.last ?? makeTxnid(0, 0);
  getLastCommittedTxid = () => this.#committed;
  getCurrentEpoch = () => this.#current;
  getAcceptedEpoch = () => this.#accepted;
  getNextTxnId = () => makeTxnid(this.#current, 1);
  getCommittedEntries = (after: Txnid, upTo: Txnid) =>
    this.#log.filter(({ last }) => last > after && last <= upTo);
  logProposal = (batch: EntryBatch) => void this.#log.push(batch);
  logAndCommit = (batch: EntryBatch, toCommit: boolean) => {
    this.#log.push(batch);
    if (toCommit) this.commit(batch.last);
  };
  notifyNewAcceptedEpoch = (epoch: ReturnType<typeof toEpoch>, leader: number) => {
    this.#accepted = epoch;
    this.#acceptedLeader = leader as NodeId;
  };
  notifyNewCurrentEpoch = (epoch: ReturnType<typeof toEpoch>) => void (this.#current = epoch);
  commit = (upTo: Txnid) => {
    for (const batch of this.getCommittedEntries(this.#committed, upTo)) {
      for (const { op, key, fid, reqId, txnid } of entriesOf(batch)) {
        if (op === OpCode.broadcast) this.pages.push(key);
        const content = new Uint8Array();
        if (fid !== this.getFollowerId()) continue;
        this.#context.requests.completeRequest(reqId, { ok: true, txnid, content });
      }
    }
    this.#committed = upTo;
  };
  abort = (_fid: string, reqId: bigint, code: ErrorCode, error: string) =>
    this.#context.requests.completeRequest(reqId, {
      ok: false,
      error: new QuorateError(code, error),
    });
  respond = () => undefined;
}

it("a program's own ActionHandler takes the place of store and tree", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "quorate-host-"));
  const diaries = new Map<number, DiaryHost>();
  const nodes = await embedEnsemble(3, { dataDir }, () => ({
    openHost: (context) => {
      const diary = new DiaryHost(context);
      diaries.set(context.nodeId, diary);
      return Promise.resolve(diary.open());
    },
  }));
  try {
    await Promise.all(nodes.map((node) => node.ready()));
    for (const [i, { client }] of nodes.entries()) {
      await client.broadcast(`page ${i}`, new Uint8Array());
    }
    const pages = ["page 0", "page 1", "page 2"];
    for (const { client } of nodes) {
      // Linearizable: this node has applied all of them by then. The host answers text, no Stat.
      await expect(client.get("/x", { linearizable: true })).rejects.toThrow();
    }
    for (const diary of diaries.values()) expect(diary.pages).toEqual(pages);
    const leading = nodes.findIndex((node) => node.status()?.role === "leading");
    await nodes[leading]?.close();
    const rest = nodes.filter((_, i) => i !== leading);
    const isServing = (): boolean =>
      rest.some((node) => node.status()?.role === "leading") &&
      rest.every((node) => node.status()?.ready === true);
    while (!isServing()) await new Promise((resolve) => setTimeout(resolve, 5));
    await rest[0]?.client.broadcast("last page", new Uint8Array());
    await rest[1]?.client.get("/x", { linearizable: true }).catch(() => undefined);
    for (const [id, diary] of diaries) {
      if (id !== leading + 1) expect(diary.pages).toEqual([...pages, "last page"]);
    }
  } finally {
    await Promise.all(nodes.map((node) => node.close()));
    rmSync(dataDir, { recursive: true, force: true });
  }
});

it.each([
  ["commit", "ERR_SERVER_CUSTOM_STATE", "the host's commit threw"],
  ["logProposal", "ERR_STORE_IO", "the host's write failed"],
] as const)(
  "a host that throws in %s ends its node, and closes in time",
  async (method, code, text) => {
    const dataDir = mkdtempSync(join(tmpdir(), "quorate-host-"));
    try {
      const node = await embed(
        { dataDir, timings: { diskTimeoutMs: 300 } },
        {
          openHost: (context) => {
            const diary = new DiaryHost(context);
            diary[method] = () => {
              throw new Error("not today");
            };
            // And it never closes.
            const close = (): Promise<void> => new Promise(() => undefined);
            return Promise.resolve({ ...diary.open(), close });
          },
        },
      );
      const reason = await node.done;
      expect(reason).toMatchObject({ kind: "failed", error: { code } });
      expect(String(reason.kind === "failed" ? reason.error : "")).toContain(text);
      await node.close();
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  },
);
