// The programs that the documents show are programs: all of them are compiled, as one.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

/** From here every package of ours is found. The files are nowhere on a disk. */
const FOLDER = "packages/examples/snippets";
/** Of a fragment only: it speaks of names that the reader has. What they are is not known. */
const UNKNOWN_NAMES = new Set([2304, 18004]);

/** @returns {{ path: string, line: number, isFragment: boolean, text: string }[]} */
export function snippetsOf(path, text) {
  const blocks = text.matchAll(/^```(?:ts|typescript)([^\n]*)\n([^]*?)^```/gm);
  return [...blocks].map((block) => ({
    path,
    line: text.slice(0, block.index).split("\n").length + 1,
    isFragment: block[1].trim().split(/\s+/).includes("fragment"),
    text: block[2],
  }));
}

/** @returns {string[]} what does not compile, with its place in the document */
export function checkSnippets(root, snippets) {
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [] }, ts.sys, root);
  // What a snippet declares is for its reader; and each is a module of its own.
  Object.assign(options, { noUnusedLocals: false, noUnusedParameters: false });
  options.moduleDetection = ts.ModuleDetectionKind.Force;
  const byFile = new Map(
    snippets.map((snippet, i) => [join(root, FOLDER, `snippet-${i}.mts`), snippet]),
  );
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (file) => byFile.has(file) || fileExists(file);
  host.readFile = (file) => byFile.get(file)?.text ?? readFile(file);
  host.getSourceFile = (file, language, ...rest) => {
    const snippet = byFile.get(file);
    return snippet === undefined
      ? getSourceFile(file, language, ...rest)
      : ts.createSourceFile(file, snippet.text, language);
  };
  const program = ts.createProgram([...byFile.keys()], options, host);
  return [...byFile].flatMap(([file, snippet]) => {
    const source = program.getSourceFile(file);
    const found = [
      ...program.getSyntacticDiagnostics(source),
      ...program.getSemanticDiagnostics(source),
    ];
    return found
      .filter(({ code }) => !(snippet.isFragment && UNKNOWN_NAMES.has(code)))
      .map(({ start = 0, messageText }) => {
        const line = snippet.line + source.getLineAndCharacterOfPosition(start).line;
        return `${snippet.path}:${line}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`;
      });
  });
}

export function snippetsIn(root, paths) {
  return paths.flatMap((path) => snippetsOf(path, readFileSync(join(root, path), "utf8")));
}
