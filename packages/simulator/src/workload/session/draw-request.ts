import { CreateMode, isTtl } from "@quorate/znode";
import { SESSION_PREFIX } from "../../checkers/service/service-model.js";
import { MULTI_PARTS_MAX } from "../../coverage.js";
import type { RandomStream } from "../../engine/random-stream.js";
import type { Part, ReadPart, SessionRequest, SetAclRequest } from "./request.js";

/** So few that clients meet. */
const PARENTS = [0, 1, 2, 3, 4].map((at) => `${SESSION_PREFIX}${at}`);
/** Made for some, or for all. */
const GUARDED = `${SESSION_PREFIX}3`;
/** Made to go when its children have. */
const PASSING = `${SESSION_PREFIX}4`;
/** Shorter and longer than between two writes of a node, and between two looks of a leader. */
const TTLS_MS = [300, 1500, 6000] as const;
const READS_MAX = 4;
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
  if (dice < 0.42) return drawWrite(drawer);
  if (dice < 0.55) return drawMulti(drawer);
  if (dice < 0.6) return { kind: "sync" };
  if (dice < 0.64) return drawMultiRead(drawer);
  if (dice < 0.71) return drawSetAcl(drawer);
  if (dice < 0.76) return { kind: "getAcl", path: aclPath(random) };
  if (dice < 0.78) {
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
  if (dice < 0.15) return drawParent(drawer);
  if (dice < 0.4) return create(drawer, child(random), random.pick(CHILD_MODES));
  if (dice < 0.5) return create(drawer, `${parent(random)}/n-`, random.pick(NUMBERED_MODES));
  if (dice < 0.75) {
    const version = random.chance(0.15) ? WRONG_VERSION : ANY_VERSION;
    return { kind: "set", path: anyPath(random), value: drawer.value(), version };
  }
  const path = random.chance(0.1) ? parent(random) : child(random);
  return { kind: "delete", path, version: ANY_VERSION };
}

/** The versions that ACLs mostly have are low: some conditions are met by chance. */
function drawSetAcl(drawer: Drawer): SetAclRequest {
  const { random } = drawer;
  const path = aclPath(random);
  const acl = random.pick(["open", "open", "shown", "hidden", "named"] as const);
  const version = random.pick([ANY_VERSION, 0, 1, 2, 3, WRONG_VERSION]);
  return { kind: "setAcl", path, acl, value: drawer.value(), version };
}

/** Of the parents only one is closed to some: in the others all must be able to make nodes. */
function aclPath(random: RandomStream): string {
  return random.chance(0.5) ? GUARDED : child(random);
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

const { persistent, persistentSequential, ephemeral, ephemeralSequential } = CreateMode;
const CHILD_MODES = [ephemeral, ephemeral, ephemeral, persistent, CreateMode.ttl] as const;
const NUMBERED_MODES = [
  ephemeralSequential,
  ephemeralSequential,
  persistentSequential,
  persistentSequential,
  CreateMode.ttlSequential,
] as const;

function drawParent(drawer: Drawer): Part & { kind: "create" } {
  const { random } = drawer;
  const path = parent(random);
  if (path !== PASSING) return create(drawer, path, persistent);
  return create(drawer, path, random.chance(0.7) ? CreateMode.container : CreateMode.ttl);
}

function create(drawer: Drawer, path: string, mode: CreateMode): Part & { kind: "create" } {
  const { random } = drawer;
  const isGuarded = random.chance(path === GUARDED ? 0.8 : PARENTS.includes(path) ? 0 : 0.15);
  const acl = isGuarded ? random.pick(["shown", "hidden", "named"] as const) : "open";
  return {
    kind: "create",
    path,
    value: drawer.value(),
    mode,
    acl,
    ...(isTtl(mode) ? { ttlMs: random.pick(TTLS_MS) } : {}),
  };
}

/** Of parents and what is in them, which change together. */
function drawMultiRead({ random }: Drawer): SessionRequest {
  const of = parent(random);
  const count = 1 + random.below(READS_MAX);
  const parts = Array.from({ length: count }, (): ReadPart => {
    if (random.chance(0.4)) return { kind: "children", path: of };
    return { kind: "get", path: random.chance(0.3) ? of : `${of}/${random.pick(CHILDREN)}` };
  });
  return { kind: "multiRead", parts };
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
