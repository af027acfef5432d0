import { isIP } from "node:net";
import { QuorateError } from "@quorate/protocol";

export interface Address {
  /** A name or an IP, without brackets. Names are resolved again on every use. */
  readonly host: string;
  readonly port: number;
}

const LOOPBACK = "127.0.0.1";

/**
 * Reads `host:port`, `[v6]:port`, `:port` or `port`; without a host it is loopback.
 * @throws ERR_CONFIG_VALUE.
 */
export function parseAddress(text: string, what: string): Address {
  const match = /^(?:\[([^\]]+)\]:|([^:[\]\s]*):)?(\d{1,5})$/.exec(text);
  const port = match === null ? Number.NaN : Number(match[3]);
  const host = match?.[1] ?? match?.[2] ?? "";
  const bad = match === null || port > 65_535 || (match[1] !== undefined && isIP(match[1]) !== 6);
  if (bad) {
    throw new QuorateError("ERR_CONFIG_VALUE", `${what} must be like "127.0.0.1:9001"`, {
      details: { key: what, value: text.slice(0, 200) },
    });
  }
  return { host: host === "" ? LOOPBACK : host, port };
}

export function formatAddress(address: Address): string {
  return isIP(address.host) === 6
    ? `[${address.host}]:${address.port}`
    : `${address.host}:${address.port}`;
}

/** A name other than `localhost` may resolve to anything, so it does not count as loopback. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}
