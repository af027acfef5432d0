/**
 * Chaos and load against real server processes: `pnpm chaos`, `pnpm load`, `pnpm fan-out`,
 * `pnpm watchers` and `pnpm million`; what ZooKeeper's clients see: `pnpm differential` and
 * `pnpm sessions`.
 * @packageDocumentation
 */
export { benchMain } from "./compare/main.js";
export { CHARTS, type Publication } from "./compare/report/document.js";
export { chaosMain } from "./chaos/main.js";
export { runChaos, type ChaosOptions, type ChaosResult } from "./chaos/run-chaos.js";
export { differentialMain } from "./differential/main.js";
export { fanOutMain } from "./fan-out/main.js";
export { loadMain } from "./load/main.js";
export { millionMain } from "./million/main.js";
export { sessionsMain } from "./sessions/main.js";
export { watchersMain } from "./watchers/main.js";
