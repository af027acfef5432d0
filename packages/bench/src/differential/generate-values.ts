import { createHash } from "node:crypto";
import type { AclEntry } from "@quorate/zookeeper";
import type { Dice } from "./dice.js";

/**
 * The pieces that requests are made of. The tree is small, so that operations meet: most of what is
 * named exists some of the time.
 */

const TOPS = ["/a", "/b", "/c"] as const;
const MIDS = ["/x", "/y", "/z"] as const;
const LEAVES = ["/m", "/n"] as const;

/** The tops are mostly there, and what is below them comes and goes. */
export function somePath(dice: Dice): string {
  const top = dice.of(TOPS);
  return dice.weighted<() => string>([
    [3, () => top],
    [6, () => top + dice.of(MIDS)],
    [3, () => top + dice.of(MIDS) + dice.of(LEAVES)],
    [1, () => `${top}/s${String(dice.below(6)).padStart(10, "0")}`],
    [0.3, () => "/"],
    [0.3, () => dice.of(["/zookeeper", "/zookeeper/config", "/zookeeper/quota"])],
  ])();
}

/** What limits and counts a subtree is read only: ZooKeeper 3.8 dies of a text it cannot read. */
export function someReadPath(dice: Dice): string {
  if (!dice.chance(0.03)) return somePath(dice);
  return `${quotaOf(dice.of(TOPS))}/${dice.of(QUOTA_NODES)}`;
}

/** Of something that is not there yet. */
export function someNewPath(dice: Dice): string {
  return dice.chance(0.25) ? dice.of(TOPS) : somePath(dice);
}

/** Seldom a top, which would make everything below it fail for a while. */
export function someDoomedPath(dice: Dice): string {
  const path = somePath(dice);
  return TOPS.some((top) => top === path) && dice.chance(0.7) ? path + dice.of(MIDS) : path;
}

export function isTop(path: string | null): boolean {
  return TOPS.some((top) => top === path);
}

export function somePaths(dice: Dice, countMax: number): string[] {
  return Array.from({ length: dice.below(countMax + 1) }, () => somePath(dice));
}

export const QUOTA_NODES = ["zookeeper_limits", "zookeeper_stats"] as const;

export function quotaOf(path: string): string {
  return `/zookeeper/quota${path}`;
}

export function someTop(dice: Dice): string {
  return dice.of(TOPS);
}

/** What no path may be. */
export const badPaths: readonly [string | null, ...(string | null)[]] = [
  "",
  "a",
  "/a/",
  "//",
  "/a//x",
  "/a/./x",
  "/a/../b",
  "/..",
  "/a\u0000x",
  "/a\u0001x",
  "/a\u007fx",
  "/a\uf8ffx",
  "/a\ufff0x",
  null,
];

/** Versions that may be right are smaller. */
export const VERSIONS_ASKED = 4;

/** A version that may be right, one that never is, and the one that always is. */
export function someVersion(dice: Dice): number {
  return dice.weighted<() => number>([
    [5, () => -1],
    [4, () => dice.below(VERSIONS_ASKED)],
    [0.5, () => 1_000_000],
    [0.2, () => -2],
    [0.2, () => 2_147_483_647],
  ])();
}

const PACKET_BYTES_MAX = 1024 * 1024 - 1;

export function someData(dice: Dice): Uint8Array | null {
  return dice.weighted<() => Uint8Array | null>([
    [8, () => new TextEncoder().encode(`d${dice.below(1000)}`)],
    [1, () => null],
    [1, () => new Uint8Array(0)],
    [2, () => new Uint8Array(dice.below(300)).fill(dice.below(256))],
    [0.03, () => new Uint8Array(900_000).fill(7)],
    // Around the longest packet that a server takes.
    [0.03, () => new Uint8Array(PACKET_BYTES_MAX - dice.below(100)).fill(8)],
  ])();
}

export const passwords: Readonly<Record<string, string>> = {
  alice: "wonder",
  bob: "builder",
  super: "super",
};

export function digestId(user: string): string {
  const credentials = `${user}:${passwords[user] ?? ""}`;
  return `${user}:${createHash("sha1").update(credentials).digest("base64")}`;
}

function entry(perms: number, scheme: string | null, id: string | null): AclEntry {
  return { perms, id: { scheme, id } };
}

const openAcl = [entry(31, "world", "anyone")];

const goodAcls = (dice: Dice): AclEntry[] =>
  dice.of<AclEntry[]>([
    [entry(1, "world", "anyone")],
    [entry(dice.below(32), "world", "anyone")],
    [entry(31, "auth", "")],
    [entry(31, "digest", digestId("alice"))],
    [entry(15, "digest", digestId("bob")), entry(1, "world", "anyone")],
    [entry(16, "digest", digestId("alice")), entry(15, "world", "anyone")],
    [entry(31, "ip", "127.0.0.1")],
    [entry(31, "ip", "127.0.0.0/8")],
    [entry(31, "ip", "10.1.2.3/16"), entry(1, "world", "anyone")],
    [entry(31, "world", "anyone"), entry(31, "world", "anyone")],
    [entry(31, "auth", "ignored"), entry(1, "ip", "127.0.0.1")],
  ]);

const badAcls: readonly [AclEntry[] | null, ...(AclEntry[] | null)[]] = [
  [],
  null,
  [entry(31, "world", "bob")],
  [entry(31, "nosuch", "x")],
  [entry(31, "digest", "nocolon")],
  [entry(31, "digest", "a:b:c")],
  [entry(31, "ip", "not an address")],
  [entry(31, "ip", "127.0.0.1/33")],
  [entry(31, null, null)],
  [entry(31, "world", null)],
  [entry(31, "", "")],
  [entry(0, "world", "anyone")],
  [entry(-1, "world", "anyone")],
  [entry(64, "world", "anyone")],
];

export function someAcl(dice: Dice, openShare: number): readonly AclEntry[] | null {
  if (dice.chance(openShare)) return openAcl;
  return dice.chance(0.8) ? goodAcls(dice) : dice.of(badAcls);
}

/** Limits that are met soon: soft, hard, both, and what cannot be read. */
export function someLimits(dice: Dice): Uint8Array {
  const text = dice.of([
    `count=${1 + dice.below(5)},bytes=${10 * dice.below(5)}`,
    `count=-1,bytes=-1;countHardLimit=${1 + dice.below(5)};byteHardLimit=-1`,
    `count=-1,bytes=-1,byteHardLimit=${20 * dice.below(6)},countHardLimit=-1`,
    `count=2,bytes=20;countHardLimit=${2 + dice.below(4)};byteHardLimit=${40 + dice.below(100)}`,
    "count=-1,bytes=-1",
  ]);
  return new TextEncoder().encode(text);
}
