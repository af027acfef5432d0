import { epochOf, QuorateError, type Txnid } from "@quorate/protocol";
import { decodeImportedNode, encodeImportedNode, createsOf } from "@quorate/znode";
import { compareTrees, type Difference } from "./compare.js";
import { EPOCH_HEADROOM } from "./limits.js";
import type { Owners } from "./owners.js";
import type { Progress } from "./progress.js";
import { SourceTree } from "./source-tree.js";
import type { Spool } from "./spool.js";
import type { Target } from "./target.js";
import { upload } from "./upload.js";
import type { ZkSource } from "./zk-source.js";

export type ImportMode = "import" | "dryRun" | "verify";

export interface ImportOptions {
  readonly mode: ImportMode;
  /** Passes over the source, at most, until one finds nothing changed. */
  readonly passes: number;
  /** Also a tree of which the last pass found something changed. */
  readonly acceptsChanges: boolean;
  /** Also without what cannot be read or copied. */
  readonly skipsUnreadable: boolean;
  /** Also to an epoch far above the target's. */
  readonly force: boolean;
}

export interface ImportDeps {
  readonly source: ZkSource;
  readonly target: Target;
  readonly spool: Spool;
  /** Null when nobody knows. */
  readonly owners: Owners | null;
  readonly progress: Progress;
}

export interface ImportReport {
  readonly mode: ImportMode;
  readonly nodes: number;
  readonly bytes: number;
  /** Nodes that the target did not have before; null when nothing was to be written. */
  readonly added: number | null;
  readonly ephemerals: number;
  readonly unreadable: readonly string[];
  readonly reserved: readonly string[];
  readonly passes: number;
  /** Nodes that the last pass found changed: 0, and what was read is the tree of one moment. */
  readonly changed: number;
  readonly sourceZxid: Txnid;
  /** Whether the source went on after it was read. */
  readonly isSourceNewer: boolean;
  /** The target's, above the source's; null when nothing was to be written. */
  readonly epoch: number | null;
  /** Whether containers and times to live could be told from other nodes. */
  readonly knowsOwners: boolean;
  readonly differences: readonly Difference[] | null;
}

/**
 * Reads the source until it holds still, and only then touches the target.
 * @throws (rejects) ERR_IMPORT_UNREADABLE, ERR_IMPORT_CHANGING before anything is written;
 * ERR_ZNODE_IMPORT_CONFLICT for a target that holds something else; what source and target say.
 */
export async function runImport(options: ImportOptions, deps: ImportDeps): Promise<ImportReport> {
  const { source, target, progress } = deps;
  const tree = new SourceTree(source, deps.spool, deps.owners);
  const { passes, changed, zxid } = await readTree(tree, options, deps);
  if (tree.isEmpty) {
    throw new QuorateError("ERR_ZNODE_NO_NODE", "the source has no such node as its chroot");
  }
  const unreadable = (["unreadable", "masked", "tooLarge"] as const).flatMap((why) =>
    tree.leftOut(why).map((path) => `${path} (${REASONS[why]})`),
  );
  refuseIncomplete(unreadable, changed, options);
  let written: { readonly added: number; readonly epoch: number } | null = null;
  let differences: readonly Difference[] | null = null;
  if (options.mode === "verify") {
    progress.begin("comparing", tree.nodeCount);
    differences = await compareTrees(tree, target, (nodes) => progress.add(nodes));
  } else {
    await refuseOtherTree(tree, target);
    if (options.mode === "import") written = await write(tree, zxid, options, deps);
  }
  return {
    mode: options.mode,
    nodes: tree.nodeCount,
    bytes: tree.bytes,
    added: written?.added ?? null,
    ephemerals: tree.leftOut("ephemeral").length,
    unreadable,
    reserved: tree.leftOut("reserved"),
    passes,
    changed,
    sourceZxid: zxid,
    isSourceNewer: (await source.sync()) !== zxid,
    epoch: written?.epoch ?? null,
    knowsOwners: tree.knowsOwners,
    differences,
  };
}

const REASONS = {
  unreadable: "its ACL does not let it be read",
  masked: "its ACL can only be seen in part",
  tooLarge: "larger than a node may be here",
} as const;

async function readTree(
  tree: SourceTree,
  options: ImportOptions,
  { source, progress }: ImportDeps,
): Promise<{ readonly passes: number; readonly changed: number; readonly zxid: Txnid }> {
  progress.begin("reading", null);
  const timer = setInterval(() => progress.set(tree.nodeCount), 100);
  try {
    for (let passes = 1; ; passes += 1) {
      const before = await source.sync();
      const found = await tree.pass();
      const zxid = await source.sync();
      // Where nothing at all happened meanwhile nobody needs to look again.
      const changed = before === zxid ? 0 : found;
      if (changed === 0 || passes >= options.passes) return { passes, changed, zxid };
    }
  } finally {
    clearInterval(timer);
  }
}

function refuseIncomplete(
  unreadable: readonly string[],
  changed: number,
  { acceptsChanges, skipsUnreadable, mode, passes }: ImportOptions,
): void {
  if (mode === "dryRun") return;
  if (unreadable.length > 0 && !skipsUnreadable) {
    throw new QuorateError(
      "ERR_IMPORT_UNREADABLE",
      `${unreadable.length} nodes cannot be copied: ${listOf(unreadable)}; give credentials that ` +
        "may read them (--auth-file), or leave them and all below them out (--skip-unreadable)",
    );
  }
  if (changed > 0 && !acceptsChanges) {
    throw new QuorateError(
      "ERR_IMPORT_CHANGING",
      `pass ${passes} over the source still found ${changed} nodes changed; stop its writers, or ` +
        "copy what was read of different moments (--accept-changes)",
    );
  }
}

function listOf(paths: readonly string[]): string {
  const some = paths.slice(0, 5).join(", ");
  return paths.length > 5 ? `${some}, and ${paths.length - 5} more` : some;
}

/** Before anything is done: an import goes where nothing is, or where it has begun before. */
async function refuseOtherTree(tree: SourceTree, target: Target): Promise<void> {
  const here = await target.get("/");
  const root = tree.get("/");
  if (here === null || root === undefined) return;
  const { stat, data, acl } = here;
  if (createsOf(stat) === 0 && stat.pzxid === 0n) return;
  const packed = await tree.packed(root);
  const own = encodeImportedNode({
    ...decodeImportedNode(packed),
    data,
    acl,
    czxid: stat.czxid,
    mzxid: stat.mzxid,
    pzxid: stat.pzxid,
    version: stat.version,
    aversion: stat.aversion,
    creates: createsOf(stat),
  });
  if (Buffer.compare(own, packed) === 0) return;
  throw new QuorateError(
    "ERR_ZNODE_IMPORT_CONFLICT",
    "the target holds nodes, or another state of the source was imported into it",
  );
}

async function write(
  tree: SourceTree,
  zxid: Txnid,
  { force }: ImportOptions,
  { target, progress }: ImportDeps,
): Promise<{ readonly added: number; readonly epoch: number }> {
  progress.begin("raising the epoch", null);
  const floor = epochOf(zxid) + EPOCH_HEADROOM;
  const epoch = await target.raiseEpoch(floor, force);
  progress.begin("importing", tree.nodeCount);
  const added = await upload(tree, target, (nodes) => progress.add(nodes));
  return { added, epoch };
}
