/**
 * Deterministic simulation of ensembles: the shipped server code over a virtual clock, network and
 * disk, from one seed.
 * @packageDocumentation
 */
export * from "./engine/node-host.js";
export * from "./engine/random-stream.js";
export * from "./engine/scheduler.js";
export * from "./engine/trace.js";
export * from "./network/datagram-network.js";
export * from "./network/link-map.js";
export * from "./network/partitions.js";
export * from "./network/pipe-end.js";
export * from "./network/pipe-network.js";
export * from "./network/wire-codec.js";
export * from "./coverage.js";
export * from "./faults/swarm.js";
export * from "./run-seed.js";
export * from "./shipped-parts.js";
export * from "./workload/history.js";
export * from "./world/simulated-server.js";
export * from "./checkers/linearizability.js";
export type { Violation } from "./checkers/violations.js";
