// A loader hook: replaces the source of one file, and leaves every other to the hooks before it.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { tsImport } from "tsx/esm/api";
import ts from "typescript";

let mutant = null;
let mutate = null;

export async function initialize(data) {
  mutant = data;
  ({ mutate } = await tsImport("./mutant.ts", import.meta.url));
}

export async function load(url, context, nextLoad) {
  const path = url.split("?")[0];
  if (mutant === null || !path.endsWith(`/${mutant.file}`)) return nextLoad(url, context);
  const source = mutate(await readFile(fileURLToPath(path), "utf8"), mutant);
  const { outputText } = ts.transpileModule(source, {
    fileName: fileURLToPath(path),
    compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext },
  });
  return { format: "module", source: outputText, shortCircuit: true };
}
