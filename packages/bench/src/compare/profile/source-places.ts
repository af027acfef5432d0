import { existsSync, readFileSync } from "node:fs";
import { SourceMap, type SourceMapPayload } from "node:module";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import type { Locate } from "./cpu-profile.js";

/** Finds the sources behind a bundle by the maps beside its files. */
export function sourcePlaces(): Locate {
  const maps = new Map<string, SourceMap | null>();
  return (url, line, column) => {
    if (!url.startsWith("file:")) return url;
    const file = fileURLToPath(url);
    let map = maps.get(file);
    if (map === undefined) {
      const path = `${file}.map`;
      map = existsSync(path)
        ? new SourceMap(JSON.parse(readFileSync(path, "utf8")) as SourceMapPayload)
        : null;
      maps.set(file, map);
    }
    const entry = map?.findEntry(line, column);
    if (entry === undefined || !("originalSource" in entry))
      return `${shortened(file)}:${line + 1}`;
    const source = posix.join(posix.dirname(file), entry.originalSource);
    return `${shortened(source)}:${entry.originalLine + 1}`;
  };
}

/** From the package on: where a checkout lies says nothing. */
function shortened(path: string): string {
  const packages = path.lastIndexOf("/packages/");
  const modules = path.lastIndexOf("/node_modules/");
  return path.slice(Math.max(packages, modules, -1) + 1);
}
