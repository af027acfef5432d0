import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { hasZookeeper } from "@quorate/testkit/processes";
import type { SyncCounter } from "../../load/sync-counter.js";
import type { Contender } from "./contender.js";
import { etcdContender } from "./etcd.js";
import { quorateContender } from "./quorate.js";
import { zookeeperContender } from "./zookeeper.js";

const DEFAULTS = ["quorate", "zookeeper", "etcd"];

export interface Found {
  readonly contenders: readonly Contender[];
  /** Why one is missing, in a sentence each. */
  readonly notices: readonly string[];
}

/** What the command line names, or all there is. @throws for what is named and is not there. */
export function findContenders(
  targets: readonly string[],
  command: readonly string[],
  syncs: SyncCounter,
): Found {
  const contenders: Contender[] = [];
  const notices: string[] = [];
  for (const target of targets.length === 0 ? DEFAULTS : targets) {
    const found = findOne(target, command, syncs);
    if (typeof found !== "string") contenders.push(found);
    else if (targets.length === 0) notices.push(found);
    else throw new Error(found);
  }
  const names = contenders.map(({ name }) => name);
  if (new Set(names).size < names.length) throw new Error("each --target needs a name of its own");
  return { contenders, notices };
}

function findOne(
  target: string,
  command: readonly string[],
  syncs: SyncCounter,
): Contender | string {
  const [name = "", directory] = target.split("=");
  if (directory !== undefined) return checkoutContender(name, resolve(directory), command, syncs);
  switch (name) {
    case "quorate":
      return quorateContender(name, "this checkout", command, syncs);
    case "zookeeper":
      if (!hasZookeeper()) return "ZooKeeper is not installed (Debian's package zookeeper)";
      return zookeeperContender(zookeeperVersion(), syncs);
    case "etcd": {
      const version = versionOf("etcd", ["--version"]);
      if (version === null) return "etcd is not installed (Debian's package etcd-server)";
      return etcdContender(`etcd ${/Version: (\S+)/.exec(version)?.[1] ?? ""}`);
    }
    default:
      return `${target} is none of ${DEFAULTS.join(", ")}, NAME=DIRECTORY`;
  }
}

/** Another checkout, bundled by its own scripts, and run with the same flags. */
function checkoutContender(
  name: string,
  directory: string,
  command: readonly string[],
  syncs: SyncCounter,
): Contender | string {
  const bundle = join(directory, "scripts/lib/bundle.mjs");
  if (!/^[a-z][a-z0-9-]*$/.test(name)) return `${name} is no name: letters, digits and dashes`;
  if (!existsSync(bundle)) return `${directory} is no checkout of Quorate`;
  const script = `const { bundleCommand } = await import(process.argv[1]);
    await bundleCommand(process.argv[2]);`;
  execFileSync(process.execPath, ["--input-type=module", "--eval", script, bundle, directory], {
    cwd: directory,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const main = join(directory, "packages/cli/dist/main.js");
  const commit = versionOf("git", ["-C", directory, "rev-parse", "--short", "HEAD"])?.trim();
  const description = commit === undefined ? "another checkout" : `commit ${commit}`;
  return quorateContender(name, description, [...command.slice(0, -1), main], syncs);
}

function versionOf(file: string, args: readonly string[]): string | null {
  try {
    return execFileSync(file, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch {
    // It is not there: that is the answer.
    return null;
  }
}

function zookeeperVersion(): string {
  const status = versionOf("dpkg-query", ["-W", "-f=${Version}", "zookeeper"]);
  const java = /"([^"]+)"/.exec(readVersionOfJava())?.[1];
  return `ZooKeeper ${status ?? "of unknown version"}${java === undefined ? "" : `, Java ${java}`}`;
}

function readVersionOfJava(): string {
  const release = "/usr/lib/jvm/default-java/release";
  if (!existsSync(release)) return "";
  return /^JAVA_VERSION=.*$/m.exec(readFileSync(release, "utf8"))?.[0] ?? "";
}
