import type { LookupFunction } from "node:net";
import { WebSocket } from "ws";
import { NATIVE_REPLY_FRAME_BYTES_MAX, NATIVE_SUBPROTOCOL } from "@quorate/codec";
import {
  createClientOver,
  type ClientDeps,
  type ClientOptions,
  type QuorateClient,
} from "./client.js";
import type { ClientSocket, OpenSocket } from "./socket.js";

/** Connects with the first call. @throws ERR_ARG_VALUE on an empty or unreadable server list. */
export function createClient(options: ClientOptions, deps: ClientDeps = {}): QuorateClient {
  return createClientOver(nodeSockets(), options, deps);
}

/** Each socket asks `lookup`, by default the system, for its server's address anew. */
export function nodeSockets(lookup?: LookupFunction): OpenSocket {
  return (url) => {
    const socket = new WebSocket(url, NATIVE_SUBPROTOCOL, {
      perMessageDeflate: false,
      maxPayload: NATIVE_REPLY_FRAME_BYTES_MAX,
      // Masking protects caches of proxies from scripts in browsers. From a program it would only
      // cost both sides a pass over every byte; an all-zero mask changes none, and ws skips it.
      generateMask: (mask) => {
        mask.fill(0);
      },
      ...(lookup === undefined ? {} : { lookup }),
    });
    return socket as unknown as ClientSocket;
  };
}
