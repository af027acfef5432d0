// Where the repository's command line tools are. The commands run them with this very Node and
// without a shell: a machine that came here through `npx -y pnpm@10 test` has no pnpm of its own.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

const packageOf = new Map([["tsc", "typescript"]]);

/** The command line that runs a tool of the root's devDependencies. */
export function tool(name, ...args) {
  const folder = join(root, "node_modules", packageOf.get(name) ?? name);
  if (!existsSync(folder)) {
    throw new Error(`${name} is not installed: run "npx -y pnpm@10 install" first`);
  }
  const { bin } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const path = typeof bin === "string" ? bin : bin[name];
  return [process.execPath, join(folder, path), ...args];
}

/** The command line that runs a script of the scripts folder. */
export function script(name, ...args) {
  return [process.execPath, join(root, "scripts", name), ...args];
}

/** The command line of `quorate`, run as `quorate start` runs its servers. */
export function serverCommand() {
  process.env.MALLOC_ARENA_MAX ??= "2";
  return [process.execPath, "--max-semi-space-size=2", join(root, "packages/cli/dist/main.js")];
}
