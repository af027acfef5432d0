import { isIP } from "node:net";
import { QuorateError } from "@quorate/protocol";
import type { PeerAddress } from "./deps.js";

const LOOPBACK = "127.0.0.1";

/**
 * Reads `host:port`, `[v6]:port`, `:port` or `port`; without a host it is loopback.
 * @throws ERR_CONFIG_VALUE.
 */
export function parseAddress(text: string, what: string): PeerAddress {
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

export function formatAddress(address: PeerAddress): string {
  return isIP(address.host) === 6
    ? `[${address.host}]:${address.port}`
    : `${address.host}:${address.port}`;
}
