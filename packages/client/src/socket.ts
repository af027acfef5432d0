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

/** Opens a socket to `ws://host:port` that speaks the named subprotocol. */
export type OpenSocket = (url: string, subprotocol: string) => ClientSocket;
