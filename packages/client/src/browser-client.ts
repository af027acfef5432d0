import {
  createClientOver,
  type ClientDeps,
  type ClientOptions,
  type QuorateClient,
} from "./client.js";
import type { ClientSocket, OpenSocket } from "./socket.js";

declare const WebSocket: new (url: string, subprotocol: string) => ClientSocket;

/** Connects with the first call. @throws ERR_ARG_VALUE on an empty or unreadable server list. */
export function createClient(options: ClientOptions, deps: ClientDeps = {}): QuorateClient {
  return createClientOver(openBrowserSocket, options, deps);
}

const openBrowserSocket: OpenSocket = (url, subprotocol) => new WebSocket(url, subprotocol);
