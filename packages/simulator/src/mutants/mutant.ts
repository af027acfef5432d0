/** One exact snippet of one shipped file, and what stands there instead. */
export interface Edit {
  /** Path from the root of the repository, such as "packages/sync/src/leader-sync-proxy.ts". */
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

/** A bug on purpose. */
export interface Mutant {
  readonly name: string;
  /** Each of another file. */
  readonly edits: readonly Edit[];
}

const APPLIED = "quorate.mutants";

/** Plants one edit. @throws when the snippet is not there exactly once: the mutant is stale. */
export function mutate(source: string, name: string, edit: Edit): string {
  const parts = source.split(edit.find);
  if (parts.length !== 2) {
    throw new Error(`mutant ${name}: its snippet occurs ${parts.length - 1} times in ${edit.file}`);
  }
  const mark = `;(globalThis[Symbol.for("${APPLIED}")] ??= new Set()).add("${edit.file}");\n`;
  return parts.join(edit.replace) + "\n" + mark;
}

/** Files of the mutant that this process does not run. */
export function missingEdits(files: readonly string[]): readonly string[] {
  const applied: unknown = Reflect.get(globalThis, Symbol.for(APPLIED));
  return files.filter((file) => !(applied instanceof Set && applied.has(file)));
}
