import { QuorateError } from "@quorate/protocol";
import { shippedChainHash, shippedCodec, znodeApplication } from "./shipped-parts.js";
import type { Composition } from "./world/simulated-server.js";

/** The shipped code over simulated adapters. */
export const composition: Composition = {
  startServer: () => {
    throw new QuorateError("ERR_SERVER_UNSUPPORTED", "no server to simulate yet");
  },
  application: znodeApplication,
  codec: shippedCodec,
  chainHash: shippedChainHash,
};
