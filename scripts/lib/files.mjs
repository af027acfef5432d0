// File listing shared by the checks of this folder.
import { existsSync, readdirSync, statSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const neverOurs = new Set([
  ".git",
  ".quorate",
  ".turbo",
  "coverage",
  "dist",
  "node_modules",
  "quorate-data",
]);

/** Paths of all files below `folder`, relative to `root`, with forward slashes; sorted. */
export function walk(root, folder = "") {
  const found = [];
  const absolute = join(root, folder);
  if (!existsSync(absolute)) return found;
  for (const entry of readdirSync(absolute, { withFileTypes: true })) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) {
      if (!neverOurs.has(entry.name)) found.push(...walk(root, path));
    } else if (entry.isFile()) {
      found.push(path);
    }
  }
  return found.sort();
}

/**
 * The files that are or would be committed. Asks git, since only git knows what is ignored; outside
 * a repository (an unpacked archive) every file counts.
 */
export function projectFiles(root) {
  if (!existsSync(join(root, ".git"))) return walk(root);
  const git = spawnSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  if (git.status !== 0) throw new Error(`git ls-files failed: ${git.stderr}`);
  // A file deleted but not yet staged is still listed.
  return git.stdout
    .split("\0")
    .filter((path) => path !== "" && existsSync(join(root, path)))
    .filter((path) => statSync(join(root, path)).isFile())
    .sort();
}

/** Names of the folders in packages/ that hold a package. */
export function packageNames(root) {
  const folder = join(root, "packages");
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(folder, entry.name, "package.json")))
    .map((entry) => entry.name)
    .sort();
}
