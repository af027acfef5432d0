import { QuorateError } from "@quorate/protocol";
import { SERVERS_MAX, TIMEOUT_MS_MAX } from "./limits.js";

/** A deadline of NaN never comes, and every wait has a bound. */
export function checkTimeout(timeoutMs: number): number {
  if (timeoutMs >= 0 && timeoutMs <= TIMEOUT_MS_MAX) return timeoutMs;
  const what = `timeoutMs is 0 to ${TIMEOUT_MS_MAX}, not ${timeoutMs}`;
  throw new QuorateError("ERR_ARG_VALUE", what);
}

export function checkServers(servers: readonly string[]): void {
  if (servers.length === 0 || servers.length > SERVERS_MAX) {
    throw new QuorateError("ERR_ARG_VALUE", `servers: 1..${SERVERS_MAX} are needed`);
  }
  for (const server of servers) {
    if (!isAddress(server)) {
      const what = `a server is written like "127.0.0.1:4181", not ${JSON.stringify(server)}`;
      throw new QuorateError("ERR_ARG_VALUE", what.slice(0, 200), {
        details: { server: server.slice(0, 200) },
      });
    }
  }
}

/** Written like an address, and one of which a URL can be made: then every socket can be. */
function isAddress(server: string): boolean {
  if (!/^(?:\[[0-9a-fA-F:.]+\]|[^\s:/[\]@?#]+):\d{1,5}$/.test(server)) return false;
  try {
    return new URL(`ws://${server}`).pathname === "/";
  } catch {
    // A port above 65535, an IPv6 address that is none, a bad escape.
    return false;
  }
}
