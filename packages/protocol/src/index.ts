/**
 * The vocabulary and the ports of Quorate (L0). No runtime dependency, no I/O.
 * @packageDocumentation
 */
export * from "./action-handler.js";
export * from "./assert.js";
export * from "./caller.js";
export * from "./churn-map.js";
export * from "./committed-event.js";
export * from "./committed-stream.js";
export * from "./entry-batch.js";
export * from "./errors.js";
export * from "./ids.js";
export * from "./item-stream.js";
export * from "./key.js";
export * from "./limits.js";
export * from "./messages.js";
export * from "./op-code.js";
export * from "./packed-rows.js";
export * from "./ports/clock.js";
export * from "./ports/custom-state.js";
export * from "./ports/durable-store.js";
export * from "./ports/election-network.js";
export * from "./ports/logger.js";
export * from "./ports/meter.js";
export * from "./ports/peer.js";
export * from "./ports/random.js";
export * from "./ports/service.js";
export * from "./ports/state-machine.js";
export * from "./quorum.js";
export * from "./request.js";
export * from "./session-password.js";
export * from "./text.js";
export * from "./timings.js";
export * from "./txnid.js";
