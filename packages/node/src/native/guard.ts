import type { IncomingHttpHeaders } from "node:http";
import { isIP } from "node:net";

export interface GuardOptions {
  /** Names under which this port may be addressed, besides IP addresses and localhost. */
  readonly allowedHosts: readonly string[];
  /** Origins of web pages that may use it. */
  readonly allowedOrigins: readonly string[];
}

/**
 * Judges who asks. A browser sends any page's requests to a loopback port, with the page's Origin;
 * and a page whose name is made to resolve to 127.0.0.1 is of that origin itself, but then Host
 * carries its name. Programs send no Origin. Null when allowed, otherwise the reason.
 */
export function refusalOf(headers: IncomingHttpHeaders, options: GuardOptions): string | null {
  const { host, origin } = headers;
  if (host === undefined || !isAllowedHost(hostnameOf(host), options.allowedHosts)) {
    return "this Host is not allowed; see allowedHosts";
  }
  if (origin !== undefined && !options.allowedOrigins.includes(origin)) {
    return "this Origin is not allowed; see allowedOrigins";
  }
  if (origin === undefined && isForeignPage(headers)) {
    return "a page of another site asks, without its Origin";
  }
  return null;
}

/**
 * A page's script, image or no-cors fetch carries no Origin. It is shown no answer, but it can hold
 * watches open. Browsers say from where it comes; a link that a person follows is no such thing.
 */
function isForeignPage(headers: IncomingHttpHeaders): boolean {
  const site = headers["sec-fetch-site"];
  if (site === undefined || site === "none" || site === "same-origin") return false;
  return headers["sec-fetch-mode"] !== "navigate" || headers["sec-fetch-dest"] !== "document";
}

function isAllowedHost(hostname: string, allowed: readonly string[]): boolean {
  if (hostname === "localhost" || isIP(hostname) !== 0) return true;
  return allowed.some((name) => name.toLowerCase() === hostname);
}

function hostnameOf(host: string): string {
  const match = /^\[([^\]]*)\](?::\d+)?$|^([^:]*)(?::\d+)?$/.exec(host);
  return (match?.[1] ?? match?.[2] ?? "").toLowerCase();
}
