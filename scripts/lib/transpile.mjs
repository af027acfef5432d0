// Brings dist/ of a package and of all that it needs up to date, without checking types: the
// compiler option isolatedModules promises that every file can be translated by itself. It takes
// a second where `pnpm build` takes a minute; what is published comes from `pnpm build`.
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { scope } from "./layer-table.mjs";
import { walk } from "./files.mjs";

/**
 * @param {string} root
 * @param {string} name of a folder in packages/
 * @returns {Promise<number>} how many files were written.
 */
export async function transpile(root, name) {
  const stale = closureOf(root, name).flatMap((folder) => staleFiles(folder));
  if (stale.length === 0) return 0;
  const { transform } = await import("esbuild");
  await Promise.all(
    stale.map(async ({ source, target }) => {
      const { code, map } = await transform(readFileSync(source, "utf8"), {
        loader: "ts",
        target: "es2023",
        sourcefile: relative(dirname(target), source),
        sourcemap: "external",
        tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
      });
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(`${target}.map`, map);
      // Whole or not at all: an interrupted run must not leave half a file that looks new.
      writeFileSync(`${target}.tmp`, `${code}//# sourceMappingURL=${basename(target)}.map\n`);
      renameSync(`${target}.tmp`, target);
    }),
  );
  return stale.length;
}

/** The folders of a package and of every workspace package that it depends on. */
function closureOf(root, name, found = new Set()) {
  const folder = join(root, "packages", name);
  if (found.has(folder)) return [...found];
  found.add(folder);
  const { dependencies = {} } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  for (const dependency of Object.keys(dependencies)) {
    if (dependency.startsWith(scope)) closureOf(root, dependency.slice(scope.length), found);
  }
  return [...found];
}

function staleFiles(folder) {
  return walk(join(folder, "src"))
    .filter((path) => path.endsWith(".ts"))
    .map((path) => ({
      source: join(folder, "src", path),
      target: join(folder, "dist", path.replace(/\.ts$/, ".js")),
    }))
    .filter(({ source, target }) => !existsSync(target) || !isNewer(target, source));
}

function isNewer(target, source) {
  return statSync(target).mtimeMs > statSync(source).mtimeMs;
}
