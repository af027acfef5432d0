import { CreateMode } from "@quorate/znode";
import { SESSION_PREFIX } from "../../checkers/service/service-model.js";
import { MULTI_PARTS_MAX } from "../../coverage.js";
import type { RandomStream } from "../../engine/random-stream.js";
import type { Part, SessionRequest } from "./request.js";

/** So few that clients meet. */
const PARENTS = [0, 1, 2].map((at) => `${SESSION_PREFIX}${at}`);
const CHILDREN = ["a", "b", "c"] as const;
/** More than these, and the client deletes before it makes others. */
const NUMBERED_MAX = 4;
const ANY_VERSION = -1;
/** No node of a run is changed so often. */
const WRONG_VERSION = 1_000_000;

export interface Drawer {
  readonly random: RandomStream;
  /** Numbered nodes of the client that it may delete. */
  readonly numbered: string[];
  value(): string;
}

/** What a client sends together: answered one after the other. */
export function drawBurst(drawer: Drawer): readonly SessionRequest[] {
  const { random } = drawer;
  if (random.chance(0.2)) return drawAround(drawer);
  const count = 1 + random.below(random.pick([1, 2, 4]));
  return Array.from({ length: count }, () => drawRequest(drawer));
}

/** Writes of one node, some of them refused, with reads between them: each has its exact place. */
function drawAround({ random, value }: Drawer): readonly SessionRequest[] {
  const path = anyPath(random);
  const count = 2 + random.below(3);
  return Array.from({ length: count }, (): readonly SessionRequest[] => {
    const version = random.chance(0.5) ? WRONG_VERSION : ANY_VERSION;
    const set = { kind: "set", path, value: value(), version } as const;
    return [set, { kind: "get", path, watch: random.chance(0.2) }];
  }).flat();
}

function drawRequest(drawer: Drawer): SessionRequest {
  const { random } = drawer;
  const dice = random.next();
  if (dice < 0.44) return drawWrite(drawer);
  if (dice < 0.58) return drawMulti(drawer);
  if (dice < 0.64) return { kind: "sync" };
  if (dice < 0.66) {
    const isRecursive = random.chance(0.5);
    return { kind: "addWatch", path: isRecursive ? parent(random) : anyPath(random), isRecursive };
  }
  const kind = random.pick(["get", "exists", "children"] as const);
  const path = kind === "children" ? parent(random) : anyPath(random);
  return { kind, path, watch: random.chance(0.6) };
}

function drawWrite(drawer: Drawer): Exclude<Part, { kind: "check" }> {
  const { random, numbered } = drawer;
  const old = numbered.length > NUMBERED_MAX ? numbered.shift() : undefined;
  if (old !== undefined) return { kind: "delete", path: old, version: ANY_VERSION };
  const dice = random.next();
  if (dice < 0.15) return create(drawer, parent(random), CreateMode.persistent);
  if (dice < 0.4) {
    const mode = random.chance(0.6) ? CreateMode.ephemeral : CreateMode.persistent;
    return create(drawer, child(random), mode);
  }
  if (dice < 0.5) {
    const { ephemeralSequential, persistentSequential } = CreateMode;
    const mode = random.chance(0.5) ? ephemeralSequential : persistentSequential;
    return create(drawer, `${parent(random)}/n-`, mode);
  }
  if (dice < 0.75) {
    const version = random.chance(0.15) ? WRONG_VERSION : ANY_VERSION;
    return { kind: "set", path: anyPath(random), value: drawer.value(), version };
  }
  const path = random.chance(0.1) ? parent(random) : child(random);
  return { kind: "delete", path, version: ANY_VERSION };
}

/** Half of them have a part that is refused wherever it stands. */
function drawMulti(drawer: Drawer): SessionRequest {
  const { random } = drawer;
  const count = 1 + random.below(MULTI_PARTS_MAX);
  const value = drawer.value();
  let at = 0;
  const withValue = { ...drawer, value: () => `${value}.${(at += 1)}` };
  const parts: Part[] = Array.from({ length: count }, () => drawWrite(withValue));
  if (random.chance(0.5)) {
    const path = parent(random);
    parts[random.below(count)] = { kind: "check", path, version: WRONG_VERSION };
  } else if (random.chance(0.5)) {
    parts.splice(random.below(count), 1, { kind: "check", path: parent(random), version: -1 });
  }
  return { kind: "multi", parts };
}

function create(drawer: Drawer, path: string, mode: CreateMode): Part & { kind: "create" } {
  return { kind: "create", path, value: drawer.value(), mode };
}

function parent(random: RandomStream): string {
  return random.pick(PARENTS);
}

function child(random: RandomStream): string {
  return `${parent(random)}/${random.pick(CHILDREN)}`;
}

function anyPath(random: RandomStream): string {
  return random.chance(0.3) ? parent(random) : child(random);
}
