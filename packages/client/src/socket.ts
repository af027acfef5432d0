import { WebSocket } from "ws";
import { NATIVE_REPLY_FRAME_BYTES_MAX, NATIVE_SUBPROTOCOL } from "@quorate/codec";

/** What the client needs of a WebSocket: the part that browsers and `ws` have in common. */
export interface ClientSocket {
  binaryType: string;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onerror: ((event: { readonly message?: string }) => void) | null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null;
  send(data: Uint8Array): void;
  close(code?: number): void;
}

/** Opens a socket to `ws://host:port`; in a browser `(url, name) => new WebSocket(url, name)`. */
export type OpenSocket = (url: string, subprotocol: string) => ClientSocket;

export const openNodeSocket: OpenSocket = (url) => {
  const socket = new WebSocket(url, NATIVE_SUBPROTOCOL, {
    perMessageDeflate: false,
    maxPayload: NATIVE_REPLY_FRAME_BYTES_MAX,
    // Masking protects caches of proxies from scripts in browsers. From a program it would only
    // cost both sides a pass over every byte; an all-zero mask changes none, and ws skips it.
    generateMask: (mask) => {
      mask.fill(0);
    },
  });
  return socket as unknown as ClientSocket;
};
