import type { FaultKind } from "../coverage.js";
import type { SimNode } from "../world/sim-node.js";
import type { FaultAction, Nemesis } from "./nemesis.js";

/** What befalls a server without a vote: the others pick their victims among the voters. */
function atWatcher(
  kind: FaultKind,
  durationMs: FaultAction["durationMs"],
  begin: (watcher: SimNode, nemesis: Nemesis) => () => void,
): FaultAction {
  return {
    kind,
    durationMs,
    begin: (nemesis) => {
      const watcher = nemesis.random.pick(nemesis.world.watchers);
      nemesis.line(`${kind} at n${watcher.id}, the watcher`);
      return begin(watcher, nemesis);
    },
  };
}

export const watcherActions: readonly FaultAction[] = [
  atWatcher("F17 pause", [50, 6000], ({ host }) => {
    host.pause();
    return () => host.resume();
  }),
  atWatcher("F18 restart loop", [0, 1], (watcher, { random }) => {
    watcher.kill(random.chance(0.5) ? "killed" : "powerLoss");
    return () => undefined;
  }),
  atWatcher("F8 split", [300, 8000], ({ id }, { world }) => {
    const { links } = world;
    const cut = (isCut: boolean): void => {
      for (const other of links.nodes) {
        links.change(id, other, { isCut });
        links.change(other, id, { isCut });
      }
    };
    cut(true);
    return () => cut(false);
  }),
];
