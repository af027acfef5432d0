/**
 * Chaos and load against real server processes: `pnpm chaos`, `pnpm load`, `pnpm fan-out` and
 * `pnpm watchers`.
 * @packageDocumentation
 */
export { chaosMain } from "./chaos/main.js";
export { runChaos, type ChaosOptions, type ChaosResult } from "./chaos/run-chaos.js";
export { fanOutMain } from "./fan-out/main.js";
export { loadMain } from "./load/main.js";
export { watchersMain } from "./watchers/main.js";
