/**
 * Chaos and load against real server processes: `pnpm chaos` and `pnpm load`.
 * @packageDocumentation
 */
export { chaosMain } from "./chaos/main.js";
export { runChaos, type ChaosOptions, type ChaosResult } from "./chaos/run-chaos.js";
export { loadMain } from "./load/main.js";
