export { formatAddress, parseAddress, type PeerAddress as Address } from "@quorate/transport";

/** A name other than `localhost` may resolve to anything, so it does not count as loopback. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}
