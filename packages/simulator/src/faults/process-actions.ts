import type { PersistKind } from "../coverage.js";
import type { SimNode } from "../world/sim-node.js";
import type { FaultAction, Nemesis } from "./nemesis.js";

const nothing = (): void => undefined;

const killAtPortCall: FaultAction = {
  kind: "F16 kill at port call",
  durationMs: [0, 1],
  begin: (nemesis) => {
    const node = nemesis.anyNode();
    if (!node.host.isAlive) return null;
    const calls = 1 + nemesis.random.below(nemesis.random.pick([5, 50, 500]));
    nemesis.line(`kill n${node.id} at its port call ${calls} from now`);
    node.host.killAtPortCall(calls);
    return nothing;
  },
};

const PERSIST_KINDS: readonly PersistKind[] = [
  "acceptedEpoch",
  "truncate",
  "append",
  "stage",
  "install",
  "currentEpoch",
  "members",
];

/** Dies around a write; an election is started with it, since most writes belong to one. */
const killAroundPersist: FaultAction = {
  kind: "F16 kill around persist",
  durationMs: [3000, 12_000],
  begin: (nemesis) => {
    const { random, world } = nemesis;
    const victims = random.chance(0.3) ? world.nodes : [nemesis.anyNode()];
    for (const node of victims) {
      node.setTrap({
        kind: random.pick(PERSIST_KINDS),
        when: random.chance(0.7) ? "before" : "after",
      });
    }
    if (random.chance(0.5)) nemesis.depose();
    else nemesis.anyNode().kill("killed");
    return () => {
      for (const node of victims) node.setTrap(null);
    };
  },
};

const pause: FaultAction = {
  kind: "F17 pause",
  durationMs: [50, 6000],
  begin: (nemesis) => {
    const node = nemesis.anyNode();
    if (!node.host.isAlive) return null;
    nemesis.line(`stop n${node.id}`);
    node.host.pause();
    return () => {
      nemesis.line(`continue n${node.id}`);
      node.host.resume();
    };
  },
};

const restartLoop: FaultAction = {
  kind: "F18 restart loop",
  durationMs: [2000, 6000],
  begin: (nemesis) => {
    const node = nemesis.anyNode();
    let isOver = false;
    nemesis.line(`n${node.id} restarts again and again`);
    const again = (): void => {
      if (isOver) return;
      node.kill("killed");
      node.start();
      nemesis.world.scheduler.after(nemesis.random.between(5, 900), "restart loop", again);
    };
    again();
    return () => {
      isOver = true;
    };
  },
};

function crashTogether(nemesis: Nemesis, victims: readonly SimNode[]): () => void {
  const how = nemesis.random.chance(0.5) ? "killed" : "powerLoss";
  nemesis.line(`${how}: ${victims.map(({ id }) => `n${id}`).join(" ")}`);
  for (const node of victims) node.kill(how, true);
  return () => {
    for (const node of nemesis.random.shuffle(victims)) {
      nemesis.world.scheduler.after(nemesis.random.next() * 300, "boot", () => node.release());
    }
  };
}

const crashQuorum: FaultAction = {
  kind: "F19 crash of a quorum",
  durationMs: [100, 3000],
  begin: (nemesis) => {
    const { nodes } = nemesis.world;
    return crashTogether(
      nemesis,
      nemesis.random.shuffle(nodes).slice(0, Math.floor(nodes.length / 2) + 1),
    );
  },
};

const crashAll: FaultAction = {
  kind: "F19 crash of all",
  durationMs: [100, 3000],
  begin: (nemesis) => crashTogether(nemesis, nemesis.world.nodes),
};

/** Not a fault: an operator restarts a node, the leader as likely as not. */
const plannedRestart: FaultAction = {
  kind: "planned restart",
  durationMs: [0, 1],
  begin: (nemesis) => {
    const leader = nemesis.world.leader();
    const node = leader !== null && nemesis.random.chance(0.5) ? leader : nemesis.anyNode();
    const { server, host } = node;
    if (server === null || host.isPaused) return null;
    nemesis.line(`planned stop of n${node.id}`);
    const { incarnation } = host;
    host.enter(incarnation, () => {
      server.stop().then(
        () => {
          if (host.isCurrent(incarnation)) host.end("exited");
        },
        (error: unknown) => {
          if (host.isCurrent(incarnation)) host.fail(error);
        },
      );
    });
    return nothing;
  },
};

export const processActions: readonly FaultAction[] = [
  killAtPortCall,
  killAroundPersist,
  pause,
  restartLoop,
  crashQuorum,
  crashAll,
  plannedRestart,
];
