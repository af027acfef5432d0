import type { Socket } from "node:net";

export const PEER_PATH = "/quorate/peer";

/** Finds dead hosts on pipes that nobody writes to; heartbeats find them long before on others. */
const KEEP_ALIVE_DELAY_MS = 10_000;

/** A frame is all that one turn has to say: nothing is gained by waiting for more. */
export function tuneSocket(socket: Socket): void {
  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS);
}
