// Bundles the command into packages/cli/dist, with the threads that it starts: a process then loads
// a few files with what it needs, where reading and linking hundreds of modules was most of every
// start. Types are not checked: the compiler option isolatedModules promises that every file can be
// translated by itself.
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync } from "node:fs";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { scope } from "./layer-table.mjs";
import { walk } from "./files.mjs";

const target = "packages/cli/dist";
/** A process that was started from an earlier bundle may load a chunk of it yet. */
const STALE_CHUNK_MS = 3_600_000;
const licenceFile = "THIRD-PARTY-LICENCES.txt";

const external = [
  // Native, so it stays a file of its own; and a framework that looks for files of its own.
  "better-sqlite3",
  "yargs",
  // Accelerators that the libraries do without, and so do we.
  "bufferutil",
  "utf-8-validate",
  "msgpackr-extract",
];

/** Modules of the older kind call `require` for what Node brings. */
const requireBanner =
  'import { createRequire as requireOf } from "node:module"; ' +
  "const require = requireOf(import.meta.url);";

/**
 * Brings the bundle up to date.
 *
 * @param {string} root
 * @returns {Promise<boolean>} whether it had to be made.
 */
export async function bundleCommand(root) {
  const main = join(root, target, "main.js");
  if (existsSync(main) && newestInput(root) < statSync(main).mtimeMs) return false;
  const { build } = await import("esbuild");
  const { metafile, outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: {
      main: "packages/cli/src/main.ts",
      // A process of its own, beside `quorate elect --exec`.
      "led-guard": "packages/cli/src/led-guard.ts",
      ...threadsOf(root),
    },
    outdir: target,
    // A thread is started by the name of its file beside the file that starts it.
    chunkNames: "chunk-[hash]",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    conditions: ["@quorate/source"],
    external,
    sourcemap: "linked",
    charset: "ascii",
    // They travel in a file of their own.
    legalComments: "none",
    banner: { js: requireBanner },
    metafile: true,
    write: false,
    logLevel: "warning",
  });
  writeOutputs(join(root, target), outputFiles);
  writeFileSync(join(root, target, licenceFile), licencesOf(root, metafile));
  return true;
}

/** `main.js` last and whole: what it names is there, whenever a process starts. */
function writeOutputs(folder, outputFiles) {
  mkdirSync(folder, { recursive: true });
  const names = new Set(outputFiles.map(({ path }) => basename(path)));
  const isMain = ({ path }) => basename(path) === "main.js";
  for (const { path, text } of outputFiles.sort((a, b) => isMain(a) - isMain(b))) {
    writeFileSync(`${path}.tmp`, path.endsWith(".js") ? narrow(text) : text);
    renameSync(`${path}.tmp`, path);
  }
  for (const name of readdirSync(folder)) {
    if (!/^chunk-[A-Z0-9]+\.js(\.map)?$/.test(name) || names.has(name)) continue;
    const path = join(folder, name);
    if (Date.now() - statSync(path).mtimeMs > STALE_CHUNK_MS) rmSync(path);
  }
}

/**
 * A process keeps the text of its modules: at one byte a character, or at two all of a file with
 * one character beyond Latin-1. Those of strings are escaped, those of comments of libraries not.
 *
 * @param {string} text
 */
export function narrow(text) {
  return text.replace(/^[ \t]*(?:\/\/|\/\*|\*).*$/gm, (comment) =>
    comment.replace(/[^\u0000-\u007f]/g, "?"),
  );
}

/** Every worker thread of the store is an entry: it is loaded by its own name. */
function threadsOf(root) {
  const folder = "packages/commit-log/src";
  const files = walk(join(root, folder)).filter((path) => path.endsWith("-worker.ts"));
  return Object.fromEntries(files.map((path) => [path.replace(/\.ts$/, ""), `${folder}/${path}`]));
}

/** When anything changed that the bundle is made of, or made by. */
function newestInput(root) {
  const files = [...closureOf(root, "cli")].flatMap((folder) => [
    join(folder, "package.json"),
    ...walk(join(folder, "src")).map((path) => join(folder, "src", path)),
  ]);
  const tools = [join(root, "pnpm-lock.yaml"), join(root, "scripts/lib/bundle.mjs")];
  return Math.max(...[...files, ...tools].map((path) => statSync(path).mtimeMs));
}

/** The folders of a package and of every workspace package that it depends on. */
function closureOf(root, name, found = new Set()) {
  const folder = join(root, "packages", name);
  if (found.has(folder)) return found;
  found.add(folder);
  const { dependencies = {} } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  for (const dependency of Object.keys(dependencies)) {
    if (dependency.startsWith(scope)) closureOf(root, dependency.slice(scope.length), found);
  }
  return found;
}

/** What the licences of the bundled libraries ask for: that they travel along. */
function licencesOf(root, { inputs }) {
  const packages = new Set();
  for (const path of Object.keys(inputs)) {
    const match = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path);
    if (match !== null) packages.add(match[0]);
  }
  const texts = [...packages].sort().map((folder) => {
    const manifest = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
    const file = readdirSync(join(root, folder)).find((name) => /^licen[cs]e/i.test(name));
    const text = file === undefined ? "" : readFileSync(join(root, folder, file), "utf8").trim();
    return `${manifest.name} ${manifest.version} (${manifest.license})\n\n${text}\n`;
  });
  return texts.join(`\n${"-".repeat(80)}\n\n`);
}
