// Executes the structure rules that neither formatter, linter nor compiler knows. Prints each
// violation with its place and exits with 1 when there is one; warnings do not count.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { checkDocuments } from "./lib/document-checks.mjs";
import { packageNames, projectFiles } from "./lib/files.mjs";
import { privatePackages } from "./lib/layer-table.mjs";

/** Physical lines, comments included. Lint holds code alone to 400 (comments may argue). */
const SOURCE_LINES_MAX = 500;
const SOURCE_LINES_WARN = 400;
const TEST_LINES_MAX = 800;
const LINE_COLUMNS_MAX = 100;

const isCode = (path) => /\.(ts|mts|mjs|js)$/.test(path);
const isTest = (path) => /(^|\/)test\//.test(path);
/** Recorded bytes and transcripts obey their own formats. */
const isData = (path) => /(^|\/)(testdata|fixtures)\//.test(path);
const isText = (path) =>
  /\.(ts|mts|mjs|js|json|md|ya?ml|sh|html|txt|cfg|toml)$/.test(path) ||
  /(^|\/)(\.[a-z]+rc|\.ci\/run|Dockerfile)$/.test(path);
/** This script and its test spell out what they look for. */
const isThisRule = (path) => /^scripts\/(tidy\.mjs|test\/tidy\.test\.mjs)$/.test(path);

const patterns = [
  {
    // Whose machine it was is nobody's business, and the path exists on no other.
    what: "a path of someone's machine",
    pattern: /(^|[\s"'`(=:])(\/work\/(main|wt-|shared|\.)|\/home\/\w+\/|\/Users\/\w+\/|\/root\/)/,
    applies: isText,
  },
  {
    what: "a path below the system's temporary folder (use os.tmpdir())",
    pattern: /["'`]\/(var\/)?tmp\//,
    applies: isCode,
  },
  {
    // The lock file too: a tarball address in it ties every user to one host.
    what: "the address of a package registry",
    pattern:
      /https?:\/\/[^\s/"']*(registry|artifactory|nexus|verdaccio)|tarball: https?:|_authToken/i,
    applies: isText,
  },
  {
    what: "an open point without an issue or ADR number, as in (#12) or (ADR 0003)",
    pattern: /\b(TODO|FIXME|XXX)\b(?!.*(#\d+|ADR \d{4}))/,
    applies: isText,
  },
  {
    what: "a focused test: the others would not run",
    pattern: /\b(it|test|describe|bench|suite)(\.\w+)*\.only\b|\bf(it|describe)\(/,
    applies: isCode,
  },
];

/** @returns {{ violations: string[], warnings: string[] }} */
export function checkTidy(root, files = projectFiles(root)) {
  const violations = [];
  const warnings = [];
  for (const path of files) {
    if (isData(path) || !isText(path)) continue;
    const lines = readFileSync(join(root, path), "utf8").split(/\r?\n/);
    if (isCode(path)) checkSize(path, lines, violations, warnings);
    if (!isThisRule(path)) checkPatterns(path, lines, violations);
    if (/^packages\/[^/]+\/(src|test)\//.test(path)) checkName(path, violations);
  }
  for (const name of packageNames(root)) violations.push(...checkManifest(root, name));
  violations.push(...checkErrorDocs(root), ...checkErrorTests(root, files));
  violations.push(...checkMessageDocs(root));
  const documents = checkDocuments(root, files);
  violations.push(...documents.violations);
  warnings.push(...documents.warnings);
  return { violations, warnings };
}

function checkSize(path, lines, violations, warnings) {
  const length = lines.at(-1) === "" ? lines.length - 1 : lines.length;
  const lengthMax = isTest(path) ? TEST_LINES_MAX : SOURCE_LINES_MAX;
  if (length > lengthMax) violations.push(`${path}: ${length} lines, at most ${lengthMax}`);
  else if (!isTest(path) && length > SOURCE_LINES_WARN) warnings.push(`${path}: ${length} lines`);
  for (const [index, line] of lines.entries()) {
    // Neither an address, recorded bytes nor a quoted snippet can be broken, and the formatter
    // keeps the title of a test on its one line.
    if (line.length <= LINE_COLUMNS_MAX || /https?:\/\/|["'`][0-9a-f]{60}/.test(line)) continue;
    if (/^\s*(it|test|describe)\("/.test(line) || /^\s*find: ['"`]/.test(line)) continue;
    violations.push(`${path}:${index + 1}: ${line.length} columns, at most ${LINE_COLUMNS_MAX}`);
  }
}

function checkPatterns(path, lines, violations) {
  for (const { what, pattern, applies } of patterns) {
    if (!applies(path)) continue;
    for (const [index, line] of lines.entries()) {
      if (pattern.test(line)) violations.push(`${path}:${index + 1}: ${what}`);
    }
  }
}

function checkName(path, violations) {
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (isCode(path) && !/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9-]+)*$/.test(name)) {
    violations.push(`${path}: file names are kebab-case (they must survive case-blind disks)`);
  }
  if (/^(utils?|helpers?|common|misc)\.ts$/.test(name)) {
    violations.push(`${path}: name the file after what it holds`);
  }
}

function checkManifest(root, name) {
  const place = `packages/${name}/package.json`;
  const manifest = JSON.parse(readFileSync(join(root, place), "utf8"));
  const violations = [];
  const need = (holds, text) => {
    if (!holds) violations.push(`${place}: ${text}`);
  };
  need(typeof manifest.description === "string" && manifest.description !== "", "no description");
  need(manifest.license === "Apache-2.0", "the license must be Apache-2.0");
  need(manifest.type === "module", 'the type must be "module"');
  // Programs, started by their path: nobody imports or builds them.
  if (name === "examples") return violations;
  need(manifest.exports?.["."] !== undefined, 'no "." in exports');
  for (const [entry, target] of Object.entries(manifest.exports ?? {})) {
    if (typeof target !== "object" || target === null) continue;
    const conditions = Object.keys(target);
    // Conditions are tried in order: behind "default" the sources would never be found.
    need(conditions[0] === "@quorate/source", `exports "${entry}": @quorate/source comes first`);
    need(conditions.includes("types"), `exports "${entry}": no types`);
    need(conditions.at(-1) === "default", `exports "${entry}": default comes last`);
  }
  need(typeof manifest.scripts?.build === "string", "no build script");
  if (!privatePackages.includes(name)) {
    need(manifest.files?.includes("dist") === true, 'files must list "dist"');
  }
  return violations;
}

/** Names of the headings of a Markdown text with the first line of prose below each. */
export function headingsOf(text) {
  const headings = [];
  let isFenced = false;
  for (const line of text.split(/\r?\n/)) {
    const isFence = line.trimStart().startsWith("```");
    if (isFence) isFenced = !isFenced;
    if (isFence || isFenced) continue;
    const heading = /^#{1,6}\s+(.*)$/.exec(line);
    if (heading !== null) headings.push({ title: heading[1], hasProse: false });
    else if (line.trim() !== "" && headings.length > 0) headings.at(-1).hasProse = true;
  }
  return headings;
}

function checkErrorDocs(root) {
  const source = join(root, "packages/protocol/src/errors.ts");
  const page = join(root, "docs/errors.md");
  if (!existsSync(source)) return [];
  if (!existsSync(page)) return ["docs/errors.md: missing"];
  const codes = errorCodes(readFileSync(source, "utf8"));
  const documented = headingsOf(readFileSync(page, "utf8")).filter((heading) =>
    /^`?ERR_/.test(heading.title),
  );
  const titles = documented.map((heading) => heading.title.replaceAll("`", ""));
  const violations = [];
  for (const code of codes) {
    if (!titles.includes(code)) violations.push(`docs/errors.md: no heading for ${code}`);
  }
  for (const [index, title] of titles.entries()) {
    if (!codes.includes(title)) violations.push(`docs/errors.md: ${title} is no error code`);
    if (titles.indexOf(title) !== index) violations.push(`docs/errors.md: ${title} occurs twice`);
    if (!documented[index].hasProse) violations.push(`docs/errors.md: ${title} is not explained`);
  }
  return violations;
}

/** A code that no test names may be produced by nothing. */
function checkErrorTests(root, files) {
  const source = join(root, "packages/protocol/src/errors.ts");
  if (!existsSync(source)) return [];
  const named = new Set();
  for (const path of files) {
    if (!isCode(path) || !isTest(path) || isThisRule(path)) continue;
    const text = readFileSync(join(root, path), "utf8");
    for (const [code] of text.matchAll(/\bERR_[A-Z_]+\b/g)) named.add(code);
  }
  return errorCodes(readFileSync(source, "utf8"))
    .filter((code) => !named.has(code))
    .map((code) => `packages/protocol/src/errors.ts: no test names ${code}`);
}

/** The strings of the ERROR_CODES array. */
export function errorCodes(text) {
  const source = ts.createSourceFile("errors.ts", text, ts.ScriptTarget.Latest, true);
  const codes = [];
  const visit = (node) => {
    if (ts.isVariableDeclaration(node) && node.name.getText() === "ERROR_CODES") {
      const collect = (inner) => {
        if (ts.isStringLiteral(inner)) codes.push(inner.text);
        ts.forEachChild(inner, collect);
      };
      collect(node);
    } else {
      ts.forEachChild(node, visit);
    }
  };
  visit(source);
  if (codes.length === 0) throw new Error("errors.ts holds no ERROR_CODES");
  return codes;
}

function checkMessageDocs(root) {
  const source = join(root, "packages/protocol/src/messages.ts");
  const page = join(root, "docs/protocol.md");
  if (!existsSync(source) || !existsSync(page)) return [];
  const headings = headingsOf(readFileSync(page, "utf8"));
  const violations = [];
  for (const kind of messageKinds(readFileSync(source, "utf8"))) {
    const isNamed = new RegExp(`(^|[^\\w])${kind}([^\\w]|$)`);
    const heading = headings.find(({ title }) => isNamed.test(title));
    if (heading === undefined) violations.push(`docs/protocol.md: no heading for message ${kind}`);
    else if (!heading.hasProse) violations.push(`docs/protocol.md: ${kind} is not explained`);
  }
  return violations;
}

/** The `kind` of every member of the PeerMsg union. */
export function messageKinds(text) {
  const source = ts.createSourceFile("messages.ts", text, ts.ScriptTarget.Latest, true);
  const kindOf = new Map();
  const members = [];
  for (const statement of source.statements) {
    if (ts.isInterfaceDeclaration(statement)) {
      const kind = statement.members.find((member) => member.name?.getText() === "kind");
      if (kind !== undefined) kindOf.set(statement.name.text, kind.type.getText().slice(1, -1));
    } else if (ts.isTypeAliasDeclaration(statement) && statement.name.text === "PeerMsg") {
      const types = ts.isUnionTypeNode(statement.type) ? statement.type.types : [statement.type];
      members.push(...types.map((type) => type.getText()));
    }
  }
  if (members.length === 0) throw new Error("messages.ts holds no PeerMsg union");
  return members.map((member) => {
    const kind = kindOf.get(member);
    if (kind === undefined) throw new Error(`${member} has no kind in messages.ts`);
    return kind;
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = join(dirname(fileURLToPath(import.meta.url)), "..");
  const { violations, warnings } = checkTidy(root);
  for (const warning of warnings) console.log(`warning: ${warning}`);
  for (const violation of violations) console.error(violation);
  console.log(`tidy: ${violations.length} violations, ${warnings.length} warnings`);
  if (violations.length > 0) process.exit(1);
}
