import { existsSync, realpathSync } from "node:fs";

/**
 * What this thread does with a directory's databases. An open reads their headers as plain bytes,
 * and with the first descriptor of a file that a process closes, the kernel drops all locks that
 * the process has on that file: so nobody here may read beside an open under way, and whoever reads
 * beside an open store uses SQLite alone.
 */
export type DirectoryUse = "opening" | "open" | "reading";

interface Entry {
  readonly directory: string;
  use: DirectoryUse;
}

const entries: Entry[] = [];

/** Ends with `end`, which may be called again. */
export function beginUse(
  directory: string,
  use: DirectoryUse,
): { become(use: DirectoryUse): void; end(): void } {
  const entry: Entry = { directory, use };
  entries.push(entry);
  return {
    become: (next) => {
      entry.use = next;
    },
    end: () => {
      const at = entries.indexOf(entry);
      if (at >= 0) entries.splice(at, 1);
    },
  };
}

export function isUsedHere(directory: string, use: DirectoryUse): boolean {
  if (!existsSync(directory)) return false;
  const path = realpathSync(directory);
  const isThis = (one: string): boolean => existsSync(one) && realpathSync(one) === path;
  return entries.some((entry) => entry.use === use && isThis(entry.directory));
}
