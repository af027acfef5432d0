// Proves the layer rule of docs/architecture.md, section 1, from package.json files and from every
// import statement. Prints each violation with its place and exits with 1 when there is one.
import { existsSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { packageNames, walk } from "./lib/files.mjs";
import { importsOf } from "./lib/imports.mjs";
import {
  layerOf,
  portsOnlyPackages,
  privatePackages,
  scope,
  testOnlyPackages,
} from "./lib/layer-table.mjs";

const builtins = new Set(builtinModules);
const runtimeFields = ["dependencies", "peerDependencies", "optionalDependencies"];

/** @returns {string[]} one sentence per violation; empty when the rule holds. */
export function checkLayers(root) {
  const names = packageNames(root);
  const manifests = new Map(
    names.map((name) => [
      name,
      JSON.parse(readFileSync(join(root, "packages", name, "package.json"), "utf8")),
    ]),
  );
  const violations = [];
  for (const [name, manifest] of manifests) {
    violations.push(...checkManifest(name, manifest));
    violations.push(...checkFiles(root, name, manifests));
  }
  violations.push(...checkCycles(manifests));
  return violations;
}

const isPrivate = (name) => privatePackages.includes(name);
const isKnown = (name) => layerOf.has(name) || isPrivate(name);

/** Why `from` may not use `to` in shipped code; undefined when it may. */
function refusal(from, to) {
  if (from === to) return "a package does not import itself by name";
  if (!isKnown(to)) return `${scope}${to} is no package of scripts/lib/layer-table.mjs`;
  if (isPrivate(from)) return undefined;
  if (isPrivate(to)) return `${to} is private and nothing shipped may use it`;
  if (layerOf.get(to) < layerOf.get(from)) return undefined;
  const layers = `${from} is layer ${layerOf.get(from)}, ${to} is layer ${layerOf.get(to)}`;
  return `${layers}: only strictly lower layers may be used`;
}

function testRefusal(from, to) {
  return testOnlyPackages.includes(to) ? undefined : refusal(from, to);
}

function checkManifest(name, manifest) {
  const place = `packages/${name}/package.json`;
  const violations = [];
  const report = (text) => violations.push(`${place}: ${text}`);
  if (!isKnown(name)) report("the package has no layer; add it to scripts/lib/layer-table.mjs");
  if (manifest.name !== scope + name) report(`the name must be ${scope}${name}`);
  if (isPrivate(name) !== (manifest.private === true)) {
    report(isPrivate(name) ? "must be private" : "is a shipped package and must not be private");
  }
  for (const field of [...runtimeFields, "devDependencies"]) {
    for (const dependency of Object.keys(manifest[field] ?? {})) {
      if (!dependency.startsWith(scope)) continue;
      const to = dependency.slice(scope.length);
      const reason = field === "devDependencies" ? testRefusal(name, to) : refusal(name, to);
      if (reason !== undefined) report(`${field}: ${reason}`);
    }
  }
  return violations;
}

function checkFiles(root, name, manifests) {
  const violations = [];
  for (const area of ["src", "test"]) {
    const files = walk(root, `packages/${name}/${area}`).filter((path) =>
      /\.[cm]?tsx?$/.test(path),
    );
    for (const path of files) {
      for (const found of importsOf(path, readFileSync(join(root, path), "utf8"))) {
        const reason = checkImport({ name, area, path, manifests }, found);
        if (reason !== undefined) violations.push(`${path}:${found.line}: ${reason}`);
      }
    }
  }
  return violations;
}

function checkImport(from, { specifier, typeOnly }) {
  if (isPrivate(from.name)) return undefined;
  if (specifier === undefined) {
    return from.area === "src" ? "a computed import proves nothing: name the module" : undefined;
  }
  if (specifier.startsWith(".")) return checkRelative(from, specifier);
  if (specifier.startsWith(scope)) return checkWorkspace(from, specifier);
  return from.area === "src" ? checkForeign(from, specifier, typeOnly) : undefined;
}

function checkRelative({ name, area, path }, specifier) {
  const target = posix.normalize(posix.join(posix.dirname(path), specifier));
  const home = `packages/${name}/${area === "src" ? "src/" : ""}`;
  if (target.startsWith(home)) return undefined;
  return `"${specifier}" leaves ${home}: import the package by its name`;
}

function checkWorkspace({ name, area, manifests }, specifier) {
  const [to, ...rest] = specifier.slice(scope.length).split("/");
  const reason = area === "src" ? refusal(name, to) : testRefusal(name, to);
  // A test may also use its own package by name, as its users do.
  if (reason !== undefined && !(area === "test" && to === name)) return reason;
  if (rest.length > 0 && manifests.get(to)?.exports?.[`./${rest.join("/")}`] === undefined) {
    return `"${specifier}" reaches past the index of ${to}`;
  }
  if (to === name) return undefined;
  const fields = area === "src" ? runtimeFields : [...runtimeFields, "devDependencies"];
  return declares(manifests.get(name), fields, scope + to)
    ? undefined
    : `${scope}${to} is not among the package's ${fields.join(", ")}`;
}

function checkForeign({ name, manifests }, specifier, typeOnly) {
  const isBuiltin = specifier.startsWith("node:") || builtins.has(specifier);
  if (isBuiltin) {
    return portsOnlyPackages.includes(name)
      ? `"${specifier}": ${name} reaches the world through ports only`
      : undefined;
  }
  const parts = specifier.split("/");
  const dependency = parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
  // The root's own tools are found from everywhere here, and from nowhere once published.
  const fields = typeOnly ? [...runtimeFields, "devDependencies"] : runtimeFields;
  return declares(manifests.get(name), fields, dependency)
    ? undefined
    : `${dependency} is not among the package's dependencies`;
}

function declares(manifest, fields, dependency) {
  return fields.some((field) => manifest[field]?.[dependency] !== undefined);
}

/** The build runs dependencies first, devDependencies included; a cycle would stop it. */
function checkCycles(manifests) {
  const done = new Set();
  const violations = [];
  const visit = (name, path) => {
    if (path.includes(name)) {
      const cycle = [...path.slice(path.indexOf(name)), name].join(" -> ");
      violations.push(`packages/${name}/package.json: cyclic dependencies: ${cycle}`);
      return;
    }
    if (done.has(name)) return;
    const manifest = manifests.get(name);
    for (const field of [...runtimeFields, "devDependencies"]) {
      for (const dependency of Object.keys(manifest?.[field] ?? {})) {
        if (dependency.startsWith(scope)) visit(dependency.slice(scope.length), [...path, name]);
      }
    }
    done.add(name);
  };
  for (const name of manifests.keys()) visit(name, []);
  return violations;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = join(dirname(fileURLToPath(import.meta.url)), "..");
  if (!existsSync(join(root, "packages"))) throw new Error(`no packages folder in ${root}`);
  const violations = checkLayers(root);
  for (const violation of violations) console.error(violation);
  console.log(`layers: ${packageNames(root).length} packages, ${violations.length} violations`);
  if (violations.length > 0) process.exit(1);
}
