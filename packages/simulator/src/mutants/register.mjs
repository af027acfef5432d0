// Loaded with --import after tsx: plants one mutant, given as JSON in this URL's query.
import { readFileSync } from "node:fs";
import { register } from "node:module";
import ts from "typescript";
import { mutate } from "./mutant.ts";

const mutant = JSON.parse(new URL(import.meta.url).searchParams.get("mutant"));
const target = new URL(`../../../../${mutant.file}`, import.meta.url);
const source = mutate(readFileSync(target, "utf8"), mutant);
const { outputText } = ts.transpileModule(source, {
  fileName: mutant.file,
  compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext },
});
register("./hooks.mjs", import.meta.url, { data: { href: target.href, source: outputText } });
