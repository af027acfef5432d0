import { defineConfig } from "vitest/config";

// Workspace packages of the tests resolve to their sources; the processes run dist/, which the
// global setup brings up to date.
const conditions = ["@quorate/source", "module", "node", "development|production"];

export default defineConfig({
  root: import.meta.dirname,
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ["test/e2e/**/*.test.ts"],
    globalSetup: ["../../scripts/lib/bundle-cli.mjs"],
    pool: "forks",
    // Three processes at a time are what two cores bear.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
