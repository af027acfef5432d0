import type { LookupFunction } from "node:net";
import { WebSocket, type ClientOptions as SocketOptions } from "ws";
import { NATIVE_REPLY_FRAME_BYTES_MAX, NATIVE_SUBPROTOCOL } from "@quorate/codec";
import {
  createClientOver,
  type ClientDeps,
  type ClientOptions,
  type QuorateClient,
} from "./client.js";
import { CLOSE_MS } from "./limits.js";
import type { ClientSocket, OpenSocket } from "./socket.js";

/** Connects with the first call. @throws ERR_ARG_VALUE on an empty or unreadable server list. */
export function createClient(options: ClientOptions, deps: ClientDeps = {}): QuorateClient {
  return createClientOver(nodeSockets(), options, deps);
}

/** Each socket asks `lookup`, by default the system, for its server's address anew. */
export function nodeSockets(lookup?: LookupFunction): OpenSocket {
  return (url) => {
    // The types of ws do not know of the time for closing yet.
    const options: SocketOptions & { readonly closeTimeout: number } = {
      perMessageDeflate: false,
      closeTimeout: CLOSE_MS,
      maxPayload: NATIVE_REPLY_FRAME_BYTES_MAX,
      // Masking protects caches of proxies from scripts in browsers. From a program it would only
      // cost both sides a pass over every byte; an all-zero mask changes none, and ws skips it.
      generateMask: (mask) => {
        mask.fill(0);
      },
      ...(lookup === undefined ? {} : { lookup }),
    };
    const socket = new WebSocket(url, NATIVE_SUBPROTOCOL, options);
    return socket as unknown as ClientSocket;
  };
}
