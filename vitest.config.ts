import { defineConfig } from "vitest/config";

// Workspace packages resolve to their sources, so that no test ever runs a stale build.
const conditions = ["@quorate/source", "module", "node", "development|production"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ["packages/*/test/**/*.test.ts"],
    pool: "forks",
    testTimeout: 20_000,
  },
});
