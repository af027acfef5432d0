/** A bug on purpose: one exact snippet of one shipped file, and what stands there instead. */
export interface Mutant {
  readonly name: string;
  /** Path from the root of the repository, such as "packages/sync/src/leader-sync-proxy.ts". */
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

const APPLIED = "quorate.mutants";

/** Plants the bug. @throws when the snippet is not there exactly once: the mutant is stale. */
export function mutate(source: string, mutant: Mutant): string {
  const parts = source.split(mutant.find);
  if (parts.length !== 2) {
    throw new Error(
      `mutant ${mutant.name}: its snippet occurs ${parts.length - 1} times in ${mutant.file}`,
    );
  }
  const mark = `;(globalThis[Symbol.for("${APPLIED}")] ??= new Set()).add("${mutant.name}");\n`;
  return parts.join(mutant.replace) + "\n" + mark;
}

/** Whether this process runs the mutated file. */
export function wasMutantApplied(name: string): boolean {
  const applied: unknown = Reflect.get(globalThis, Symbol.for(APPLIED));
  return applied instanceof Set && applied.has(name);
}
