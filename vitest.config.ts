import { defineConfig } from "vitest/config";

// Workspace packages resolve to their sources, so that no test ever runs a stale build.
const conditions = ["@quorate/source", "module", "node", "development|production"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ["packages/*/test/**/*.test.ts", "scripts/test/**/*.test.mjs"],
    // Real processes have a stage of their own.
    exclude: ["**/node_modules/**", "**/test/e2e/**"],
    pool: "forks",
    testTimeout: 20_000,
  },
});
