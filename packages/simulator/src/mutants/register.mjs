// Loaded with --import after tsx: plants one mutant, given as JSON in this URL's query.
import { readFileSync } from "node:fs";
import { register } from "node:module";
import ts from "typescript";
import { mutate } from "./mutant.ts";

const { name, edits } = JSON.parse(new URL(import.meta.url).searchParams.get("mutant"));
const planted = edits.map((edit) => {
  const target = new URL(`../../../../${edit.file}`, import.meta.url);
  const source = mutate(readFileSync(target, "utf8"), name, edit);
  const { outputText } = ts.transpileModule(source, {
    fileName: edit.file,
    compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext },
  });
  return [target.href, outputText];
});
register("./hooks.mjs", import.meta.url, { data: planted });
