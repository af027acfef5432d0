import {
  createsOf,
  decodeImportedNode,
  type AclEntry,
  type AclResult,
  type GetResult,
  type NodeImage,
} from "@quorate/znode";
import { COMPARES_IN_FLIGHT_MAX } from "./limits.js";
import type { SourceNode, SourceTree } from "./source-tree.js";
import type { Target } from "./target.js";

export interface Difference {
  readonly path: string;
  /** `missing`, `data`, `acl`, `children`, or a field of Stat. */
  readonly what: string;
}

const FIELDS = ["czxid", "mzxid", "ctime", "mtime", "version", "aversion"] as const;

/** Each node of the source, as it was read, beside the target's. */
export async function compareTrees(
  tree: SourceTree,
  target: Target,
  onCompared: (nodes: number) => void,
): Promise<readonly Difference[]> {
  const found: Difference[] = [];
  const nodes = tree.nodes();
  const work = async (): Promise<void> => {
    for (const [path, node] of nodes) {
      const [here, packed] = await Promise.all([target.get(path), tree.packed(node)]);
      const what =
        here === null ? ["missing"] : differences(tree, node, decodeImportedNode(packed), here);
      for (const one of what) found.push({ path, what: one });
      onCompared(1);
    }
  };
  await Promise.all(Array.from({ length: COMPARES_IN_FLIGHT_MAX }, work));
  return found.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

function differences(
  tree: SourceTree,
  { children }: SourceNode,
  source: NodeImage,
  target: GetResult & AclResult,
): string[] {
  const { path } = source;
  const { stat } = target;
  const what: string[] = FIELDS.filter((field) => source[field] !== stat[field]);
  const owner = BigInt.asUintN(64, stat.ephemeralOwner);
  // A source hides whether it is a container or has a time to live.
  const isOther = source.owner !== owner && (tree.knowsOwners || source.owner !== 0n);
  if (isOther) what.push("ephemeralOwner");
  // What a quota's stats say follows from the nodes that are there, and ephemerals stay behind.
  const isStats = path.startsWith("/zookeeper/quota/") && path.endsWith("/zookeeper_stats");
  if (!isStats && Buffer.compare(source.data, target.data) !== 0) what.push("data");
  if (textOf(source.acl) !== textOf(target.acl)) what.push("acl");
  const copied = children.filter((name) => {
    const child = path === "/" ? `/${name}` : `${path}/${name}`;
    return child === "/zookeeper" || tree.get(child) !== undefined;
  });
  // Every tree has that one, also when a part of another became its whole.
  const own = path === "/" && !children.includes("zookeeper") ? 1 : 0;
  if (stat.numChildren !== copied.length + own) what.push("children");
  // Where nothing was left out nothing comes and goes meanwhile, either.
  const isStill = copied.length === children.length;
  if (isStill && source.pzxid !== stat.pzxid) what.push("pzxid");
  const creates = createsOf(stat);
  if (isStill ? source.creates !== creates : source.creates > creates) what.push("cversion");
  return what;
}

function textOf(acl: readonly AclEntry[]): string {
  return JSON.stringify(acl.map(({ perms, scheme, id }) => [perms, scheme, id]));
}
