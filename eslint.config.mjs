// Lint with types on. Two kinds of rules live here: those that find lost promises and unhandled
// cases, and those that keep the layers honest (docs/architecture.md, section 1): the core packages
// get time, randomness, network, disk and logging through ports, never from the surroundings.
import { builtinModules } from "node:module";
import tseslint from "typescript-eslint";
import { portsOnlyPackages } from "./scripts/lib/layer-table.mjs";

const portsOnlySources = portsOnlyPackages.map((name) => `packages/${name}/src/**/*.ts`);

const ambientGlobals = [
  ["Date", "Take time from the Clock port."],
  ["performance", "Take time from the Clock port."],
  ["setTimeout", "Arm a timer of the Clock port."],
  ["setInterval", "Arm a timer of the Clock port."],
  ["setImmediate", "Arm a timer of the Clock port."],
  ["clearTimeout", "Cancel the Clock port's timer."],
  ["clearInterval", "Cancel the Clock port's timer."],
  ["clearImmediate", "Cancel the Clock port's timer."],
  ["queueMicrotask", "The simulator cannot order it; use the Clock port."],
  ["process", "Configuration arrives as values; the composition root reads the process."],
  ["console", "Log through the Logger port."],
  ["crypto", "Take randomness from the Random port."],
  ["fetch", "Reach the network through a port."],
  ["WebSocket", "Reach the network through a port."],
  ["Worker", "Threads belong to adapters."],
  ["require", "The repository is ESM only."],
  ["globalThis", "It is the way around every rule of this list."],
].map(([name, message]) => ({ name, message }));

/** Holds everywhere in TypeScript. */
const syntaxEverywhere = [
  {
    selector: "TSEnumDeclaration",
    message: "Use a union of string literals: enums do not survive type stripping.",
  },
  {
    selector: "CatchClause > BlockStatement[body.length=0]",
    message: "Handle, translate or rethrow; say why if nothing can be done.",
  },
];

const noDefaultExport = {
  selector: "ExportDefaultDeclaration",
  message: "Named exports only: one name for one thing in the whole repository.",
};

const noAmbientImport = {
  selector: "ImportExpression",
  message: "No dynamic import here: what a core package uses is known before it runs.",
};

export default tseslint.config(
  {
    ignores: [
      "**/dist/**",
      "**/coverage/**",
      "**/testdata/**",
      "**/fixtures/**",
      "**/.turbo/**",
      "**/.quorate/**",
    ],
  },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.base],
    languageOptions: {
      parserOptions: {
        // The root project, not each package's: it resolves workspace packages to their sources,
        // so that lint sees the types of today and needs no build.
        project: "./tsconfig.json",
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      "@typescript-eslint/await-thenable": "error",
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports" }],
      "@typescript-eslint/no-array-delete": "error",
      "@typescript-eslint/no-base-to-string": "error",
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-for-in-array": "error",
      "@typescript-eslint/no-implied-eval": "error",
      "@typescript-eslint/no-misused-promises": "error",
      "@typescript-eslint/no-non-null-assertion": "error",
      "@typescript-eslint/no-unnecessary-type-assertion": "error",
      "@typescript-eslint/no-unsafe-argument": "error",
      "@typescript-eslint/no-unsafe-assignment": "error",
      "@typescript-eslint/no-unsafe-call": "error",
      "@typescript-eslint/no-unsafe-member-access": "error",
      "@typescript-eslint/no-unsafe-return": "error",
      "@typescript-eslint/no-unused-vars": [
        "error",
        { argsIgnorePattern: "^_", varsIgnorePattern: "^_", caughtErrors: "all" },
      ],
      "@typescript-eslint/only-throw-error": "error",
      "@typescript-eslint/prefer-promise-reject-errors": "error",
      "@typescript-eslint/return-await": ["error", "in-try-catch"],
      // A default ends in assertNever, which the compiler checks, or refuses or delegates the rest;
      // what this rule finds is the switch that lets a new member fall through unseen.
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { allowDefaultCaseForExhaustiveSwitch: true, considerDefaultExhaustiveForUnions: true },
      ],
      eqeqeq: "error",
      "no-debugger": "error",
      "no-empty": "error",
      "no-restricted-syntax": ["error", ...syntaxEverywhere, noDefaultExport],
      "no-var": "error",
      "prefer-const": "error",
    },
  },
  {
    files: ["packages/*/src/**/*.ts"],
    rules: {
      "max-lines": ["error", { max: 400, skipBlankLines: true, skipComments: true }],
      "max-lines-per-function": ["error", { max: 70, skipBlankLines: true, skipComments: true }],
      // Servers log through winston; only the command line prints.
      "no-console": "error",
    },
  },
  { files: ["packages/cli/src/**/*.ts"], rules: { "no-console": "off" } },
  {
    // A compliance suite is one long function of small tests, as a test file is.
    files: ["packages/testkit/src/compliance/**/*.ts"],
    rules: { "max-lines-per-function": "off" },
  },
  {
    files: portsOnlySources,
    rules: {
      "no-restricted-globals": ["error", ...ambientGlobals],
      "no-restricted-properties": [
        "error",
        { object: "Math", property: "random", message: "Take randomness from the Random port." },
      ],
      "no-restricted-imports": [
        "error",
        {
          paths: builtinModules.map((name) => ({ name, message: "Reach it through a port." })),
          patterns: [{ regex: "^node:", message: "Reach it through a port." }],
        },
      ],
      "no-restricted-syntax": ["error", ...syntaxEverywhere, noDefaultExport, noAmbientImport],
    },
  },
  {
    // What a test parses or fakes is often untyped, and a wrong guess fails the test.
    files: ["packages/*/test/**/*.ts"],
    rules: {
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-call": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-return": "off",
    },
  },
  {
    // vitest and its kin read a default export.
    files: ["*.config.ts", "packages/*/*.config.ts"],
    rules: { "no-restricted-syntax": ["error", ...syntaxEverywhere] },
  },
  {
    files: ["**/*.mjs", "**/*.js"],
    rules: {
      eqeqeq: "error",
      "no-debugger": "error",
      "no-empty": "error",
      "no-undef": "off",
      "no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "no-var": "error",
      "prefer-const": "error",
    },
  },
);
