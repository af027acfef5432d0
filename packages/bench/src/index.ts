/**
 * Chaos and load against real server processes: `pnpm chaos` and `pnpm load`.
 * @packageDocumentation
 */
export { runChaos, type ChaosOptions, type ChaosResult } from "./chaos/run-chaos.js";
export { chaosMain } from "./chaos/main.js";
