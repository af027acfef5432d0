import { JuteWriter, ZkAddWatchMode, ZkOp, ZkWatcherType, type MultiOp } from "@quorate/zookeeper";
import type { Dice } from "./dice.js";
import {
  badPaths,
  isTop,
  passwords,
  someAcl,
  someData,
  someDoomedPath,
  someNewPath,
  somePath,
  somePaths,
  someReadPath,
  someVersion,
} from "./generate-values.js";
import { bodyOf } from "./request-bytes.js";

/** A request without its connection. */
export interface Request {
  readonly type: number;
  readonly value: unknown;
}

/** Most nodes are open to everyone: a tree that nobody may touch shows nothing. */
const OPEN_SHARE = 0.85;
const BAD_PATH_SHARE = 0.03;
const VERSION_NEVER = 1_000_000;

function path(dice: Dice, good: (dice: Dice) => string = somePath): string | null {
  return dice.chance(BAD_PATH_SHARE) ? dice.of(badPaths) : good(dice);
}

export function createOf(dice: Dice): Request {
  const at = path(dice, someNewPath);
  const [data, acl] = [someData(dice), someAcl(dice, OPEN_SHARE)];
  if (isTop(at) && dice.chance(0.8)) {
    return { type: ZkOp.create, value: { path: at, data, acl, flags: 0 } };
  }
  const plain = dice.of([ZkOp.create, ZkOp.create2]);
  const parent = parentOf(at);
  return dice.weighted<() => Request>([
    [8, () => ({ type: plain, value: { path: at, data, acl, flags: 0 } })],
    [4, () => ({ type: plain, value: { path: at, data, acl, flags: 1 } })],
    [2, () => ({ type: plain, value: { path: `${parent}/s`, data, acl, flags: 2 } })],
    [2, () => ({ type: plain, value: { path: `${parent}/s`, data, acl, flags: 3 } })],
    [0.3, () => ({ type: plain, value: { path: `${parent}/`, data, acl, flags: 2 } })],
    [1, () => ({ type: ZkOp.createContainer, value: { path: at, data, acl, flags: 4 } })],
    [0.3, () => ({ type: plain, value: { path: at, data, acl, flags: 4 } })],
    [0.3, () => ({ type: plain, value: { path: at, data, acl, flags: dice.of([5, 6, 7, -1]) } })],
    [0.1, () => ({ type: ZkOp.createContainer, value: { path: at, data, acl, flags: 0 } })],
    [1.5, () => ({ type: ZkOp.createTtl, value: { path: at, data, acl, ...someTtl(dice) } })],
    [
      0.3,
      () => ({ type: ZkOp.createTtl, value: { path: `${parent}/t`, data, acl, ...ttlSequential } }),
    ],
  ])();
}

/**
 * Where a sequential node goes: below a node that comes and goes. The counters of those that stay
 * are no reset's to take back.
 */
function parentOf(path: string | null): string {
  const slash = path?.lastIndexOf("/") ?? -1;
  const isTemporary = path !== null && slash > 0 && !path.startsWith("/zookeeper");
  return isTemporary ? path.slice(0, slash) : "/a";
}

const TTL_SEQUENTIAL = 6;
const ttlSequential = { flags: TTL_SEQUENTIAL, ttl: 3_600_000n };

function someTtl(dice: Dice): { flags: number; ttl: bigint } {
  return {
    flags: dice.weighted<number>([
      [6, 5],
      [0.2, 0],
      [0.2, 1],
      [0.2, 9],
    ]),
    ttl: dice.weighted<bigint>([
      [6, 3_600_000n],
      // The longest that fits.
      [1, 0xffffffffffn],
      [0.3, 0x10000000000n],
      [0.3, 0n],
      [0.3, -1n],
    ]),
  };
}

/** Of nodes that stay, counters are an ensemble's own: they are asked for with none that may be. */
function versionOf(path: string | null, dice: Dice): number {
  const version = someVersion(dice);
  const isLasting = path === "/" || path === "" || path?.startsWith("/zookeeper") === true;
  return isLasting && version >= 0 ? VERSION_NEVER : version;
}

function deleteOf(dice: Dice): Request {
  const at = path(dice, someDoomedPath);
  return { type: ZkOp.delete, value: { path: at, version: versionOf(at, dice) } };
}

function setDataOf(dice: Dice): Request {
  const [at, data] = [path(dice), someData(dice)];
  return { type: ZkOp.setData, value: { path: at, data, version: versionOf(at, dice) } };
}

function checkOf(dice: Dice): Request {
  const at = path(dice);
  return { type: ZkOp.check, value: { path: at, version: versionOf(at, dice) } };
}

function setAclOf(dice: Dice): Request {
  const acl = someAcl(dice, 0.6);
  const at = path(dice);
  return { type: ZkOp.setAcl, value: { path: at, acl, version: versionOf(at, dice) } };
}

function multiOf(dice: Dice): Request {
  const count = dice.below(5);
  const some = Array.from({ length: count }, () =>
    dice.weighted<(dice: Dice) => Request>([
      [5, createOf],
      [3, deleteOf],
      [3, setDataOf],
      [2, checkOf],
    ])(dice),
  );
  return { type: ZkOp.multi, value: multiOpsOf(some) };
}

/** One that would succeed, and sometimes an operation that fails at any place of it. */
function pointedMultiOf(dice: Dice): Request {
  const at = `/multi${dice.below(3)}`;
  const data = new TextEncoder().encode("of a multi");
  const [acl, open] = [someAcl(dice, 1), someAcl(dice, OPEN_SHARE)];
  const ops: Request[] = [
    { type: dice.of([ZkOp.create, ZkOp.create2]), value: { path: at, data, acl: open, flags: 0 } },
    { type: ZkOp.setData, value: { path: at, data, version: 0 } },
    { type: ZkOp.check, value: { path: at, version: 1 } },
    { type: ZkOp.create, value: { path: `${at}/c`, data, acl, flags: dice.below(4) } },
    { type: ZkOp.delete, value: { path: `${at}/c`, version: -1 } },
    { type: ZkOp.delete, value: { path: at, version: 1 } },
  ].slice(0, 1 + dice.below(6));
  if (dice.chance(0.6)) {
    const failing = dice.of<(dice: Dice) => Request>([createOf, deleteOf, setDataOf, checkOf]);
    ops.splice(dice.below(ops.length + 1), 0, failing(dice));
  }
  return { type: ZkOp.multi, value: multiOpsOf(ops) };
}

function multiReadOf(dice: Dice): Request {
  const ops = Array.from({ length: dice.below(5) }, () => ({
    type: dice.of([ZkOp.getData, ZkOp.getChildren]),
    request: { path: path(dice, someReadPath), watch: dice.chance(0.2) },
  }));
  return { type: ZkOp.multiRead, value: ops };
}

function readOf(dice: Dice): Request {
  const type = dice.of([ZkOp.exists, ZkOp.getData, ZkOp.getChildren, ZkOp.getChildren2]);
  return { type, value: { path: path(dice, someReadPath), watch: dice.chance(0.6) } };
}

function addWatchOf(dice: Dice): Request {
  const mode = dice.weighted<number>([
    [5, ZkAddWatchMode.persistent],
    [5, ZkAddWatchMode.persistentRecursive],
    [0.3, 2],
    [0.3, -1],
  ]);
  return { type: ZkOp.addWatch, value: { path: path(dice, someReadPath), mode } };
}

function watchTypeOf(dice: Dice, type: number): Request {
  const which = dice.weighted<number>([
    [3, ZkWatcherType.children],
    [3, ZkWatcherType.data],
    [3, ZkWatcherType.any],
    [0.3, ZkWatcherType.persistent],
    [0.3, ZkWatcherType.persistentRecursive],
    [0.2, 0],
    [0.2, 9],
  ]);
  return { type, value: { path: path(dice, someReadPath), type: which } };
}

export function setWatchesOf(dice: Dice): Request {
  const lists = {
    relativeZxid: 0n,
    dataWatches: somePaths(dice, 3),
    existWatches: somePaths(dice, 3),
    childWatches: somePaths(dice, 3),
  };
  if (dice.chance(0.5)) return { type: ZkOp.setWatches, value: lists };
  return {
    type: ZkOp.setWatches2,
    value: {
      ...lists,
      persistentWatches: somePaths(dice, 2),
      persistentRecursiveWatches: somePaths(dice, 2),
    },
  };
}

export function goodAuthOf(dice: Dice): Request {
  const user = dice.weighted<string>([
    [5, "alice"],
    [5, "bob"],
    [0.5, "super"],
  ]);
  const auth = new TextEncoder().encode(`${user}:${passwords[user] ?? ""}`);
  return { type: ZkOp.auth, value: { type: 0, scheme: "digest", auth } };
}

/** Most of them end the connection. */
export function badAuthOf(dice: Dice): Request {
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  const value = dice.of<{ scheme: string | null; auth: Uint8Array | null }>([
    { scheme: "nosuch", auth: text("x") },
    { scheme: "world", auth: text("anyone") },
    { scheme: "digest", auth: text("nocolon") },
    { scheme: "digest", auth: text("super:wrong") },
    { scheme: "digest", auth: text("") },
    { scheme: "ip", auth: text("10.0.0.1") },
    { scheme: "", auth: text("x") },
  ]);
  return { type: ZkOp.auth, value: { type: 0, ...value } };
}

/** What no connection ends of. */
export function plainRequestOf(dice: Dice): Request {
  return dice.weighted<(dice: Dice) => Request>([
    [26, createOf],
    [9, deleteOf],
    [12, setDataOf],
    [4, setAclOf],
    [5, multiOf],
    [4, pointedMultiOf],
    [16, readOf],
    [3, (d) => ({ type: ZkOp.getAcl, value: { path: path(d) } })],
    [1, (d) => ({ type: ZkOp.sync, value: { path: path(d) } })],
    [0.5, () => ({ type: ZkOp.ping, value: null })],
    [3, multiReadOf],
    [4, addWatchOf],
    [2, (d) => watchTypeOf(d, ZkOp.checkWatches)],
    [3, (d) => watchTypeOf(d, ZkOp.removeWatches)],
    [2, setWatchesOf],
    [1.5, (d) => ({ type: ZkOp.getEphemerals, value: { path: path(d) } })],
    [1.5, (d) => ({ type: ZkOp.getAllChildrenNumber, value: { path: path(d) } })],
    [1, () => ({ type: ZkOp.whoAmI, value: null })],
    [2, goodAuthOf],
    [0.3, reconfigOf],
  ])(dice);
}

function reconfigOf(dice: Dice): Request {
  const value = {
    joiningServers: dice.of([null, "server.9=127.0.0.1:1:2:participant;3"]),
    leavingServers: dice.of([null, "9"]),
    newMembers: null,
    curConfigId: -1n,
  };
  return { type: ZkOp.reconfig, value };
}

/** Numbers that no operation has. */
export const unknownTypes = [10, 18_000, 23, 50, 99, 108, -5, -12, 0] as const;

const PLAIN_SYNC: Request = { type: ZkOp.sync, value: { path: "/a" } };

/** A readable request with something wrong in its bytes. */
export function malformedOf(dice: Dice): { type: number; bytes: Uint8Array } {
  const drawn = plainRequestOf(dice);
  // A reconfig that cannot be read ends the leader of a ZooKeeper 3.8 ensemble.
  const { type, value } = drawn.type === ZkOp.reconfig ? PLAIN_SYNC : drawn;
  const body = bodyOf(type, value);
  const cut = dice.below(Math.max(1, body.length));
  const broken = dice.of<() => Uint8Array>([
    () => body.slice(0, cut),
    () => new Uint8Array([...body, 1, 2, 3]),
    () => overwritten(body, 0, dice.of([-1, -2, 2_147_483_647, 1000])),
    () => overwritten(body, cut, dice.of([-1, -2, 2_147_483_647])),
    // A path that is no UTF-8.
    () => withPath(new Uint8Array([0x2f, 0x61, 0x2f, 0xff, 0xc0])),
  ])();
  return { type, bytes: broken };
}

function overwritten(body: Uint8Array, at: number, value: number): Uint8Array {
  const copy = body.slice();
  if (at + 4 <= copy.length) new DataView(copy.buffer).setInt32(at, value);
  return copy;
}

function withPath(path: Uint8Array): Uint8Array {
  const writer = new JuteWriter();
  writer.buffer(path);
  writer.boolean(false);
  return writer.bytes().slice();
}

/** A multi's operations, as the codec takes them. */
function multiOpsOf(requests: readonly Request[]): readonly MultiOp[] {
  return requests.map(({ type, value }) => ({ type, request: value }) as MultiOp);
}
