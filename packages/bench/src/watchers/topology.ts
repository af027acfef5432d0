/** Watchers of an ensemble: some follow the leader, the others follow the first of those. */
export interface Topology {
  readonly direct: number;
  /** Behind the first direct one. */
  readonly behind: number;
}

/** Of `10`, or of `1/10`: ten behind one. @throws on anything else. */
export function parseTopology(text: string): Topology {
  const [, direct = "", behind = "0"] = /^(\d{1,3})(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const topology = { direct: Number(direct), behind: Number(behind) };
  if (direct === "" || (topology.behind > 0 && topology.direct === 0)) {
    throw new Error(`--watchers is like 10 or 1/10, not ${text}`);
  }
  return topology;
}

export function nameOf({ direct, behind }: Topology): string {
  return behind === 0 ? String(direct) : `${behind} behind ${direct}`;
}

/** Whom a watcher follows in place of the leader: the ids are those of all watchers, in order. */
export function upstreamsIn(
  { direct }: Topology,
  watcher: number,
  all: readonly number[],
): readonly number[] {
  const [first] = all;
  return first === undefined || all.indexOf(watcher) < direct ? [] : [first];
}
